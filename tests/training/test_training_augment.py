"""Crops stay aligned: every pixel carries its own position."""

import numpy as np
import pytest

from spic.training.augment import jitter_colors, random_crop

HEIGHT, WIDTH = 40, 56


@pytest.fixture
def positions():
    """Picture whose first two channels are row + 1 and column + 1, and labels that mix the two."""
    rows, columns = np.mgrid[1 : HEIGHT + 1, 1 : WIDTH + 1].astype(np.uint8)
    return np.dstack([rows, columns, rows]), mixed(rows, columns)


def mixed(rows, columns):
    return ((rows.astype(int) * 7 + columns.astype(int) * 3) % 251).astype(np.uint8)


def test_random_crop_keeps_alignment(positions):
    flips, corners = set(), set()
    for seed in range(80):
        picture, labels = random_crop(list(positions), (16, 24), np.random.default_rng(seed), fill=255)
        assert picture.shape == (16, 24, 3) and labels.shape == (16, 24)
        assert np.array_equal(labels, mixed(picture[..., 0], picture[..., 1]))
        assert (np.diff(picture[:, 0, 0].astype(int)) == 1).all()
        steps = np.diff(picture[0, :, 1].astype(int))
        flips.add(int(steps[0]))
        assert (steps == steps[0]).all()
        corners.add((int(picture[0, 0, 0]), int(picture[0, :, 1].min())))
    assert flips == {1, -1} and len(corners) > 60
    assert max(top for top, _ in corners) <= HEIGHT - 16 + 1 and max(left for _, left in corners) <= WIDTH - 24 + 1


def test_windows_larger_than_the_frame_are_padded(positions):
    for seed in range(20):
        picture, labels = random_crop(list(positions), (64, 30), np.random.default_rng(seed), fill=255)
        inside = labels != 255
        assert inside.sum() == HEIGHT * 30
        assert not picture[~inside].any()
        assert np.array_equal(labels[inside], mixed(picture[..., 0], picture[..., 1])[inside])


@pytest.mark.parametrize("zoom", [(1.6, 1.6), (0.8, 0.8), (0.75, 1.6)])
def test_zoom_keeps_alignment(zoom):
    ramp = np.broadcast_to(np.arange(WIDTH, dtype=np.uint8) * 4, (HEIGHT, WIDTH)).copy()
    for seed in range(20):
        picture, labels = random_crop([np.dstack([ramp] * 3), ramp], (20, 28), np.random.default_rng(seed), zoom)
        assert picture.shape == (20, 28, 3) and labels.shape == (20, 28)
        assert np.abs(picture[..., 0].astype(int) - labels).max() <= 4  # one source pixel
        span = abs(int(labels[0, 0]) - int(labels[0, -1])) / 4 + 1
        assert 28 / zoom[1] - 2 <= span <= 28 / zoom[0] + 2


def test_jitter_colors(positions):
    picture = positions[0].copy()
    again = [jitter_colors(picture, np.random.default_rng(3)) for _ in range(2)]
    assert np.array_equal(*again) and again[0].dtype == np.uint8 and again[0].shape == picture.shape
    assert np.array_equal(picture, positions[0])
    assert not np.array_equal(again[0], jitter_colors(picture, np.random.default_rng(4)))
    assert np.array_equal(jitter_colors(picture, np.random.default_rng(3), strength=0.0), picture)
