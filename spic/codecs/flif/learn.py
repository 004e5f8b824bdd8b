"""Growing a MANIAC tree for the values of one plane.

A leaf is split where that saves most bits. Candidate splits are ranked by the entropy of the two sides, the best are
then measured exactly, by playing the adaptive chances over the values as the coder will. Values are grouped into items:
runs of correctly predicted pixels with equal properties. In a label map those are nine pixels of ten.
"""

from dataclasses import dataclass

import numpy as np

from spic.codecs.flif.integers import EXPONENT, INITIAL, MANTISSA, SIGN, ZERO, bit_length
from spic.codecs.flif.jit import helper, kernel
from spic.codecs.flif.trees import ABOVE, BELOW, COLUMNS, CONTEXT, COUNT, PROPERTY, SPLIT

SPLIT_BITS = 8.0  # what a split costs in the coded tree, as measured on label maps
SPLIT_COUNT = 1  # visits before a split takes effect; larger ones gain nothing where chances adapt fast
CANDIDATES = 6  # splits of a leaf that are measured exactly
MAX_TREE = 8191
CLASSES = 40  # of values: 0, and one for each exponent and sign

BIT_COST = np.zeros((2, 4097), np.float32)
BIT_COST[0, :4096] = -np.log2(1 - np.arange(4096) / 4096)
BIT_COST[1, 1:] = -np.log2(np.arange(1, 4097) / 4096)


@dataclass
class Items:
    """The values of a plane, grouped.

    Attributes
    ----------
    columns : numpy.ndarray
        int16 (properties, items).
    weights : numpy.ndarray
        int32 (items,): length of the run; 1 for all values but 0.
    starts : numpy.ndarray
        int32 (items + 1,): where the bits of an item begin in `codes`.
    codes : numpy.ndarray
        uint8: the bits that follow the zero bit, each as 2 * index in the context + bit.
    classes : numpy.ndarray
        uint8 (items,): 0 for a run of zeros, else by exponent and sign.
    """

    columns: np.ndarray
    weights: np.ndarray
    starts: np.ndarray
    codes: np.ndarray
    classes: np.ndarray


def group(properties: np.ndarray, values: np.ndarray) -> Items:
    """Make items of int16 (N, K) properties and int16 (N, 3) values (value, lowest, highest), in coding order."""
    return Items(*_group(properties, values))


@kernel
def _group(properties, values):
    count = values.shape[0]
    first = np.empty(count, np.int32)
    weights = np.empty(count, np.int32)
    starts = np.zeros(count + 1, np.int32)
    codes = np.empty(1024, np.uint8)
    classes = np.zeros(count, np.uint8)
    items = used = 0
    for i in range(count):
        value = np.int64(values[i, 0])
        if value == 0 and items and classes[items - 1] == 0:
            j = first[items - 1]
            same = True
            for p in range(properties.shape[1]):
                same = same and properties[i, p] == properties[j, p]
            if same:
                weights[items - 1] += 1
                continue
        if used + 64 > codes.size:
            codes = np.concatenate((codes, np.empty_like(codes)))
        if value:
            used = _add_bits(codes, used, value, np.int64(values[i, 1]), np.int64(values[i, 2]))
            classes[items] = 1 + 2 * (bit_length(abs(value)) - 1) + (1 if value > 0 else 0)
        first[items] = i
        weights[items] = 1
        items += 1
        starts[items] = used
    columns = np.empty((properties.shape[1], items), np.int16)
    for p in range(properties.shape[1]):
        for item in range(items):
            columns[p, item] = properties[first[item], p]
    return columns, weights[:items].copy(), starts[: items + 1].copy(), codes[:used].copy(), classes[:items].copy()


@helper
def _add_bits(codes, used, value, low, high):
    """Append the bits of a value that is not 0, as `integers.write_integer` writes them."""
    if low > 0:
        value, high, low = value - low, high - low, 0
    elif high < 0:
        value, low, high = value - high, low - high, 0
    positive = 1 if value > 0 else 0
    if low < 0 and high > 0:
        codes[used] = 2 * SIGN + positive
        used += 1
    largest = high if positive else -low
    exponent = bit_length(abs(value)) - 1
    for e in range(min(exponent + 1, bit_length(largest) - 1)):
        codes[used] = 2 * (EXPONENT + 2 * e + positive) + (1 if e == exponent else 0)
        used += 1
    have = 1 << exponent
    for position in range(exponent - 1, -1, -1):
        if have | 1 << position <= largest:
            bit = (abs(value) >> position) & 1
            codes[used] = 2 * (MANTISSA + position) + bit
            used += 1
            have |= bit << position
    return used


@helper
def _item_cost(context, table, cost, starts, codes, classes, item, weight):
    """Bits of an item, and its effect on `context`."""
    chance = context[ZERO]
    if classes[item] == 0:
        total = np.float32(0)
        while weight > 0:
            total += cost[1, chance]
            weight -= 1
            after = table[1, chance]
            if after == chance:
                total += weight * cost[1, chance]
                break
            chance = after
        context[ZERO] = chance
        return total
    total = cost[0, chance]
    context[ZERO] = table[0, chance]
    for at in range(starts[item], starts[item + 1]):
        index, bit = codes[at] >> 1, codes[at] & 1
        chance = context[index]
        total += cost[bit, chance]
        context[index] = table[bit, chance]
    return total
