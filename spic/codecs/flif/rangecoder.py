"""The 24-bit binary range coder of FLIF16, and its adaptive 12-bit chances.

Coder state is an int64 array, so that kernels can pass it on: decoding [range, low, next byte], encoding
[range, low, bytes written].
"""

import functools

import numpy as np

from spic.codecs.jit import helper

DEFAULT_CUTOFF, DEFAULT_DIVISOR = 2, 19
FULL_RANGE = 1 << 24
RENORM_BELOW = 1 << 16


@functools.lru_cache(maxsize=64)
def transition_table(cutoff: int = DEFAULT_CUTOFF, divisor: int = DEFAULT_DIVISOR) -> np.ndarray:
    """Successors of every 12-bit chance, after a 0 and after a 1.

    Parameters
    ----------
    cutoff : int
        Chances stay within [cutoff, 4096 - cutoff]; 1..128.
    divisor : int
        A bit moves its chance by about 1 / divisor of the way; 2..128.

    Returns
    -------
    numpy.ndarray
        uint16 (2, 4097), read only; row = the bit coded, column = the chance (of a 1) it was coded with.
    """
    one, half = 1 << 32, 1 << 31
    alpha = (one - 1) // divisor
    top = 4096 - cutoff

    def step(p):
        return p + (((one - p) * alpha + half) >> 32)

    # Any state takes the step of its own probability ...
    state = np.arange(4097)
    after_one = np.clip((step(state << 20) * 4096 + half) >> 32, state + 1, np.maximum(top, state + 1))
    after_one[:cutoff] = after_one[top:] = 0
    after_one[top] = top
    # ... but for those on the way from 1/2 upwards in exact steps: there the next one, rounded, is the successor.
    p, last = half, 0
    for _ in range(2048):
        rounded = max((p * 4096 + half) >> 32, last + 1)
        if rounded > top:
            break
        if last:
            after_one[last] = rounded
        p, last = step(p), rounded
    table = np.zeros((2, 4097), np.uint16)
    table[1] = after_one
    mirrored = after_one[::-1]
    table[0] = np.where(mirrored > 0, 4096 - mirrored, 0)
    table.flags.writeable = False
    return table


def start_decoder(data: np.ndarray) -> np.ndarray:
    """State of a decoder at the start of the uint8 array `data`; at least 3 bytes."""
    return np.array([FULL_RANGE, int(data[0]) << 16 | int(data[1]) << 8 | int(data[2]), 3], np.int64)


@helper
def _shift_in(data, coder):
    while coder[0] <= RENORM_BELOW:
        coder[0] <<= 8
        position = coder[2]
        byte = np.int64(data[position]) if position < data.size else 0
        coder[1] = coder[1] << 8 | byte
        coder[2] = position + 1


@helper
def read_bit(data, coder, chance):
    """Decode a bit that is 1 with probability chance / 4096."""
    part = (coder[0] * chance + 0x800) >> 12
    rest = coder[0] - part
    if coder[1] >= rest:
        coder[1] -= rest
        coder[0] = part
        bit = 1
    else:
        coder[0] = rest
        bit = 0
    _shift_in(data, coder)
    return bit


@helper
def read_uniform(data, coder, low, high):
    """Decode an equally probable integer of [low, high]."""
    while high > low:
        middle = (high - low) >> 1
        part = coder[0] >> 1
        rest = coder[0] - part
        if coder[1] >= rest:
            coder[1] -= rest
            coder[0] = part
            low += middle + 1
        else:
            coder[0] = rest
            high = low + middle
        _shift_in(data, coder)
    return low


@helper
def shift_out(data, coder):
    """Write the leading bytes of `low` that are settled but for a carry."""
    while coder[0] <= RENORM_BELOW:
        position = coder[2]
        if coder[1] >= FULL_RANGE:  # a carry runs back into the bytes already written
            coder[1] -= FULL_RANGE
            back = position - 1
            while data[back] == 255:
                data[back] = 0
                back -= 1
            data[back] += 1
        data[position] = coder[1] >> 16
        coder[1] = (coder[1] & 0xFFFF) << 8
        coder[0] <<= 8
        coder[2] = position + 1


@helper
def write_bit(data, coder, chance, bit):
    """Encode a bit that is 1 with probability chance / 4096; `data` must have room for 2 more bytes."""
    part = (coder[0] * chance + 0x800) >> 12
    if bit:
        coder[1] += coder[0] - part
        coder[0] = part
    else:
        coder[0] -= part
    shift_out(data, coder)


@helper
def write_uniform(data, coder, low, high, value):
    """Encode `value`, an equally probable integer of [low, high]."""
    while high > low:
        middle = (high - low) >> 1
        part = coder[0] >> 1
        if value > low + middle:
            coder[1] += coder[0] - part
            coder[0] = part
            low += middle + 1
        else:
            coder[0] -= part
            high = low + middle
        shift_out(data, coder)
