"""Near-zero integer coding: a zero bit, a sign, a unary exponent and mantissa bits, each with its own adaptive chance.

A context is a row of uint16 chances: [zero, sign, exponent (18 x 2 signs), mantissa (18)].
"""

import numpy as np

from spic.codecs.flif.rangecoder import read_bit, write_bit
from spic.codecs.jit import helper

BITS = 18  # magnitudes below 2^18; the largest in an 8-bit file is a palette of 30000 colours
ZERO, SIGN, EXPONENT, MANTISSA = 0, 1, 2, 2 + 2 * BITS
CONTEXT_SIZE = 2 + 3 * BITS


def _initial_chances() -> np.ndarray:
    row = np.full(CONTEXT_SIZE, 2048, np.uint16)
    row[ZERO] = 1000
    exponents = (1000, 1200, 1500, 1750, 2000, 2300, 2800, 2400, 2300)
    row[EXPONENT : EXPONENT + 2 * len(exponents)] = np.repeat(exponents, 2)
    mantissas = (1900, 1850, 1800, 1750, 1650, 1600, 1600)
    row[MANTISSA : MANTISSA + len(mantissas)] = mantissas
    row.flags.writeable = False
    return row


INITIAL = _initial_chances()


def fresh_contexts(count: int) -> np.ndarray:
    """`count` contexts in their initial state: uint16 (count, CONTEXT_SIZE)."""
    return np.tile(INITIAL, (count, 1))


@helper
def bit_length(value):
    """Number of bits of a positive integer."""
    length = 0
    while value:
        value >>= 1
        length += 1
    return length


@helper
def _read_adaptive(data, coder, context, index, table):
    chance = context[index]
    bit = read_bit(data, coder, np.int64(chance))
    context[index] = table[bit, chance]
    return bit


@helper
def _read_magnitude(data, coder, context, table, positive, largest):
    last = bit_length(largest) - 1
    exponent = 0
    while exponent < last and not _read_adaptive(data, coder, context, EXPONENT + 2 * exponent + positive, table):
        exponent += 1
    value = 1 << exponent
    for position in range(exponent - 1, -1, -1):
        with_bit = value | 1 << position
        if with_bit <= largest and _read_adaptive(data, coder, context, MANTISSA + position, table):
            value = with_bit
    return value


@helper
def read_integer(data, coder, context, table, low, high):
    """Decode an integer of [low, high] and adapt `context`."""
    if low >= high:
        return low
    shift = low if low > 0 else (high if high < 0 else 0)
    low -= shift
    high -= shift
    if _read_adaptive(data, coder, context, ZERO, table):
        return shift
    if low < 0 and high > 0:
        positive = _read_adaptive(data, coder, context, SIGN, table)
    else:
        positive = 1 if high > 0 else 0
    magnitude = _read_magnitude(data, coder, context, table, positive, high if positive else -low)
    return shift + magnitude if positive else shift - magnitude


@helper
def _write_adaptive(data, coder, context, index, table, bit):
    chance = context[index]
    write_bit(data, coder, np.int64(chance), bit)
    context[index] = table[bit, chance]


@helper
def write_integer(data, coder, context, table, low, high, value):
    """Encode `value` of [low, high] and adapt `context`; at most 2 * BITS + 2 bits, each of at most 12 bits' cost."""
    if low >= high:
        return
    shift = low if low > 0 else (high if high < 0 else 0)
    low -= shift
    high -= shift
    value -= shift
    _write_adaptive(data, coder, context, ZERO, table, 1 if value == 0 else 0)
    if value == 0:
        return
    positive = 1 if value > 0 else 0
    if low < 0 and high > 0:
        _write_adaptive(data, coder, context, SIGN, table, positive)
    largest = high if positive else -low
    magnitude = value if positive else -value
    last = bit_length(largest) - 1
    exponent = bit_length(magnitude) - 1
    for e in range(exponent):
        _write_adaptive(data, coder, context, EXPONENT + 2 * e + positive, table, 0)
    if exponent < last:
        _write_adaptive(data, coder, context, EXPONENT + 2 * exponent + positive, table, 1)
    have = 1 << exponent
    for position in range(exponent - 1, -1, -1):
        with_bit = have | 1 << position
        if with_bit <= largest:
            bit = (magnitude >> position) & 1
            _write_adaptive(data, coder, context, MANTISSA + position, table, bit)
            if bit:
                have = with_bit
