"""Cityscapes (Cordts et al. 2016) as its two archives unpack: leftImg8bit and gtFine, 1024x2048, 19 train ids.

A frame `leftImg8bit/<split>/<city>/<name>_leftImg8bit.png` has its label map in `gtFine/<split>/<city>/`:
`<name>_gtFine_labelTrainIds.png`, which the authors' scripts make, or else `<name>_gtFine_labelIds.png`, which the
archive brings. A frame becomes 256x512 by a factor of 4: nothing is cropped.
"""

from pathlib import Path

import numpy as np

from spic.datasets.base import (
    Dataset,
    check_partners,
    check_root,
    check_split,
    folders_in,
    image_files,
    sized_labels,
    sized_picture,
)
from spic.errors import DataError
from spic.pictures.labels import CITYSCAPES19
from spic.pictures.sizes import WORKING_SIZE

_FRAME = "_leftImg8bit.png"
_MAPS = ("_gtFine_labelTrainIds.png", "_gtFine_labelIds.png")  # the first that is there is read
# The label ids that have a train id, in the order of the train ids (cityscapesScripts, helpers/labels.py).
_TRAINED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_LAST_ID = 33


def _tables() -> dict[str, np.ndarray]:
    void, unknown = CITYSCAPES19.void, 255
    of_train_ids = np.full(256, unknown, np.uint8)
    of_train_ids[: CITYSCAPES19.num_classes] = np.arange(CITYSCAPES19.num_classes)
    of_train_ids[255] = void
    of_label_ids = np.full(256, unknown, np.uint8)
    of_label_ids[: _LAST_ID + 1] = void
    of_label_ids[list(_TRAINED)] = np.arange(len(_TRAINED))
    return dict(zip(_MAPS, (of_train_ids, of_label_ids), strict=True))


_TABLES = _tables()


class Cityscapes(Dataset):
    """Cityscapes on disk, fine annotations, 19 classes.

    Parameters
    ----------
    root : path-like
        Folder that holds `leftImg8bit` and `gtFine`.
    split : str
        `train`, `val` or `test` (whose published label maps are void all over).
    size : (int, int)
        Working height and width.

    Raises
    ------
    ConfigError
        No root given, or an unknown split.
    DataError
        A folder is missing or empty, or a frame or label map has no partner of its name.
    """

    name = "cityscapes"
    label_space = CITYSCAPES19

    def __init__(self, root, split: str = "val", size=WORKING_SIZE):
        check_split(self.name, split)
        root = check_root(self.name, root)
        self.size = tuple(size)
        frames, maps = root / "leftImg8bit" / split, root / "gtFine" / split
        cities = {folder: folders_in(self.name, folder) for folder in (frames, maps)}
        self._frames = _by_name(cities[frames], _FRAME)
        self._maps = _by_name(cities[maps], _MAPS[1]) | _by_name(cities[maps], _MAPS[0])
        if not self._frames:
            raise DataError(f"cityscapes: no *{_FRAME} in the folders of {frames}")
        self.names = check_partners(
            self.name,
            self._frames,
            self._maps,
            lambda name, lacks_map: _path(maps, name, _MAPS[1]) if lacks_map else _path(frames, name, _FRAME),
        )

    def picture(self, i: int) -> np.ndarray:
        """Image i: uint8 sRGB (H, W, 3)."""
        return sized_picture(self._frames[self.names[i]], self.size)

    def labels(self, i: int) -> np.ndarray:
        """Label map i: uint8 (H, W), ids of CITYSCAPES19; `DataError` on foreign ids or a size unlike the frame's."""
        path, frame = self._maps[self.names[i]], self._frames[self.names[i]]
        table = next(_TABLES[suffix] for suffix in _MAPS if path.name.endswith(suffix))
        return sized_labels(path, frame, self.label_space, self.size, table)

    def files(self, i: int) -> list[Path]:
        """The frame's file and that of its label map."""
        return [files[self.names[i]] for files in (self._frames, self._maps)]


def _by_name(cities: list[Path], suffix: str) -> dict[str, Path]:
    found = [image_files("cityscapes", city, (".png",), suffix) for city in cities]
    return {name: path for files in found for name, path in files.items()}


def _path(folder: Path, name: str, suffix: str) -> Path:
    return folder / name.split("_")[0] / f"{name}{suffix}"
