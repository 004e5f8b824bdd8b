"""MANIAC trees: which context codes a value, decided by the properties of its neighbourhood.

A tree is an int32 array (nodes, 6), root first; see the column names below. Counts delay a split: until an inner node
has been visited that often, it acts as a leaf; then its context is copied and both children start from it.
"""

import numpy as np

from spic.codecs.flif.integers import INITIAL, read_integer, write_integer
from spic.codecs.flif.jit import helper, kernel

PROPERTY, SPLIT, ABOVE, BELOW, COUNT, CONTEXT = 0, 1, 2, 3, 4, 5  # property -1: a leaf; ABOVE: property > split
COLUMNS = 6
MAX_COUNT = 512
MAX_NODES = 1 << 20  # far more than a picture can use; a hostile stream could describe more
TREE_NODE_BYTES, VALUE_BYTES = 64, 64  # more than a node or a value can take
LEAF = np.array([[-1, 0, 0, 0, 0, 0]], np.int32)  # the tree that is one context
LEAF.flags.writeable = False


@kernel
def read_tree(data, coder, table, property_ranges):
    """Decode one tree, in pre-order.

    Parameters
    ----------
    data, coder
        Range coder input and state.
    table : numpy.ndarray
        Default transition table.
    property_ranges : numpy.ndarray
        int64 (properties, 2): lowest and highest value of each.

    Returns
    -------
    numpy.ndarray
        int32 (nodes, 6); empty where the tree is impossible, endless, or the data ends within it.
    """
    properties = property_ranges.shape[0]
    ranges = property_ranges.copy()
    contexts = np.empty((3, INITIAL.size), np.uint16)
    contexts[:] = INITIAL
    tree = np.empty((64, COLUMNS), np.int32)
    used = 0
    depth = 0  # inner nodes that are open, with what their split changed, so that it can be undone
    most = np.sum(ranges[:, 1] - ranges[:, 0]) + 1
    opened = np.empty((64, 4), np.int64)  # node, old end of the range, side, unused
    while True:
        if used == tree.shape[0]:
            if used >= MAX_NODES or coder[2] > data.size:
                return tree[:0]
            tree = np.concatenate((tree, np.empty_like(tree)))
        node = used
        used += 1
        tree[node] = 0
        chosen = read_integer(data, coder, contexts[0], table, 0, properties) - 1
        tree[node, PROPERTY] = chosen
        if chosen >= 0:
            if ranges[chosen, 0] >= ranges[chosen, 1] or depth >= most:
                return tree[:0]
            if depth == opened.shape[0]:
                opened = np.concatenate((opened, np.empty_like(opened)))
            tree[node, COUNT] = read_integer(data, coder, contexts[1], table, 1, MAX_COUNT)
            split = read_integer(data, coder, contexts[2], table, ranges[chosen, 0], ranges[chosen, 1] - 1)
            tree[node, SPLIT] = split
            tree[node, ABOVE] = used
            opened[depth, 0] = node
            opened[depth, 1] = ranges[chosen, 0]
            opened[depth, 2] = 0
            ranges[chosen, 0] = split + 1
            depth += 1
            continue
        while depth:
            parent = opened[depth - 1, 0]
            chosen, split = tree[parent, PROPERTY], tree[parent, SPLIT]
            if opened[depth - 1, 2] == 0:
                tree[parent, BELOW] = used
                ranges[chosen, 0] = opened[depth - 1, 1]
                opened[depth - 1, 1] = ranges[chosen, 1]
                opened[depth - 1, 2] = 1
                ranges[chosen, 1] = split
                break
            ranges[chosen, 1] = opened[depth - 1, 1]
            depth -= 1
        if depth == 0:
            return tree[:used].copy()


@kernel
def write_tree(data, coder, table, tree, property_ranges):
    """Encode `tree`, whose nodes are in pre-order; `data` needs room for `TREE_NODE_BYTES` a node."""
    ranges = np.empty((tree.shape[0], property_ranges.shape[0], 2), np.int64)
    ranges[0] = property_ranges
    contexts = np.empty((3, INITIAL.size), np.uint16)
    contexts[:] = INITIAL
    for node in range(tree.shape[0]):
        chosen = np.int64(tree[node, PROPERTY])
        write_integer(data, coder, contexts[0], table, 0, property_ranges.shape[0], chosen + 1)
        if chosen >= 0:
            split, above, below = np.int64(tree[node, SPLIT]), tree[node, ABOVE], tree[node, BELOW]
            low, high = ranges[node, chosen, 0], ranges[node, chosen, 1]
            write_integer(data, coder, contexts[1], table, 1, MAX_COUNT, np.int64(tree[node, COUNT]))
            write_integer(data, coder, contexts[2], table, low, high - 1, split)
            ranges[above] = ranges[node]
            ranges[above, chosen, 0] = split + 1
            ranges[below] = ranges[node]
            ranges[below, chosen, 1] = split


def leaf_contexts(tree: np.ndarray) -> np.ndarray:
    """Contexts for all leaves of `tree`, the root's (row 0) in its initial state; the others are copied on a split."""
    contexts = np.empty(((tree.shape[0] + 1) // 2, INITIAL.size), np.uint16)
    contexts[0] = INITIAL
    return contexts


@helper
def find_context(tree, contexts, used, properties):
    """Walk down `tree`, age it, and return the row of `contexts` to code with; `used[0]` counts the rows in use."""
    node = 0
    while tree[node, PROPERTY] >= 0:
        above = properties[tree[node, PROPERTY]] > tree[node, SPLIT]
        count = tree[node, COUNT]
        if count < 0:
            node = tree[node, ABOVE] if above else tree[node, BELOW]
        elif count > 0:
            tree[node, COUNT] = count - 1
            break
        else:
            tree[node, COUNT] = -1
            old, new = tree[node, CONTEXT], used[0]
            used[0] += 1
            for index in range(contexts.shape[1]):
                contexts[new, index] = contexts[old, index]
            tree[tree[node, ABOVE], CONTEXT] = old
            tree[tree[node, BELOW], CONTEXT] = new
            return old if above else new
    return tree[node, CONTEXT]


@kernel
def write_values(data, coder, table, properties, values, tree, contexts, used):
    """Encode int16 `values` (N, 3; value, lowest, highest) with the contexts that `properties` (N, K) lead to.

    `data` needs room for `VALUE_BYTES` a value. `tree`, `contexts` and `used` carry on where the last call left them.
    """
    for i in range(values.shape[0]):
        context = contexts[find_context(tree, contexts, used, properties[i])]
        low, high = np.int64(values[i, 1]), np.int64(values[i, 2])
        write_integer(data, coder, context, table, low, high, np.int64(values[i, 0]))
