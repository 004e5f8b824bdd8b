"""Growing a MANIAC tree for the values of one plane.

From the root down, a leaf is split where that saves most bits. Candidate splits are ranked by the entropy of the two
sides; the best by each property are measured exactly, by playing the adaptive chances over the values as in coding.
"""

import numpy as np

from spic.codecs.flif.integers import INITIAL
from spic.codecs.flif.items import BIT_COST, CLASSES, Items, item_cost
from spic.codecs.flif.trees import ABOVE, BELOW, COLUMNS, COUNT, LEAF, PROPERTY, SPLIT
from spic.codecs.jit import helper, kernel

SPLIT_BITS = 8.0  # what a split costs in the coded tree, as measured on label maps
SPLIT_COUNT = 1  # visits before a split takes effect; larger ones gain nothing where chances adapt fast
CANDIDATES = 2  # splits by each property that are measured exactly
MARGIN = np.float32(1.15)  # splits whose entropy is larger than the best one's by this factor are not measured
MAX_TREE = 8191


def grow(items: Items, table: np.ndarray, candidates: int = CANDIDATES, split_bits: float = SPLIT_BITS) -> np.ndarray:
    """Learn a tree for the values of a plane.

    Parameters
    ----------
    items : Items
        The values.
    table : numpy.ndarray
        Transition table of the chances they will be coded with.
    candidates : int
        Splits by each property that are measured exactly.
    split_bits : float
        A split has to save more bits than this.

    Returns
    -------
    numpy.ndarray
        int32 (nodes, 6), see `trees`, in pre-order.
    """
    count, properties = items.weights.size, len(items.columns)
    if not count:
        return LEAF
    spread = int((items.columns.max(axis=1).astype(int) - items.columns.min(axis=1)).max()) + 1
    tree = np.zeros((MAX_TREE, COLUMNS), np.int32)
    used = _grow(
        Items(items.columns, items.weights.copy(), *items[2:]), table, BIT_COST, np.float32(split_bits), tree,
        np.arange(count, dtype=np.int32), np.empty(count, np.int32), np.zeros((MAX_TREE, 3), np.int32),
        np.zeros(MAX_TREE, np.float32), np.empty((MAX_TREE, INITIAL.size), np.uint16), INITIAL,
        np.empty((spread, CLASSES), np.float32), np.empty((properties, candidates), np.float32),
        np.empty((properties, candidates), np.int32),
    )  # fmt: skip
    result = np.empty((used, COLUMNS), np.int32)
    _to_preorder(tree, result, np.zeros((used + 1, 3), np.int32))
    return result


@helper
def _copy(target, source):
    for index in range(target.size):
        target[index] = source[index]


@helper
def _before_split(items, order, start, end, visits, context, table, cost):
    """Code the first `visits` values with `context`; return bits, the item it ends in and what it took of that."""
    total = np.float32(0)
    for i in range(start, end):
        item = order[i]
        taken = min(visits, items.weights[item])
        total += item_cost(context, table, cost, items.starts, items.codes, items.classes, item, taken)
        visits -= taken
        if taken < items.weights[item]:
            return total, i, taken
        if visits == 0:
            return total, i + 1, 0
    return total, end, 0


@helper
def _split_cost(items, order, begin, end, taken, column, split, contexts, table, cost, limit):
    """Bits of items `begin` to `end` where two contexts share them (above the split, below); stops above `limit`."""
    above = below = np.float32(0)
    for i in range(begin, end):
        item = order[i]
        side = 0 if column[item] > split else 1
        weight = items.weights[item] - taken
        taken = 0
        bits = item_cost(contexts[side], table, cost, items.starts, items.codes, items.classes, item, weight)
        if side:
            below += bits
        else:
            above += bits
        if above + below > limit:
            break
    return above, below


@helper
def _n_log_n(n):
    return n * np.log2(n) if n > 0 else np.float32(0)


@helper
def _rank_splits(items, order, start, end, histogram, scores, splits):
    """Put the best splits of a leaf by each property into `splits`, by entropy; unused `scores` are infinite."""
    whole = np.empty(CLASSES, np.float32)
    below = np.empty(CLASSES, np.float32)
    for p in range(scores.shape[0]):
        column = items.columns[p]
        low = high = np.int64(column[order[start]])
        most = 0
        for i in range(start, end):
            value = np.int64(column[order[i]])
            low, high = min(low, value), max(high, value)
            most = max(most, np.int64(items.classes[order[i]]) + 1)
        for nth in range(scores.shape[1]):
            scores[p, nth] = np.inf
        for c in range(most):
            whole[c] = below[c] = 0
            for value in range(high - low + 1):
                histogram[value, c] = 0
        for i in range(start, end):
            item = order[i]
            weight = np.float32(items.weights[item])
            histogram[column[item] - low, items.classes[item]] += weight
            whole[items.classes[item]] += weight
        for value in range(high - low):
            here = sum_above = sum_below = score = np.float32(0)
            for c in range(most):
                here += histogram[value, c]
            if here == 0:
                continue
            for c in range(most):
                below[c] += histogram[value, c]
                above = whole[c] - below[c]
                sum_above += above
                sum_below += below[c]
                score -= _n_log_n(above) + _n_log_n(below[c])
            score += _n_log_n(sum_above) + _n_log_n(sum_below)
            at = scores.shape[1]
            while at and score < scores[p, at - 1]:
                at -= 1
                if at + 1 < scores.shape[1]:
                    scores[p, at + 1] = scores[p, at]
                    splits[p, at + 1] = splits[p, at]
            if at < scores.shape[1]:
                scores[p, at] = score
                splits[p, at] = low + value


@helper
def _part(order, begin, end, column, split, moved):
    """Sort `order[begin:end]` into above and below, keeping the order within; return where the second part starts."""
    middle, spare = begin, 0
    for i in range(begin, end):
        if column[order[i]] > split:
            order[middle] = order[i]
            middle += 1
        else:
            moved[spare] = order[i]
            spare += 1
    for i in range(spare):
        order[middle + i] = moved[i]
    return middle


@kernel
def _grow(
    items, table, cost, split_bits, tree, order, moved, spans, bits, contexts, initial, histogram, scores, splits
):  # fmt: skip
    """Grow `tree`, its nodes in the order of their making; return how many there are.

    Of each node: `spans` holds where its items start and end in `order`, and whether a visit came with its parent's
    split and does not age it; `bits` what it costs as a leaf; `contexts` the context it starts with.
    """
    properties = scores.shape[0]
    trial = np.empty((2, initial.size), np.uint16)
    forked = np.empty(initial.size, np.uint16)
    _copy(contexts[0], initial)
    spans[0, 1] = order.size
    bits[0] = np.inf
    used, node = 1, 0
    while node < used:
        tree[node, PROPERTY] = -1
        start, end = spans[node, 0], spans[node, 1]
        if end - start < 2 or bits[node] <= split_bits or used + 2 > tree.shape[0]:
            node += 1
            continue
        _copy(forked, contexts[node])
        head, begin, taken = _before_split(items, order, start, end, SPLIT_COUNT + spans[node, 2], forked, table, cost)
        _rank_splits(items, order, start, end, histogram, scores, splits)
        best, best_property, best_split = bits[node] - head - split_bits, -1, 0
        promising = np.float32(np.inf)
        for p in range(properties):
            promising = min(promising, scores[p, 0])
        promising = promising * MARGIN + split_bits
        for nth in range(properties * scores.shape[1]):
            c, p = nth // properties, nth % properties
            if scores[p, c] < promising:
                _copy(trial[0], forked)
                _copy(trial[1], forked)
                above, below = _split_cost(
                    items, order, begin, end, taken, items.columns[p], splits[p, c], trial, table, cost, best
                )  # fmt: skip
                if above + below < best:
                    best, best_property, best_split = above + below, p, splits[p, c]
                    bits[used], bits[used + 1] = above, below
        if best_property >= 0 and begin < end:
            column = items.columns[best_property]
            items.weights[order[begin]] -= taken
            first_above = 1 if column[order[begin]] > best_split else 0
            middle = _part(order, begin, end, column, best_split, moved)
            tree[node, PROPERTY], tree[node, SPLIT], tree[node, COUNT] = best_property, best_split, SPLIT_COUNT
            tree[node, ABOVE], tree[node, BELOW] = used, used + 1
            spans[used, 0], spans[used, 1], spans[used, 2] = begin, middle, first_above
            spans[used + 1, 0], spans[used + 1, 1], spans[used + 1, 2] = middle, end, 1 - first_above
            _copy(contexts[used], forked)
            _copy(contexts[used + 1], forked)
            used += 2
        node += 1
    return used


@kernel
def _to_preorder(tree, result, waiting):
    """Copy `tree` so that nodes lie in the order they are coded in: a node, all above, all below."""
    waiting[0, 1] = -1
    depth, used = 1, 0
    while depth:
        depth -= 1
        node, parent, side = waiting[depth, 0], waiting[depth, 1], waiting[depth, 2]
        for column in range(tree.shape[1]):
            result[used, column] = tree[node, column]
        if parent >= 0:
            result[parent, side] = used
        if tree[node, PROPERTY] >= 0:
            for nth in range(2):
                child = BELOW - nth
                waiting[depth, 0], waiting[depth, 1], waiting[depth, 2] = tree[node, child], used, child
                depth += 1
        used += 1
