"""A folder of pictures of any kind."""

import numpy as np
import pytest
from PIL import Image

from spic.datasets import get_dataset
from spic.errors import ConfigError, DataError
from spic.pictures.reading import read_picture
from spic.pictures.sizes import to_working_size


@pytest.fixture
def folder(tmp_path):
    """Pictures of several kinds and sizes, and what is none."""
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "straße bei nacht.png")
    Image.fromarray(pixels[:, :20]).save(tmp_path / "b.c.jpg")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "gray.TIF")
    Image.fromarray(pixels).save(tmp_path / ".hidden.png")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "below.png").mkdir()
    return tmp_path


def test_pictures_of_a_folder(folder):
    data = get_dataset("folder", folder)
    assert data.names == ["b.c", "gray", "straße bei nacht"] and len(data) == 3
    for i in range(3):
        assert data.picture(i).shape == (256, 512, 3) and data.labels(i) is None
    assert np.array_equal(data.picture(2), to_working_size(read_picture(folder / "straße bei nacht.png")))
    assert get_dataset("folder", folder, "test", 2, (16, 16)).picture(1).shape == (16, 16, 3)


def test_two_pictures_of_one_name(folder):
    (folder / "gray.png").write_bytes((folder / "straße bei nacht.png").read_bytes())
    with pytest.raises(DataError, match=r"gray\.TIF and .*gray\.png would both"):
        get_dataset("folder", folder)


def test_unreadable_pictures_are_named(folder):
    (folder / "b.c.jpg").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"b\.c\.jpg: not a readable picture"):
        get_dataset("folder", folder).picture(0)
    Image.fromarray(np.zeros((1, 60000, 3), np.uint8)).save(folder / "b.c.png")
    (folder / "b.c.jpg").unlink()
    with pytest.raises(DataError, match=r"b\.c\.png: .*too narrow"):
        get_dataset("folder", folder).picture(0)


def test_folders_without_pictures(tmp_path):
    with pytest.raises(DataError, match="no pictures in"):
        get_dataset("folder", tmp_path)
    with pytest.raises(DataError, match="no folder"):
        get_dataset("folder", tmp_path / "none")
    with pytest.raises(ConfigError, match="dataset_root"):
        get_dataset("folder")
