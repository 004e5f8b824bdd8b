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
    image_files,
    sized_labels,
    sized_picture,
)
from spic.errors import DataError
from spic.pictures.labels import CAMVID11
from spic.pictures.sizes import WORKING_SIZE


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
        frames, maps = root / split, root / f"{split}annot"
        self._frames, self._maps = (image_files(self.name, folder, (".png",)) for folder in (frames, maps))
        self.names = check_partners(
            self.name,
            self._frames,
            self._maps,
            lambda name, lacks_map: (maps if lacks_map else frames) / f"{name}.png",
        )
        if not self.names:
            raise DataError(f"camvid: no PNG files in {frames}")

    def picture(self, i: int) -> np.ndarray:
        """Image i: uint8 sRGB (H, W, 3)."""
        return sized_picture(self._frames[self.names[i]], self.size)

    def labels(self, i: int) -> np.ndarray:
        """Label map i: uint8 (H, W), ids of CAMVID11; `DataError` on foreign ids or a size unlike the frame's."""
        name = self.names[i]
        return sized_labels(self._maps[name], self._frames[name], self.label_space, self.size)

    def files(self, i: int) -> list[Path]:
        """The frame's file and that of its label map."""
        return [files[self.names[i]] for files in (self._frames, self._maps)]
