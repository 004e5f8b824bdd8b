"""Choosing how fast chances adapt, and how close to certain they get, for one image."""

import numpy as np

from spic.codecs.flif.integers import INITIAL
from spic.codecs.flif.items import BIT_COST, Items, item_cost
from spic.codecs.flif.rangecoder import transition_table
from spic.codecs.flif.trees import ABOVE, BELOW, PROPERTY, SPLIT
from spic.codecs.jit import kernel

CUTOFFS = (1, 2, 3, 4, 6, 8, 11, 15, 20, 28, 40)
DIVISORS = (3, 4, 5, 6, 7, 8, 10, 12, 15, 19, 24, 32, 45, 64, 90, 128)


@kernel
def _leaves(columns, tree):
    leaves = np.empty(columns.shape[1], np.int32)
    for item in range(leaves.size):
        node = 0
        while tree[node, PROPERTY] >= 0:
            above = columns[tree[node, PROPERTY], item] > tree[node, SPLIT]
            node = tree[node, ABOVE] if above else tree[node, BELOW]
        leaves[item] = node
    return leaves


@kernel
def _bits(leaves, nodes, weights, starts, codes, classes, table, cost):
    contexts = np.empty((nodes, INITIAL.size), np.uint16)
    for node in range(nodes):
        for index in range(INITIAL.size):
            contexts[node, index] = INITIAL[index]
    total = 0.0
    for item in range(leaves.size):
        total += item_cost(contexts[leaves[item]], table, cost, starts, codes, classes, item, weights[item])
    return total


def best_chances(planes: list[tuple[Items, np.ndarray]], start: tuple[int, int]) -> tuple[int, int]:
    """Cutoff and divisor that code all planes in the fewest bits, to a good estimate.

    Parameters
    ----------
    planes : list of (Items, numpy.ndarray)
        What is coded, and the tree it is coded with.
    start : (int, int)
        Where to search from.
    """
    leaves = [(items, _leaves(items.columns, tree), len(tree)) for items, tree in planes]
    known = {}

    def bits(pair):
        if pair not in known:
            table = transition_table(*pair)
            known[pair] = sum(
                _bits(leaf, nodes, items.weights, items.starts, items.codes, items.classes, table, BIT_COST)
                for items, leaf, nodes in leaves
            )
        return known[pair]

    best, before = start, None
    while best != before:
        before = best
        around = [(cutoff, best[1]) for cutoff in _around(CUTOFFS, best[0])]
        around += [(best[0], divisor) for divisor in _around(DIVISORS, best[1])]
        best = min([best, *around], key=bits)
    return best


def _around(choices: tuple[int, ...], value: int) -> list[int]:
    """The next smaller and the next larger of `choices`."""
    return [c for c in choices if c < value][-1:] + [c for c in choices if c > value][:1]
