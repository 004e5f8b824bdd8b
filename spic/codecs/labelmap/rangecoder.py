"""A binary range coder with 16-bit probabilities; one function both writes and reads.

`coder` is int64 [range, low (writing), code (reading), position]; range < 2^32. A carry runs back into the bytes
already written. A stream has as few bytes as tell its last interval apart; a reader sees zeros behind them, at most
four.
"""

import numpy as np

from spic.codecs.jit import helper

FULL_RANGE = (1 << 32) - 1
_TOP = 1 << 24


def start_writer() -> np.ndarray:
    """Coder state before the first bit is written."""
    return np.array([FULL_RANGE, 0, 0, 0], np.int64)


def start_reader(data: np.ndarray) -> np.ndarray:
    """Coder state before the first bit of the uint8 array `data` is read."""
    head = bytes(data[:4]).ljust(4, b"\0")
    return np.array([FULL_RANGE, 0, int.from_bytes(head, "big"), 4], np.int64)


def finish(data: np.ndarray, coder: np.ndarray) -> bytes:
    """Bytes of the stream that `coder` wrote into `data`: as few as tell the last interval apart."""
    position, (last, more) = int(coder[3]), _shortest(int(coder[1]), int(coder[0]))
    value = (int.from_bytes(bytes(data[:position]), "big") << 32) + last
    return value.to_bytes(position + 4, "big")[: position + more]


def _shortest(low: int, width: int) -> tuple[int, int]:
    """The number of [low, low + width) with the most zeros at its end, of 32 bits, and how many bytes it takes."""
    for more in range(5):
        step = 1 << (32 - 8 * more)
        last = -(-low // step) * step
        if last < low + width:
            break
    return last, more


def ends_here(data: np.ndarray, coder: np.ndarray) -> bool:
    """Tell whether `data` is exactly what a writer leaves after the bits read so far."""
    position = int(coder[3]) - 4
    tail = int.from_bytes(bytes(data[position:]).ljust(4, b"\0")[:4], "big")
    last, more = _shortest((tail - int(coder[2])) % (1 << 32), int(coder[0]))
    return data.size == position + more and last % (1 << 32) == tail


def overdrawn(data: np.ndarray, coder: np.ndarray) -> bool:
    """Tell whether the reader has taken more bytes than a stream of this length can stand for."""
    return int(coder[3]) - 4 > data.size


@helper
def code_bit(data, coder, reading, probability, bit):
    """Write `bit`, or read and return it; it is 1 with `probability` / 65536. `data` needs room for 4 more bytes."""
    part = (coder[0] * probability) >> 16
    if reading:
        bit = 1 if coder[2] < part else 0
    if bit:
        coder[0] = part
    else:
        coder[0] -= part
        if reading:
            coder[2] -= part
        else:
            coder[1] += part
    while coder[0] < _TOP:
        coder[0] <<= 8
        if reading:
            _shift_in(data, coder)
        else:
            _shift_out(data, coder)
    return bit


@helper
def _shift_in(data, coder):
    position = coder[3]
    byte = np.int64(data[position]) if position < data.size else 0
    coder[2] = coder[2] << 8 | byte
    coder[3] = position + 1


@helper
def _shift_out(data, coder):
    position = coder[3]
    if coder[1] > FULL_RANGE:
        back = position - 1
        while data[back] == 255:
            data[back] = 0
            back -= 1
        data[back] += 1
        coder[1] &= FULL_RANGE
    data[position] = coder[1] >> 24
    coder[1] = (coder[1] & 0xFFFFFF) << 8
    coder[3] = position + 1
