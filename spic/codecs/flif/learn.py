"""Growing a MANIAC tree for the values of one plane.

A leaf is split where that saves most bits. Candidate splits are ranked by the entropy of the two sides, the best are
then measured exactly, by playing the adaptive chances over the values as the coder will. Values are grouped into items:
runs of correctly predicted pixels with equal properties. In a label map those are nine pixels of ten.
"""

from dataclasses import dataclass

import numpy as np

from spic.codecs.flif.integers import EXPONENT, INITIAL, MANTISSA, SIGN, ZERO, bit_length
from spic.codecs.flif.jit import helper, kernel
from spic.codecs.flif.trees import ABOVE, BELOW, COLUMNS, COUNT, PROPERTY, SPLIT

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
    """Append the bits of a value that is not 0, as `integers.write_integer` writes them; 0 is in the range."""
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


@helper
def _leaf_cost(items, order, start, end, context, table, cost):
    _, weights, starts, codes, classes = items
    total = np.float32(0)
    for i in range(start, end):
        item = order[i]
        total += item_cost(context, table, cost, starts, codes, classes, item, weights[item])
    return total


@helper
def _before_split(items, order, start, end, visits, context, table, cost):
    """Code the first `visits` values with `context`; return bits, the item it ends in and what it took of its weight."""
    _, weights, starts, codes, classes = items
    total = np.float32(0)
    for i in range(start, end):
        item = order[i]
        taken = min(visits, weights[item])
        total += item_cost(context, table, cost, starts, codes, classes, item, taken)
        visits -= taken
        if taken < weights[item]:
            return total, i, taken
        if visits == 0:
            return total, i + 1, 0
    return total, end, 0


@helper
def _split_cost(items, order, begin, end, taken, column, split, contexts, table, cost, limit):
    """Bits of items `begin` to `end` where two contexts share them; stops above `limit`."""
    _, weights, starts, codes, classes = items
    total = np.float32(0)
    for i in range(begin, end):
        item = order[i]
        side = 0 if column[item] > split else 1
        total += item_cost(contexts[side], table, cost, starts, codes, classes, item, weights[item] - taken)
        taken = 0
        if total > limit:
            break
    return total


@helper
def _n_log_n(n):
    return n * np.log2(n) if n > 0 else 0.0


@helper
def _rank_splits(items, order, start, end, histogram, best_scores, best_splits):
    """Put the most promising splits of a leaf into `best_splits` (rows: property, split value), by entropy."""
    columns, weights, _, _, classes = items
    best_scores[:] = np.inf
    whole = np.zeros(CLASSES)
    above = np.empty(CLASSES)
    below = np.empty(CLASSES)
    for p in range(columns.shape[0]):
        column = columns[p]
        low = high = np.int64(column[order[start]])
        for i in range(start, end):
            low, high = min(low, column[order[i]]), max(high, column[order[i]])
        if low == high:
            continue
        most = 0
        histogram[: high - low + 1] = 0
        for i in range(start, end):
            item = order[i]
            histogram[column[item] - low, classes[item]] += weights[item]
            most = max(most, np.int64(classes[item]) + 1)
        whole[:most] = 0
        for value in range(high - low + 1):
            for c in range(most):
                whole[c] += histogram[value, c]
        below[:most] = 0
        for value in range(high - low):
            here = 0.0
            for c in range(most):
                below[c] += histogram[value, c]
                here += histogram[value, c]
            if here == 0:
                continue
            score = 0.0
            sum_above = sum_below = 0.0
            for c in range(most):
                above[c] = whole[c] - below[c]
                sum_above += above[c]
                sum_below += below[c]
                score -= _n_log_n(above[c]) + _n_log_n(below[c])
            score += _n_log_n(sum_above) + _n_log_n(sum_below)
            at = best_scores.shape[1]
            while at and score < best_scores[p, at - 1]:
                at -= 1
                if at + 1 < best_scores.shape[1]:
                    best_scores[p, at + 1] = best_scores[p, at]
                    best_splits[p, at + 1] = best_splits[p, at]
            if at < best_scores.shape[1]:
                best_scores[p, at] = score
                best_splits[p, at] = low + value


@kernel
def _grow(columns, weights, starts, codes, classes, table, cost, candidates, split_bits):
    """Grow a tree; nodes lie in the order of their making. `weights` is changed."""
    items = (columns, weights, starts, codes, classes)
    order = np.arange(weights.size).astype(np.int32)
    moved = np.empty(weights.size, np.int32)
    tree = np.zeros((MAX_TREE, COLUMNS), np.int32)
    contexts = np.empty((MAX_TREE, INITIAL.size), np.uint16)  # each node's, when it is made
    start = np.zeros(MAX_TREE, np.int32)
    end = np.zeros(MAX_TREE, np.int32)
    extra = np.zeros(MAX_TREE, np.int32)  # a visit that came with the parent's split and does not age the node
    bits = np.zeros(MAX_TREE, np.float32)
    spread = 1
    for p in range(columns.shape[0]):
        if weights.size:
            spread = max(spread, np.int64(columns[p].max()) - columns[p].min() + 1)
    histogram = np.zeros((spread, CLASSES), np.float32)
    scores = np.empty((columns.shape[0], candidates))
    splits = np.zeros((columns.shape[0], candidates), np.int32)
    trial = np.empty((2, INITIAL.size), np.uint16)
    contexts[0] = INITIAL
    trial[0] = INITIAL
    end[0] = weights.size
    bits[0] = _leaf_cost(items, order, 0, weights.size, trial[0], table, cost)
    used = 1
    node = 0
    while node < used:
        tree[node, PROPERTY] = -1
        if end[node] - start[node] > 1 and bits[node] > split_bits and used + 2 <= MAX_TREE:
            trial[0] = contexts[node]
            visits = SPLIT_COUNT + extra[node]
            head, begin, taken = _before_split(items, order, start[node], end[node], visits, trial[0], table, cost)
            forked = trial[0].copy()
            _rank_splits(items, order, start[node], end[node], histogram, scores, splits)
            best, best_property, best_split = bits[node] - head - split_bits, -1, 0
            for nth in range(candidates * columns.shape[0]):
                c, p = nth // columns.shape[0], nth % columns.shape[0]
                if scores[p, c] == np.inf:
                    continue
                trial[0] = forked
                trial[1] = forked
                split = splits[p, c]
                total = _split_cost(items, order, begin, end[node], taken, columns[p], split, trial, table, cost, best)
                if total < best:
                    best, best_property, best_split = total, p, split
            if best_property >= 0 and begin < end[node]:
                column = columns[best_property]
                weights[order[begin]] -= taken
                first_above = column[order[begin]] > best_split
                middle, spare = begin, 0
                for i in range(begin, end[node]):
                    if column[order[i]] > best_split:
                        order[middle] = order[i]
                        middle += 1
                    else:
                        moved[spare] = order[i]
                        spare += 1
                order[middle : end[node]] = moved[:spare]
                tree[node, PROPERTY], tree[node, SPLIT], tree[node, COUNT] = best_property, best_split, SPLIT_COUNT
                tree[node, ABOVE], tree[node, BELOW] = used, used + 1
                start[used], end[used], extra[used] = begin, middle, 1 if first_above else 0
                start[used + 1], end[used + 1], extra[used + 1] = middle, end[node], 0 if first_above else 1
                for child in (used, used + 1):
                    contexts[child] = forked
                    trial[0] = forked
                    bits[child] = _leaf_cost(items, order, start[child], end[child], trial[0], table, cost)
                used += 2
        node += 1
    return tree[:used].copy(), np.sum(bits[:1])


@kernel
def _in_preorder(tree):
    """The same tree with the nodes in the order they are coded in: a node, all above, all below."""
    result = np.empty_like(tree)
    waiting = np.zeros((tree.shape[0] + 1, 3), np.int32)  # node, its parent's new place, which child
    waiting[0, 1] = -1
    depth, used = 1, 0
    while depth:
        depth -= 1
        node, parent, side = waiting[depth]
        result[used] = tree[node]
        if parent >= 0:
            result[parent, side] = used
        if tree[node, PROPERTY] >= 0:
            for child in (BELOW, ABOVE):
                waiting[depth, 0], waiting[depth, 1], waiting[depth, 2] = tree[node, child], used, child
                depth += 1
        used += 1
    return result


def grow(items: Items, table: np.ndarray, candidates: int = CANDIDATES, split_bits: float = SPLIT_BITS) -> np.ndarray:
    """Learn a tree (see `trees`) for `items`, coded with the transition table `table`."""
    tree, _ = _grow(
        items.columns, items.weights.copy(), items.starts, items.codes, items.classes, table, BIT_COST, candidates,
        np.float32(split_bits),
    )  # fmt: skip
    return _in_preorder(tree)
