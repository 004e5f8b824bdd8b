"""CamVid on disk: matching by name, refusals, and the real frames where they are at hand."""

import numpy as np
import pytest

from spic.datasets import get_dataset
from spic.errors import ConfigError, DataError
from spic.pictures.reading import write_png
from spic.pictures.sizes import to_working_size


@pytest.fixture
def tree(tmp_path):
    """Three tiny frames with labels in CamVid's folders, and one more for train."""
    dice = np.random.Generator(np.random.PCG64(1))
    for split, names in (("val", ("b_2", "a_1", "c_3")), ("train", ("t_1",))):
        for name in names:
            write_png(tmp_path / split / f"{name}.png", dice.integers(0, 256, (36, 48, 3), dtype=np.uint8))
            write_png(tmp_path / f"{split}annot" / f"{name}.png", dice.integers(0, 12, (36, 48), dtype=np.uint8))
    return tmp_path


def test_names_are_sorted_and_pictures_have_the_size_asked_for(tree):
    data = get_dataset("camvid", tree, "val", size=(24, 48))
    assert data.names == ["a_1", "b_2", "c_3"] and len(data) == 3
    assert data.name == "camvid" and data.label_space.name == "camvid11"
    assert data.picture(0).shape == (24, 48, 3) and data.picture(0).dtype == np.uint8
    assert data.labels(2).shape == (24, 48) and data.labels(2).dtype == np.uint8


def test_geometry_is_the_centre_crop(tree):
    from PIL import Image

    frame = np.asarray(Image.open(tree / "val" / "b_2.png"))
    ids = np.asarray(Image.open(tree / "valannot" / "b_2.png"))
    data = get_dataset("camvid", tree, "val", size=(24, 48))
    assert np.array_equal(data.picture(1), frame[6:30])
    assert np.array_equal(data.labels(1), ids[6:30])


def test_limit_keeps_the_first_names(tree):
    assert get_dataset("camvid", tree, "val", limit=2, size=(24, 48)).names == ["a_1", "b_2"]
    assert len(get_dataset("camvid", tree, "val", limit=99)) == 3


@pytest.mark.parametrize("lost", ["val", "valannot"])
def test_first_missing_partner_is_named(tree, lost):
    (tree / lost / "b_2.png").unlink()
    (tree / lost / "c_3.png").unlink()
    with pytest.raises(DataError, match=rf"no partner .*{lost}/b_2\.png"):
        get_dataset("camvid", tree, "val")


def test_only_the_files_of_frames_count(tree, caplog):
    for folder in ("val", "valannot"):
        (tree / folder / "._a_1.png").write_bytes(b"what macOS leaves on other disks")
        (tree / folder / "b_2.png").rename(tree / folder / "b_2.PNG")
        (tree / folder / "d.png").mkdir()
    (tree / "val" / "notes.txt").touch()
    data = get_dataset("camvid", tree, "val", size=(24, 48))
    assert data.names == ["a_1", "b_2", "c_3"] and data.picture(1).shape == (24, 48, 3)
    assert [path.name for path in data.files(1)] == ["b_2.PNG", "b_2.PNG"] and data.labels(1).shape == (24, 48)
    assert caplog.messages == [
        f"{tree / 'val'}: left out: d.png (a folder), 1 of other endings (.txt)",
        f"{tree / 'valannot'}: left out: d.png (a folder)",
    ]


@pytest.mark.parametrize("folder", ["val", "valannot"])
def test_links_that_lead_nowhere_are_named(tree, folder):
    path = tree / folder / "b_2.png"
    path.unlink()
    path.symlink_to("../not/mounted.png")
    with pytest.raises(DataError, match=rf"^camvid: {path} is a link to nothing"):
        get_dataset("camvid", tree, "val")


def test_size_mismatch_is_refused(tree):
    write_png(tree / "valannot" / "a_1.png", np.zeros((36, 50), np.uint8))
    with pytest.raises(DataError, match=r"a_1\.png: 50x36, but its frame is 48x36"):
        get_dataset("camvid", tree, "val").labels(0)


def test_foreign_id_is_refused(tree):
    write_png(tree / "valannot" / "a_1.png", np.full((36, 48), 12, np.uint8))
    with pytest.raises(DataError, match=r"a_1\.png: id 12"):
        get_dataset("camvid", tree, "val").labels(0)


def test_damaged_frame_is_a_data_error(tree):
    (tree / "val" / "a_1.png").write_bytes(b"\x89PNG\r\n")
    data = get_dataset("camvid", tree, "val")
    for read in (data.picture, data.labels):
        with pytest.raises(DataError, match=r"a_1\.png"):
            read(0)


def test_missing_folders_and_empty_ones(tree, tmp_path):
    with pytest.raises(DataError, match=r"no folder .*test"):
        get_dataset("camvid", tree, "test")
    with pytest.raises(DataError, match="no folder"):
        get_dataset("camvid", tmp_path / "nowhere")
    (tree / "test").mkdir()
    (tree / "testannot").mkdir()
    with pytest.raises(DataError, match="no PNG files"):
        get_dataset("camvid", tree, "test")


def test_root_is_needed():
    with pytest.raises(ConfigError, match="dataset_root"):
        get_dataset("camvid")


@pytest.mark.shared
def test_real_frames(shared):
    root = shared / "data" / "camvid"
    if not root.is_dir():
        pytest.skip("no CamVid in the shared folder")
    train, val = get_dataset("camvid", root, "train"), get_dataset("camvid", root, "val")
    assert (len(train), len(val)) == (367, 101)
    assert val.names[0] == "0016E5_07959"
    for i in (0, 50, 100):
        picture, labels = val.picture(i), val.labels(i)
        assert picture.shape == (256, 512, 3) and labels.shape == (256, 512)
        assert labels.max() <= val.label_space.void and len(np.unique(labels)) >= 7
    # labels sit on their picture: the sky is the brightest class of the frame
    picture, labels = val.picture(0).mean(axis=2), val.labels(0)
    assert picture[labels == 0].mean() > picture[labels == 3].mean() + 50


def test_working_geometry_of_a_full_frame():
    rows = np.repeat(np.arange(360, dtype=np.uint16)[:, None], 480, 1)
    kept = to_working_size((rows // 2).astype(np.uint8))
    assert kept.shape == (256, 512)
    # rows 64 to 320 of 384 are rows 60 to 300 of 360
    assert kept[0, 0] == 30 and kept[-1, 0] == 149
