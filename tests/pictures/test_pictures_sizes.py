"""Sizes and kinds of pictures on their way into a .spic file and out of it."""

import functools
import io

import numpy as np
import pytest
from PIL import Image

from spic.errors import DataError
from spic.pictures.reading import as_pixels, read_picture
from spic.pictures.sizes import enlarge_labels, resize, working_size


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
