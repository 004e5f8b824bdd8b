"""What a tree learner works on: the values of a plane, grouped, and what they cost.

An item is one value, or a run of correctly predicted pixels with equal properties. In a label map those are nine
pixels of ten, so that a run costs little more time than a pixel.
"""

from typing import NamedTuple

import numpy as np

from spic.codecs.flif.integers import EXPONENT, MANTISSA, SIGN, ZERO, bit_length
from spic.codecs.jit import helper, kernel

CLASSES = 40  # of values: 0, and one for each exponent and sign

BIT_COST = np.zeros((2, 4097), np.float32)  # bits that coding a 0 or a 1 takes at each 12-bit chance
BIT_COST[0, :4096] = -np.log2(1 - np.arange(4096) / 4096)
BIT_COST[1, 1:] = -np.log2(np.arange(1, 4097) / 4096)


class Items(NamedTuple):
    """The values of a plane, grouped, in coding order.

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
    nonzero = np.count_nonzero(values[:, 0])
    count, most = len(values), 48 * nonzero  # an upper bound of the bits of the values other than 0
    columns = np.empty((properties.shape[1], count), np.int16)
    weights, starts = np.empty(count, np.int32), np.zeros(count + 1, np.int32)
    codes, classes = np.empty(most, np.uint8), np.zeros(count, np.uint8)
    items, bits = _group(properties, values, columns, weights, starts, codes, classes)
    return Items(columns[:, :items].copy(), weights[:items], starts[: items + 1], codes[:bits].copy(), classes[:items])


def thin(items: Items, most: int, block: int = 1024) -> Items:
    """Keep about `most` items, in evenly spaced blocks of neighbours; all if there are no more."""
    count = items.weights.size
    if count <= most:
        return items
    blocks = -(-count // block)
    kept = np.unique(np.linspace(0, blocks - 1, most // block).astype(np.int64))
    chosen = (kept[:, None] * block + np.arange(block)).ravel()
    chosen = chosen[chosen < count]
    lengths = np.diff(items.starts)
    mask = np.zeros(count, bool)
    mask[chosen] = True
    starts = np.concatenate(([0], np.cumsum(lengths[chosen]))).astype(np.int32)
    columns = np.ascontiguousarray(items.columns[:, chosen])
    return Items(columns, items.weights[chosen], starts, items.codes[np.repeat(mask, lengths)], items.classes[chosen])


@kernel
def _group(properties, values, columns, weights, starts, codes, classes):
    items = used = last = 0
    for i in range(values.shape[0]):
        value = np.int64(values[i, 0])
        if value == 0 and items and classes[items - 1] == 0:
            same = True
            for p in range(properties.shape[1]):
                same = same and properties[i, p] == properties[last, p]
            if same:
                weights[items - 1] += 1
                continue
        if value:
            used = _add_bits(codes, used, value, np.int64(values[i, 1]), np.int64(values[i, 2]))
            classes[items] = 1 + 2 * (bit_length(abs(value)) - 1) + (1 if value > 0 else 0)
        for p in range(properties.shape[1]):
            columns[p, items] = properties[i, p]
        weights[items] = 1
        last = i
        items += 1
        starts[items] = used
    return items, used


@helper
def _add_bits(codes, used, value, low, high):
    """Append the bits of a value that is not 0, as `integers.write_integer` writes them; 0 is in its range."""
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
def item_cost(context, table, cost, starts, codes, classes, item, weight):
    """Bits of an item (of a run, the first `weight` values), and its effect on `context`."""
    chance = context[ZERO]
    if classes[item] == 0:
        total = np.float32(0)
        while weight > 0:
            total += cost[1, chance]
            weight -= 1
            after = table[1, chance]
            if after == chance:
                total += np.float32(weight) * cost[1, chance]
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
