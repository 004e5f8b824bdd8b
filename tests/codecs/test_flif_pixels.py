"""Pixel orders, predictors and properties of both methods, against a literal Python reading of the format."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spic.codecs.flif import interlaced, scanlines
from spic.codecs.flif.ranges import Ranges

sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))


def level_pixels(height, width, zoom):
    dy, dx = interlaced.row_step(zoom), interlaced.column_step(zoom)
    rows, columns = range(0, height, dy), range(0, width, dx)
    if zoom % 2:
        return [(y, x) for y in rows for x in columns[1::2]]
    return [(y, x) for y in rows[1::2] for x in columns]


@given(sizes)
def test_levels_hold_every_pixel_once(size):
    zooms = interlaced.count_zooms(*size)
    seen = [(0, 0)] + [pixel for zoom in range(zooms, -1, -1) for pixel in level_pixels(*size, zoom)]
    assert sorted(seen) == [(y, x) for y in range(size[0]) for x in range(size[1])]


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(0, 2), st.integers(0, 9999))
def test_level_samples(size, predictor, seed):
    """Order, guess and residual range of each level; properties stay within their stated ranges."""
    planes = np.random.default_rng(seed).integers(0, 7, (1, *size)).astype(np.int16)
    ranges = Ranges([0], [6])
    limits = interlaced.property_ranges(ranges, 0)
    properties, values = np.zeros((planes.size, len(limits)), np.int16), np.zeros((planes.size, 3), np.int16)
    zooms, count = interlaced.count_zooms(*size), 0
    for zoom in range(zooms, -1, -1):
        before = count
        count = interlaced.level_samples(planes, 0, zoom, predictor, ranges.model(), properties, values, count)
        pixels = [int(planes[0, y, x]) for y, x in level_pixels(*size, zoom)]
        guess = properties[before:count, 5].astype(int)
        assert (guess + values[before:count, 0]).tolist() == pixels
        np.testing.assert_array_equal(values[before:count, 1], -guess)
        np.testing.assert_array_equal(values[before:count, 2], 6 - guess)
    assert count == planes.size - 1
    assert (properties[:count] >= limits[:, 0]).all() and (properties[:count] <= limits[:, 1]).all()


@pytest.mark.parametrize("constant_luma", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_level_order_is_complete_and_keeps_its_lags(channels, constant_luma):
    ranges = Ranges([0] * channels, [0 if constant_luma else 9] + [9] * (channels - 1))
    order = list(interlaced.level_order(ranges, 7, 0))
    assert sorted(order) == sorted((p, z) for p in range(channels) for z in range(8))
    for plane in range(channels):
        assert [z for p, z in order if p == plane] == list(range(7, -1, -1))
    if channels == 4:
        assert order[0] == (3, 7) and order.index((0, 0)) > order.index((3, 0))
    if channels > 1 and not constant_luma:
        assert order.index((1, 7)) > order.index((3 if channels == 4 else 0, 5))


def scanline_properties(image, y, x, low, high):
    """The format's rules, one by one."""
    width = image.shape[1]
    left = image[y][x - 1] if x else (image[y - 1][x] if y else low)
    top = image[y - 1][x] if y else left
    corner = image[y - 1][x - 1] if x and y else (top if y else left)
    gradient = left + top - corner
    guess = min(max(sorted((gradient, left, top))[1], low), high)
    which = [gradient, left, top, guess].index(guess)
    inner = x > 0 and y > 0
    return [
        guess,
        which % 3,
        left - corner if inner else 0,
        corner - top if inner else 0,
        top - image[y - 1][x + 1] if y and x + 1 < width else 0,
        image[y - 2][x] - top if y > 1 else 0,
        image[y][x - 2] - left if x > 1 else 0,
    ]


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(0, 9999))
def test_scanline_samples(size, seed):
    planes = np.random.default_rng(seed).integers(2, 6, (1, *size)).astype(np.int16)
    ranges = Ranges([2], [5])
    properties, values = scanlines.plane_samples(planes, 0, ranges.model(), 7)
    image = planes[0].astype(int)
    wanted = [scanline_properties(image, y, x, 2, 5) for y in range(size[0]) for x in range(size[1])]
    np.testing.assert_array_equal(properties, wanted)
    np.testing.assert_array_equal(values[:, 0] + properties[:, 0], image.ravel())
    limits = scanlines.property_ranges(ranges, 0)
    assert (properties >= limits[:, 0]).all() and (properties <= limits[:, 1]).all()


def test_properties_of_colour_planes():
    """Earlier planes first, then alpha; interlaced chroma sees luma's local change."""
    ranges = Ranges([0, -9, -8, 0], [9, 9, 8, 1])
    np.testing.assert_array_equal(scanlines.property_ranges(ranges, 2)[:3], [[0, 9], [-9, 9], [0, 1]])
    assert [len(scanlines.property_ranges(ranges, p)) for p in range(4)] == [8, 9, 10, 7]
    assert [len(interlaced.property_ranges(ranges, p)) for p in range(4)] == [9, 11, 10, 8]
