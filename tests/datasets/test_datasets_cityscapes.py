"""Cityscapes as its archives unpack, on a tree made here."""

import numpy as np
import pytest
from PIL import Image

from spic.datasets import get_dataset
from spic.errors import ConfigError, DataError
from spic.pictures.labels import CITYSCAPES19
from spic.pictures.reading import write_png

# label id: train id, from the table in the data set's own tools; the others are void
TRAIN_IDS = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13,
             27: 14, 28: 15, 31: 16, 32: 17, 33: 18}  # fmt: skip
NAMES = ("aachen_000001_000019", "bonn_000003_000019", "bonn_000010_000019")


def paths(root, name, split="val", kind="labelIds"):
    city = name.split("_")[0]
    return (
        root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png",
        root / "gtFine" / split / city / f"{name}_gtFine_{kind}.png",
    )


@pytest.fixture
def tree(tmp_path):
    """Three tiny frames of two cities, with the maps of label ids that the archive brings."""
    dice = np.random.default_rng(1)
    for name in NAMES:
        frame, labels = paths(tmp_path, name)
        write_png(frame, dice.integers(0, 256, (32, 64, 3), dtype=np.uint8))
        write_png(labels, dice.integers(0, 34, (32, 64), dtype=np.uint8))
    return tmp_path


def test_names_and_space(tree):
    data = get_dataset("cityscapes", tree, "val", size=(8, 16))
    assert data.names == sorted(NAMES) and data.name == "cityscapes"
    assert data.label_space is CITYSCAPES19 and CITYSCAPES19.num_classes == CITYSCAPES19.void == 19
    assert CITYSCAPES19.classes[11] == "person" and CITYSCAPES19.palette[13] == (0, 0, 142)
    assert data.picture(0).shape == (8, 16, 3) and data.labels(0).shape == (8, 16)
    assert get_dataset("cityscapes", tree, limit=1).names == [NAMES[0]]


def test_only_the_files_of_frames_count(tree, caplog):
    frame, labels = paths(tree, NAMES[0])
    for path in (frame, labels):
        path.with_name(f"._{path.name}").write_bytes(b"what macOS leaves on other disks")
    labels.with_name("aachen_000001_000019_gtFine_polygons.json").touch()
    write_png(labels.with_name("aachen_000001_000019_gtFine_color.png"), np.zeros((32, 64), np.uint8))
    (tree / "leftImg8bit" / "val" / ".DS_Store").touch()
    assert get_dataset("cityscapes", tree).names == sorted(NAMES) and not caplog.messages


@pytest.mark.parametrize("which", [0, 1])
def test_links_that_lead_nowhere_are_named(tree, which):
    path = paths(tree, NAMES[1])[which]
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(DataError, match=rf"^cityscapes: {path} is a link to nothing"):
        get_dataset("cityscapes", tree)


def test_label_ids_become_train_ids(tree):
    _, path = paths(tree, NAMES[1])
    labels = np.arange(64, dtype=np.uint8)[None].repeat(32, 0) % 34
    write_png(path, labels)
    expected = np.vectorize(lambda label: TRAIN_IDS.get(label, 19))(labels)
    assert np.array_equal(get_dataset("cityscapes", tree, size=(32, 64)).labels(1), expected)


def test_train_ids_win_where_they_are(tree):
    path = paths(tree, NAMES[2], kind="labelTrainIds")[1]
    labels = np.arange(64, dtype=np.uint8)[None].repeat(32, 0) % 20
    write_png(path, np.where(labels == 19, np.uint8(255), labels))
    assert np.array_equal(get_dataset("cityscapes", tree, size=(32, 64)).labels(2), labels)
    paths(tree, NAMES[2])[1].unlink()
    assert np.array_equal(get_dataset("cityscapes", tree, size=(32, 64)).labels(2), labels)


def test_a_frame_becomes_256x512_exactly(tmp_path):
    """Nothing is cropped: a quarter in each direction, Lanczos for the frame, nearest for the map."""
    frame, path = paths(tmp_path, NAMES[0])
    dice = np.random.default_rng(2)
    coarse = dice.integers(0, 256, (32, 64, 3), dtype=np.uint8)
    picture = np.array(Image.fromarray(coarse).resize((2048, 1024), Image.Resampling.BICUBIC))
    labels = dice.choice(np.array(list(TRAIN_IDS), np.uint8), (256, 512))
    write_png(frame, picture)
    write_png(path, labels.repeat(4, 0).repeat(4, 1))
    data = get_dataset("cityscapes", tmp_path)
    scaled = np.array(Image.fromarray(picture).resize((512, 256), Image.Resampling.LANCZOS))
    assert np.array_equal(data.picture(0), scaled)
    assert np.array_equal(data.labels(0), np.vectorize(TRAIN_IDS.get)(labels))


@pytest.mark.parametrize(("which", "says"), [(0, "leftImg8bit/val/bonn"), (1, "gtFine/val/bonn")])
def test_first_missing_partner_is_named(tree, which, says):
    for name in NAMES[1:]:
        paths(tree, name)[which].unlink()
    with pytest.raises(DataError, match=rf"no partner .*{says}/{NAMES[1]}_"):
        get_dataset("cityscapes", tree)


@pytest.mark.parametrize(
    ("kind", "value", "says"), [("labelIds", 34, "id 34"), ("labelIds", 255, "id 255"), ("labelTrainIds", 19, "id 19")]
)
def test_foreign_ids_are_refused(tree, kind, value, says):
    path = paths(tree, NAMES[0], kind=kind)[1]
    write_png(path, np.full((32, 64), value, np.uint8))
    with pytest.raises(DataError, match=rf"{path.name}: {says}"):
        get_dataset("cityscapes", tree).labels(0)


def test_size_mismatch_and_colours_are_refused(tree):
    path = paths(tree, NAMES[0])[1]
    write_png(path, np.zeros((32, 60), np.uint8))
    with pytest.raises(DataError, match=rf"{path.name}: 60x32, but its frame is 64x32"):
        get_dataset("cityscapes", tree).labels(0)
    write_png(path, np.zeros((32, 64, 3), np.uint8))
    with pytest.raises(DataError, match=rf"{path.name}: .*RGB"):
        get_dataset("cityscapes", tree).labels(0)


def test_missing_folders_and_empty_ones(tree, tmp_path):
    with pytest.raises(DataError, match=r"no folder .*leftImg8bit/test"):
        get_dataset("cityscapes", tree, "test")
    for folder in ("leftImg8bit", "gtFine"):
        (tree / folder / "test").mkdir()
    with pytest.raises(DataError, match=r"no .*_leftImg8bit\.png"):
        get_dataset("cityscapes", tree, "test")
    with pytest.raises(ConfigError, match="dataset_root"):
        get_dataset("cityscapes")
    with pytest.raises(ConfigError, match="no split 'all'"):
        get_dataset("cityscapes", tree, "all")
