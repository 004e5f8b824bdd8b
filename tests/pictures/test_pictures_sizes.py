"""Sizes of images on their way into a data set or a .spic file, and out of it."""

import numpy as np
import pytest
from PIL import Image

from spic.errors import DataError
from spic.pictures.sizes import downscale, enlarge_labels, resize, to_working_size, upscale, working_size


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("size", "working"),
    [
        ((1024, 2048), (256, 512)),
        ((256, 512), (256, 512)),
        ((360, 480), (384, 512)),
        ((3000, 4000), (384, 512)),
        ((4000, 3000), (512, 384)),
        ((1080, 1920), (288, 512)),
        ((100, 100), (512, 512)),
        ((1, 1), (512, 512)),
        ((1, 10000), (64, 512)),
    ],
)
def test_the_whole_picture_at_512_pixels(size, working):
    assert working_size(size, 16) == working


def test_native_sizes_are_rounded_up():
    assert working_size((1080, 1920), 16, longer_side=None) == (1088, 1920)
    assert working_size((1, 33), 32, longer_side=None) == (64, 64)
    assert working_size((300, 500), 96) == (288, 480)


def test_resize_keeps_what_fits_and_the_mean():
    picture = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    assert resize(picture, (64, 48)) is picture
    small = resize(picture, (16, 16))
    assert small.shape == (16, 16, 3) and abs(small.mean() - picture.mean()) < 2


def test_labels_grow_with_smooth_borders():
    labels = np.zeros((8, 8), np.uint8)
    labels[np.add.outer(np.arange(8), np.arange(8)) > 7] = 10  # a diagonal
    large = enlarge_labels(labels, (64, 64))
    assert enlarge_labels(labels, (8, 8)) is labels
    assert set(np.unique(large)) == {0, 10}
    assert np.mean(large != np.kron(labels, np.ones((8, 8)))) < 0.08
    edge = [int(np.argmax(row == 10)) for row in large[4:-4] if (row == 10).any()]
    assert np.abs(np.diff(edge)).max() <= 3  # and not steps of 8


def test_working_size_of_a_camvid_frame(rng):
    frame = rng.integers(256, size=(360, 480, 3), dtype=np.uint8)
    labels = rng.integers(12, size=(360, 480), dtype=np.uint8)
    scaled = np.asarray(Image.fromarray(frame).resize((512, 384), Image.Resampling.LANCZOS))
    assert np.array_equal(to_working_size(frame), scaled[64:320])
    scaled = np.asarray(Image.fromarray(labels).resize((512, 384), Image.Resampling.NEAREST))
    assert np.array_equal(to_working_size(labels), scaled[64:320])


@pytest.mark.parametrize("size", [(1024, 2048), (100, 100), (7, 3), (256, 512), (600, 513)])
def test_working_size_of_anything(size):
    assert to_working_size(np.full((*size, 3), 9, np.uint8)).shape == (256, 512, 3)
    labels = np.arange(12, dtype=np.uint8).repeat(-(-size[0] * size[1] // 12))[: size[0] * size[1]].reshape(size)
    assert set(np.unique(to_working_size(labels))) <= set(range(12))


def test_working_size_keeps_what_fits(rng):
    picture = rng.integers(256, size=(256, 512, 3), dtype=np.uint8)
    assert np.array_equal(to_working_size(picture), picture)
    wide = rng.integers(256, size=(256, 600, 3), dtype=np.uint8)
    assert np.array_equal(to_working_size(wide), wide[:, 44:556])


def test_a_thread_is_not_blown_up():
    with pytest.raises(DataError, match="too narrow"):
        to_working_size(np.zeros((1, 60000, 3), np.uint8))


def test_downscale_is_the_rounded_mean(rng):
    picture = rng.integers(256, size=(12, 20, 3), dtype=np.uint8)
    mean = picture.astype(float).reshape(3, 4, 5, 4, 3).mean(axis=(1, 3))
    small = downscale(picture)
    assert small.dtype == np.uint8 and small.shape == (3, 5, 3)
    assert np.array_equal(small, np.floor(mean + 0.5))
    assert np.array_equal(downscale(np.full((4, 4, 3), 255, np.uint8)), np.full((1, 1, 3), 255))
    assert downscale(picture, 2).shape == (6, 10, 3)
    with pytest.raises(DataError, match="10x20"):
        downscale(picture[:10])


def test_upscale():
    assert np.array_equal(upscale(np.full((2, 3, 3), 77, np.uint8), (8, 12)), np.full((8, 12, 3), 77))
