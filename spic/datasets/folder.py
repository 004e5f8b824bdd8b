"""A folder of images of any kind, without labels."""

from pathlib import Path

import numpy as np

from spic.datasets.base import Dataset, check_root, check_split, image_files, sized_picture
from spic.errors import DataError
from spic.files import IMAGES
from spic.pictures.labels import CAMVID11
from spic.pictures.sizes import WORKING_SIZE


class Folder(Dataset):
    """The images of a folder, without labels; what is below it and hidden files are left out.

    Images of other shapes than 1:2 are cropped after they are scaled to cover the working size.

    Parameters
    ----------
    root : path-like
        The folder.
    split : str
        `train`, `val` or `test`; ignored.
    size : (int, int)
        Working height and width.

    Raises
    ------
    ConfigError
        No root given, or an unknown split.
    DataError
        No such folder, no images in it, a link that leads nowhere, or two files that differ in their ending only.
    """

    labelled = False
    name = "folder"
    label_space = CAMVID11  # of no maps at all; the shipped segmenter's

    def __init__(self, root, split: str = "val", size=WORKING_SIZE):
        check_split(self.name, split)
        root = check_root(self.name, root)
        self.size = tuple(size)
        self._files = image_files(self.name, root, IMAGES)
        if not self._files:
            raise DataError(f"folder: no pictures in {root} ({', '.join(IMAGES)})")
        self.names = sorted(self._files)

    def picture(self, i: int) -> np.ndarray:
        """Image i: uint8 sRGB (H, W, 3); `DataError` names a file that is no readable image."""
        return sized_picture(self._files[self.names[i]], self.size)

    def labels(self, i: int) -> None:
        """There are none."""
        return None

    def files(self, i: int) -> list[Path]:
        """The image's file."""
        return [self._files[self.names[i]]]
