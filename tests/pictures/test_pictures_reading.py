"""Reading images of every kind, from files and from memory."""

import functools
import io

import numpy as np
import pytest
from PIL import Image

from spic.errors import DataError
from spic.pictures.reading import as_pixels, read_labels, read_picture, write_png


@pytest.fixture
def rng():
    return np.random.default_rng(0)


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


def test_arrays_of_every_kind():
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    rgb = np.dstack((gray, gray, gray))
    for image in (
        gray,
        gray[..., None],
        rgb,
        np.dstack((rgb, gray + 7)),
        gray.astype(np.uint16) * 257,
        rgb[::-1][::-1],
    ):
        assert np.array_equal(as_pixels(image), rgb)
    wrong = (gray.astype(float), gray.astype(int), rgb[..., :2], rgb[None], gray[:0], None, b"bytes", [[1]])
    for image in wrong:
        with pytest.raises(DataError):
            as_pixels(image)


def test_pil_pictures_of_every_mode():
    gray = Image.fromarray(np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8))
    for mode in ("L", "P", "LA", "RGB", "RGBA", "RGBa", "La", "PA", "HSV", "CMYK", "1"):
        steps = {"RGBa": ("RGBA", "RGBa"), "La": ("LA", "La"), "HSV": ("RGB", "HSV")}.get(mode, (mode,))
        assert as_pixels(functools.reduce(Image.Image.convert, steps, gray)).shape == (8, 8, 3)
    for mode in ("I", "F"):
        with pytest.raises(DataError, match="their white level is undefined"):
            as_pixels(gray.convert(mode))
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    assert deep.mode.startswith("I") and np.array_equal(as_pixels(deep)[..., 0], np.asarray(gray))


def test_exif_rotation_is_applied_to_arrays_and_files(tmp_path):
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, :16] = 200
    image, exif = Image.fromarray(picture), Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    image.save(tmp_path / "a.png", exif=exif)
    for turned in (read_picture(tmp_path / "a.png"), as_pixels(Image.open(tmp_path / "a.png"))):
        assert turned.shape == (32, 16, 3) and turned[0, 0, 0] == 200 and turned[-1, 0, 0] == 0
    image.save(tmp_path / "b.png", exif=b"Exif\0\0MM\0*nonsense")
    assert read_picture(tmp_path / "b.png").shape == (16, 32, 3)


def test_a_cut_file_is_named_as_such():
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)).save(out, "PNG")
    with pytest.raises(DataError, match="not a readable"):
        as_pixels(Image.open(io.BytesIO(out.getvalue()[:2000])))
