"""Which files of a folder are part of a data set on disk, whatever lies between them."""

import os

import numpy as np
import pytest

from spic.datasets import get_dataset
from spic.errors import DataError
from spic.pictures.reading import write_png
from spic.provenance.fingerprints import pictures_signature

NAME = "aachen_000001_000019"
PLACES = {
    "folder": ["a.png"],
    "camvid": ["val/a.png", "valannot/a.png"],
    "cityscapes": [
        f"leftImg8bit/val/aachen/{NAME}_leftImg8bit.png",
        f"gtFine/val/aachen/{NAME}_gtFine_labelTrainIds.png",
    ],
}
NAMES = {"folder": ["a"], "camvid": ["a"], "cityscapes": [NAME]}


@pytest.fixture(params=PLACES)
def kind(request):
    return request.param


@pytest.fixture
def root(kind, tmp_path):
    """A data set of one tiny frame."""
    for place in PLACES[kind]:
        write_png(
            tmp_path / "data" / place,
            np.zeros((8, 16) if "gtFine" in place or "annot" in place else (8, 16, 3), np.uint8),
        )
    return tmp_path / "data"


def test_what_systems_leave_behind_is_no_frame(kind, root):
    """`._x.png` of macOS beside every file, thumbnails, checkpoints: hidden files and folders."""
    for place in PLACES[kind]:
        path = root / place
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7Mac OS X")
        (path.parent.parent / ".thumbnails").mkdir(exist_ok=True)
        (path.parent.parent / ".thumbnails" / path.name).write_bytes(path.read_bytes())
    data = get_dataset(kind, root)
    assert data.names == NAMES[kind] and data.picture(0).shape == (256, 512, 3)


def test_a_link_is_followed_and_one_to_nothing_is_named(kind, root):
    for place in PLACES[kind]:
        path, store = root / place, root.parent / "store" / place.replace("/", "_")
        store.parent.mkdir(exist_ok=True)
        path.rename(store)
        path.symlink_to(store)
        assert get_dataset(kind, root).names == NAMES[kind]
        store.rename(store.with_name("gone"))
        with pytest.raises(DataError, match=rf"{kind}: {path} is a link to nothing \({store}\)"):
            get_dataset(kind, root)
        store.with_name("gone").rename(store)


def test_a_city_that_is_a_link_to_nothing_is_named(tmp_path):
    for folder in ("leftImg8bit", "gtFine"):
        (tmp_path / folder / "val").mkdir(parents=True)
        (tmp_path / folder / "val" / "bonn").symlink_to("nowhere")
    with pytest.raises(DataError, match="leftImg8bit/val/bonn is a link to nothing"):
        get_dataset("cityscapes", tmp_path)


def test_a_home_folder_is_found(kind, root, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))
    assert get_dataset(kind, "~/data").names == NAMES[kind]
    with pytest.raises(DataError, match=f"no folder {root.parent}/none"):
        get_dataset(kind, "~/none")


def test_a_root_that_is_a_file_and_one_that_can_not_be_read(kind, root, monkeypatch):
    with pytest.raises(DataError, match="no folder"):
        get_dataset(kind, root / PLACES[kind][0])

    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(DataError, match=f"{kind}: {root}.*: Permission denied"):
        get_dataset(kind, root)


def test_a_file_that_goes_away_while_a_run_is_planned(kind, root):
    data = get_dataset(kind, root)
    before = pictures_signature(data, 0, 1)
    assert before == pictures_signature(get_dataset(kind, root), 0, 1)
    (root / PLACES[kind][0]).unlink()
    with pytest.raises(DataError, match=f"{root / PLACES[kind][0]}: No such file"):
        pictures_signature(data, 0, 1)
