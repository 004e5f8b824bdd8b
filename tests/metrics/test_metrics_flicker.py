"""Flicker of a rebuilt clip where the original stands still."""

import numpy as np
import pytest

from spic.metrics.columns import column
from spic.metrics.flicker import BLOCK, flicker
from spic.metrics.observations import Sample

RNG = np.random.default_rng(0)


def still(height=32, width=48):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def test_only_still_blocks_count():
    before = np.full((32, 48, 3), 100, np.uint8)
    after = before.copy()
    after[:, :24] = 200  # moves, and beside it the blur does
    decoded = before.copy()
    decoded[:, 32:] += 6
    decoded[:, :32] += 90
    assert flicker(before, after, before, decoded) == pytest.approx(6)


def test_noise_of_the_camera_is_no_motion():
    before = np.full((64, 64, 3), 100, np.uint8)
    after = (before + RNG.normal(0, 3, before.shape)).round().astype(np.uint8)
    assert flicker(before, after, before, before + np.uint8(2)) == pytest.approx(2)


def test_no_number_where_nothing_stands_still():
    assert np.isnan(flicker(still(), still(), still(), still()))
    small = still(BLOCK - 1, 40)
    assert np.isnan(flicker(small, small, small, small))


def test_the_column_goes_from_frame_to_frame():
    original, decoded = still(), [still() for _ in range(3)]
    see = column("flicker").observation.build(None, "cpu")
    found = [see(Sample(one, original))["flicker"] for one in decoded]
    assert np.isnan(found[0])
    for i in (1, 2):
        difference = abs(decoded[i].astype(float) - decoded[i - 1])
        assert found[i] == pytest.approx(difference.mean())
    again = column("flicker").observation.build(None, "cpu")
    assert np.isnan(again(Sample(decoded[0], original))["flicker"])
