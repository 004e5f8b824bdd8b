"""Reading images, and working geometry."""

import numpy as np
import pytest
from PIL import Image

from spic.errors import DataError
from spic.pictures.reading import read_labels, read_picture, write_png
from spic.pictures.sizes import downscale, to_working_size, upscale


@pytest.fixture
def rng():
    return np.random.default_rng(0)


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


def test_png_round_trip(rng, tmp_path):
    picture = rng.integers(256, size=(5, 7, 3), dtype=np.uint8)
    write_png(tmp_path / "new" / "a.png", picture)
    assert np.array_equal(read_picture(tmp_path / "new" / "a.png"), picture)
    labels = rng.integers(12, size=(5, 7), dtype=np.uint8)
    write_png(tmp_path / "b.png", labels)
    assert np.array_equal(read_labels(tmp_path / "b.png"), labels)
    assert np.array_equal(read_picture(tmp_path / "b.png"), labels[..., None].repeat(3, 2))


def test_colours_are_no_label_map(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.png: .*RGB"):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize("read", [read_picture, read_labels])
def test_unreadable_files(read, tmp_path, rng):
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "nothing.png")
    with pytest.raises(DataError, match="not a readable picture"):
        read(tmp_path)
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(DataError, match=r"text\.png: not a readable picture"):
        read(tmp_path / "text.png")
    write_png(tmp_path / "whole.png", rng.integers(256, size=(40, 40), dtype=np.uint8))
    data = (tmp_path / "whole.png").read_bytes()
    for cut in range(0, len(data) - 20, 37):
        (tmp_path / "cut.png").write_bytes(data[:cut])
        with pytest.raises(DataError):
            read(tmp_path / "cut.png")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow says what it finds odd
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tif", "bmp"])
def test_damaged_files_raise_nothing_else(suffix, tmp_path, rng):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rng.integers(256, size=(24, 24, 3), dtype=np.uint8)).save(path)
    data = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(data[: rng.integers(1, len(data) + 1)])
        for position in rng.integers(len(damaged), size=4):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            assert read_picture(path).dtype == np.uint8
        except DataError:
            pass


def test_huge_pictures_are_refused_by_their_header(tmp_path, monkeypatch):
    write_png(tmp_path / "a.png", np.zeros((30, 30), np.uint8))
    monkeypatch.setattr("spic.pictures.reading.MAX_PIXELS", 899)
    with pytest.raises(DataError, match="30x30"):
        read_labels(tmp_path / "a.png")
