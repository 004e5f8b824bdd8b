"""Transforms and value ranges: reversible, and as tight as the colours really are."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spic.codecs.flif.ranges import Ranges
from spic.codecs.flif.stream import Reader, Writer, new_context
from spic.codecs.flif.transforms import (
    Bounds,
    ChannelCompact,
    Palette,
    PermutePlanes,
    YCoCg,
    read_transforms,
    write_transforms,
)
from spic.errors import BitstreamError

RGB = Ranges([0] * 3, [255] * 3)
pictures = arrays(np.int16, st.tuples(st.just(3), st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 255))


@settings(max_examples=50, deadline=None)
@given(pictures)
def test_ycocg_is_reversible_and_in_range(planes):
    transform = YCoCg(RGB)
    coded = transform.apply(planes)
    for y, co, cg in coded.reshape(3, -1).T.tolist():
        for plane, value in enumerate((y, co, cg)):
            low, high = transform.ranges.of_pixel(plane, y, co)
            assert low <= value <= high
    np.testing.assert_array_equal(transform.undo(coded), planes)


def test_ycocg_ranges_are_tight():
    """Against all colours of 4 bits per channel: every bound of Co is reached, and every value of Cg lies within."""
    ranges = YCoCg(Ranges([0] * 3, [15] * 3)).ranges
    chroma, last = {}, {}
    for red, green, blue in itertools.product(range(16), repeat=3):
        mean = (red + blue) >> 1
        y, co, cg = (mean + green) >> 1, red - blue, green - mean
        chroma.setdefault(y, set()).add(co)
        last.setdefault((y, co), set()).add(cg)
    for y, values in chroma.items():
        assert ranges.of_pixel(1, y, 0) == (min(values), max(values))
    for (y, co), values in last.items():
        assert ranges.of_pixel(2, y, co) == (min(values), max(values))


@settings(max_examples=50, deadline=None)
@given(pictures)
def test_permutation_is_undone(planes):
    transform = PermutePlanes(RGB, [1, 0, 2], True)
    coded = np.stack([planes[1], planes[0] - planes[1], planes[2] - planes[1]])
    for plane in range(3):
        low, high = transform.ranges.of_pixel(plane, int(coded[0, 0, 0]), int(coded[1, 0, 0]))
        assert low <= coded[plane, 0, 0] <= high
    np.testing.assert_array_equal(transform.undo(coded), planes)
    np.testing.assert_array_equal(PermutePlanes(RGB, [2, 0, 1], False).undo(planes[[2, 0, 1]]), planes)


@settings(max_examples=50, deadline=None)
@given(pictures)
def test_written_transforms_are_read_back(planes):
    compact = ChannelCompact([np.unique(plane).astype(np.int16) for plane in planes])
    colour = YCoCg(compact.ranges)
    coded = colour.apply(compact.apply(planes))
    bounds = Bounds(colour.ranges, [int(p.min()) for p in coded], [int(p.max()) for p in coded])
    writer = Writer()
    write_transforms(writer, [compact, colour, bounds], RGB)
    reader = Reader(writer.finish())
    transforms, ranges = read_transforms(reader, RGB, False)
    assert [type(t) for t in transforms] == [ChannelCompact, YCoCg, Bounds]
    assert (ranges.low, ranges.high) == (bounds.ranges.low, bounds.ranges.high)
    for transform in reversed(transforms):
        coded = transform.undo(coded)
    np.testing.assert_array_equal(coded, planes)


def test_palette_of_any_order_is_read():
    writer, size_context = Writer(), new_context()
    colours = [(9, 8, 7), (0, 255, 3), (9, 8, 6)]
    writer.integer(size_context, 1, 30000, len(colours))
    writer.integer(size_context, 0, 1, 0)
    contexts = [new_context() for _ in range(3)]
    for colour in colours:
        for context, value in zip(contexts, colour, strict=True):
            writer.integer(context, 0, 255, value)
    palette = Palette.read(Reader(writer.finish()), RGB, False)
    planes = np.array([[[0, 0, 0]], [[2, 0, 1]], [[0, 0, 0]]], np.int16)
    np.testing.assert_array_equal(palette.undo(planes)[:, 0].T, [colours[2], colours[0], colours[1]])


@pytest.mark.parametrize("ids", [[4, 4], [4, 0], [2], [7], [10], [13], [1], [6]])
def test_impossible_lists_are_refused(ids):
    """Out of order, unknown, or colour transforms of a gray picture."""
    gray = Ranges([0], [255])
    writer, ranges = Writer(), gray
    for number in ids:
        writer.uniform(0, 1, 1)
        writer.uniform(0, 13, number)
        if number == 4:
            Bounds(ranges, [3], [9]).write(writer, ranges)
            ranges = Ranges([3], [9])
    with pytest.raises(BitstreamError):
        read_transforms(Reader(writer.finish() + b"\0" * 20), gray, False)


def test_permutation_must_be_one():
    with pytest.raises(BitstreamError):
        PermutePlanes(RGB, [0, 0, 1], False)
    with pytest.raises(BitstreamError):
        PermutePlanes(Ranges([0] * 4, [255] * 4), [3, 1, 2, 0], False)
    with pytest.raises(BitstreamError):
        YCoCg(Ranges([-1, 0, 0], [255] * 3))
