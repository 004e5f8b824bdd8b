"""MANIAC trees: coding them, walking them, learning them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spic.codecs.flif import chances, items, learn, rangecoder, scanlines, trees
from spic.codecs.flif.ranges import Ranges
from spic.codecs.flif.stream import Reader, Writer, new_context
from spic.errors import BitstreamError

PROPERTY_RANGES = np.array([[0, 9], [-3, 4], [2, 2]], np.int64)


def random_tree(draw, ranges, depth):
    """A list of nodes in pre-order, as dicts of the format: property, count, split."""
    open_ones = [p for p, (low, high) in enumerate(ranges) if low < high]
    if depth == 0 or not open_ones or draw(st.booleans()):
        return [(-1, 0, 0, 0, 0, 0)]
    chosen = draw(st.sampled_from(open_ones))
    low, high = ranges[chosen]
    split = draw(st.integers(low, high - 1))
    above = random_tree(draw, [(split + 1, high) if p == chosen else r for p, r in enumerate(ranges)], depth - 1)
    below = random_tree(draw, [(low, split) if p == chosen else r for p, r in enumerate(ranges)], depth - 1)

    def shift(nodes, by):
        return [(p, s, a + by, b + by, c, x) if p >= 0 else (p, s, a, b, c, x) for p, s, a, b, c, x in nodes]

    root = (chosen, split, 1, 1 + len(above), draw(st.integers(1, 512)), 0)
    return [root, *shift(above, 1), *shift(below, 1 + len(above))]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_round_trip(data):
    tree = np.array(random_tree(data.draw, [tuple(r) for r in PROPERTY_RANGES.tolist()], 6), np.int32)
    writer = Writer()
    trees.write_tree(writer, tree, PROPERTY_RANGES)
    np.testing.assert_array_equal(trees.read_tree(Reader(writer.finish()), PROPERTY_RANGES), tree)


def test_split_of_a_single_value_is_refused():
    writer = Writer()
    writer.integer(new_context(), 0, 3, 3)  # property 2 has the range 2..2
    with pytest.raises(BitstreamError):
        trees.read_tree(Reader(writer.finish() + b"\0" * 9), PROPERTY_RANGES)


def test_tree_without_end_is_refused():
    with pytest.raises(BitstreamError):
        trees.read_tree(Reader(b"\0" * 40), np.array([[0, 1 << 17]] * 7, np.int64))


def test_counts_delay_splits():
    """Two visits as a leaf; the third splits and goes to the child without aging it."""
    tree = np.array(
        [(0, 5, 1, 4, 2, 0), (0, 7, 2, 3, 1, 0), (-1,) + (0,) * 5, (-1,) + (0,) * 5, (-1,) + (0,) * 5], np.int32
    )
    contexts, used = trees.leaf_contexts(tree), np.ones(1, np.int64)
    seen = []
    for value in (9, 1, 9, 1, 9, 9, 6):
        contexts[trees.find_context(tree, contexts, used, np.array([value])), 0] += 1
        seen.append(int(used[0]))
    assert seen == [1, 1, 2, 2, 2, 3, 3]
    start = trees.INITIAL[0]
    # Each leaf: what the root saw as a leaf, what its parent saw as one, and its own visits.
    np.testing.assert_array_equal(contexts[:, 0] - start, [2 + 1 + 1 + 1, 2 + 1, 2 + 1 + 1 + 1])


def blocks(seed, size=64, labels=6):
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, labels, (size // 8, size // 8)), np.ones((8, 8), int)).astype(np.int16)[None]


def samples(planes):
    ranges = Ranges([0], [int(planes.max())])
    limits = scanlines.property_ranges(ranges, 0)
    return *scanlines.plane_samples(planes, 0, ranges.model(), len(limits)), limits


def coded_bits(properties, values, tree, limits, table):
    writer = Writer()
    trees.write_tree(writer, tree, limits)
    tree = tree.copy()
    writer.reserve(len(values) * trees.VALUE_BYTES)
    trees.write_values(
        writer.buffer, writer.coder, table, properties, values, tree, trees.leaf_contexts(tree), np.ones(1, np.int64)
    )
    return 8 * len(writer.finish())


def test_items_keep_every_value():
    planes = blocks(1)
    properties, values, _ = samples(planes)
    grouped = items.group(properties, values)
    assert grouped.weights.sum() == planes.size
    assert (grouped.classes > 0).sum() == np.count_nonzero(values[:, 0])
    first = np.concatenate(([0], np.cumsum(grouped.weights)[:-1]))
    np.testing.assert_array_equal(grouped.columns.T, properties[first])
    few = items.thin(grouped, 64, block=16)
    assert 0 < few.weights.size <= 64 and few.starts[-1] == few.codes.size
    assert items.thin(grouped, 1 << 20) is grouped


def test_learning_pays_and_the_estimate_is_right():
    properties, values, limits = samples(blocks(2))
    table = rangecoder.transition_table(12, 6)
    grouped = items.group(properties, values)
    tree = learn.grow(grouped, table)
    assert len(tree) > 1
    with_tree = coded_bits(properties, values, tree, limits, table)
    without = coded_bits(properties, values, trees.LEAF, limits, table)
    assert with_tree < without
    leaf = chances._bits(
        np.zeros(grouped.weights.size, np.int32), 1, *grouped[1:], table, items.BIT_COST
    )  # fmt: skip
    assert abs(leaf - without) < 32


def test_learned_trees_respect_property_ranges():
    properties, values, limits = samples(blocks(3, labels=12))
    tree = learn.grow(items.group(properties, values), rangecoder.transition_table())
    writer = Writer()
    trees.write_tree(writer, tree, limits)
    np.testing.assert_array_equal(trees.read_tree(Reader(writer.finish()), limits), tree)


def test_chances_follow_the_picture():
    """Noise wants slow chances, blocks fast ones."""
    found = {}
    for name, planes in (
        ("blocks", blocks(4)),
        ("noise", np.random.default_rng(0).integers(0, 6, (1, 64, 64), dtype=np.int16)),
    ):
        properties, values, _ = samples(planes)
        grouped = items.group(properties, values)
        found[name] = chances.best_chances([(grouped, trees.LEAF)], (2, 19))
    assert found["blocks"][1] < found["noise"][1]
