"""CamVid (Brostow et al. 2009) in the 480x360, 11-class release of the SegNet tutorial.

The root holds `train`, `val`, `test` with frames and `trainannot`, `valannot`, `testannot` with label maps; both are
PNG files, and a frame's label map has the frame's name.
"""

from pathlib import Path

import numpy as np

from spic.datasets.base import (
    Dataset,
    check_partners,
    check_root,
    check_split,
    list_folder,
    sized_labels,
    sized_picture,
)
from spic.errors import DataError
from spic.images import WORKING_SIZE
from spic.labels import CAMVID11


class CamVid(Dataset):
    """CamVid on disk, 480x360, 11 classes.

    Parameters
    ----------
    root : path-like
        Folder that holds the split's two folders.
    split : str
        `train`, `val` or `test`.
    size : (int, int)
        Working height and width.

    Raises
    ------
    ConfigError
        No root given, or an unknown split.
    DataError
        A folder is missing or empty, or a frame or label map has no partner of its name.
    """

    name = "camvid"
    label_space = CAMVID11

    def __init__(self, root, split: str = "val", size=WORKING_SIZE):
        check_split(self.name, split)
        root = check_root(self.name, root)
        self.size = tuple(size)
        self._pictures = root / split
        self._labels = root / f"{split}annot"
        self.names = check_partners(
            self.name,
            _by_stem(self._pictures),
            _by_stem(self._labels),
            lambda stem, lacks_labels: (self._labels if lacks_labels else self._pictures) / f"{stem}.png",
        )
        if not self.names:
            raise DataError(f"camvid: no PNG files in {self._pictures}")

    def picture(self, i: int) -> np.ndarray:
        """Picture i: uint8 sRGB (H, W, 3)."""
        return sized_picture(self._pictures / f"{self.names[i]}.png", self.size)

    def labels(self, i: int) -> np.ndarray:
        """Label map i: uint8 (H, W), ids of CAMVID11; `DataError` on foreign ids or a size unlike the frame's."""
        name = f"{self.names[i]}.png"
        return sized_labels(self._labels / name, self._pictures / name, self.label_space, self.size)

    def files(self, i: int) -> list[Path]:
        """The frame's file and that of its label map."""
        return [folder / f"{self.names[i]}.png" for folder in (self._pictures, self._labels)]


def _by_stem(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in list_folder("camvid", folder, lambda name: name.endswith(".png"))}
