"""MANIAC trees: which context codes a value, decided by the properties of its neighbourhood.

A tree is an int32 array (nodes, 6), root first; see the column names below. Counts delay a split: until an inner node
has been visited that often, it acts as a leaf; then its context is copied and both children start from it.
"""

import numpy as np

from spic.codecs.flif.integers import INITIAL, fresh_contexts, write_integer
from spic.codecs.flif.stream import Reader, Writer
from spic.codecs.jit import helper, kernel
from spic.errors import BitstreamError

PROPERTY, SPLIT, ABOVE, BELOW, COUNT, CONTEXT = 0, 1, 2, 3, 4, 5  # property -1: a leaf; ABOVE: property > split
COLUMNS = 6
MAX_COUNT = 512
MAX_NODES = 1 << 18  # more than encoders make; a hostile stream could describe any number
VALUE_BYTES = 64  # more than a value can take in the stream
LEAF = np.array([[-1, 0, 0, 0, 0, 0]], np.int32)  # the tree that is one context
LEAF.flags.writeable = False


def read_tree(reader: Reader, property_ranges: np.ndarray) -> np.ndarray:
    """Decode one tree, in pre-order.

    Parameters
    ----------
    reader : Reader
        Stands at the tree.
    property_ranges : numpy.ndarray
        int64 (properties, 2): lowest and highest value of each.

    Returns
    -------
    numpy.ndarray
        int32 (nodes, 6).

    Raises
    ------
    BitstreamError
        If a node splits what can't be split, there is no end of nodes, or the data ends within the tree.
    """
    contexts = fresh_contexts(3)  # property, count, split value
    nodes = []
    waiting = [(None, ABOVE, property_ranges.tolist())]
    while waiting:
        parent, side, ranges = waiting.pop()
        reader.check()
        if len(nodes) == MAX_NODES:
            raise BitstreamError("FLIF tree is too large")
        if parent is not None:
            nodes[parent][side] = len(nodes)
        node = [0] * COLUMNS
        node[PROPERTY] = chosen = reader.integer(contexts[0], 0, len(ranges)) - 1
        if chosen >= 0:
            low, high = ranges[chosen]
            if low >= high:
                raise BitstreamError("FLIF tree splits a property of one value")
            node[COUNT] = reader.integer(contexts[1], 1, MAX_COUNT)
            node[SPLIT] = split = reader.integer(contexts[2], low, high - 1)
            waiting.append((len(nodes), BELOW, _with(ranges, chosen, low, split)))
            waiting.append((len(nodes), ABOVE, _with(ranges, chosen, split + 1, high)))
        nodes.append(node)
    return np.array(nodes, np.int32)


def write_tree(writer: Writer, tree: np.ndarray, property_ranges: np.ndarray) -> None:
    """Encode `tree`, whose nodes are in pre-order."""
    contexts = fresh_contexts(3)
    waiting = [property_ranges.tolist()]
    for node in tree.tolist():
        ranges, chosen, split = waiting.pop(), node[PROPERTY], node[SPLIT]
        writer.integer(contexts[0], 0, len(ranges), chosen + 1)
        if chosen >= 0:
            low, high = ranges[chosen]
            writer.integer(contexts[1], 1, MAX_COUNT, node[COUNT])
            writer.integer(contexts[2], low, high - 1, split)
            waiting.append(_with(ranges, chosen, low, split))
            waiting.append(_with(ranges, chosen, split + 1, high))


def _with(ranges: list, chosen: int, low: int, high: int) -> list:
    """`ranges` with another range of the property `chosen`."""
    return [[low, high] if index == chosen else pair for index, pair in enumerate(ranges)]


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
