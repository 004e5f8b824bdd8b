"""CamVid (Brostow et al. 2009) in the 480x360, 11-class release of the SegNet tutorial.

The root holds `train`, `val`, `test` with frames and `trainannot`, `valannot`, `testannot` with label maps; both are
PNG files, and a frame's label map has the frame's name.
"""

from pathlib import Path

import numpy as np

from spic.datasets.base import Dataset, check_split
from spic.errors import ConfigError, DataError
from spic.images import WORKING_SIZE, read_labels, read_picture, to_working_size
from spic.labels import CAMVID11


class CamVid(Dataset):
    """One split of CamVid on disk.

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
        if root is None:
            raise ConfigError("camvid needs its folder (dataset_root)")
        self.size = tuple(size)
        self._pictures = Path(root) / split
        self._labels = Path(root) / f"{split}annot"
        self.names = _matched_names(self._pictures, self._labels)

    def picture(self, i: int) -> np.ndarray:
        """Picture i: uint8 sRGB (H, W, 3)."""
        return to_working_size(read_picture(self._pictures / f"{self.names[i]}.png"), self.size)

    def labels(self, i: int) -> np.ndarray:
        """Label map i: uint8 (H, W), ids of CAMVID11; `DataError` on foreign ids or a size unlike the frame's."""
        path = self._labels / f"{self.names[i]}.png"
        labels = self.label_space.check(read_labels(path), str(path))
        frame = _png_size(self._pictures / path.name)
        if labels.shape != frame:
            raise DataError(f"{path}: {_by(labels.shape)}, but its frame is {_by(frame)}")
        return to_working_size(labels, self.size)


def _matched_names(pictures: Path, labels: Path) -> list[str]:
    found = []
    for folder in (pictures, labels):
        if not folder.is_dir():
            raise DataError(f"camvid: no folder {folder}")
        found.append({path.stem for path in folder.glob("*.png")})
    lonely = sorted(found[0] ^ found[1])
    if lonely:
        name = lonely[0]
        have, lack = (pictures, labels) if name in found[0] else (labels, pictures)
        raise DataError(f"camvid: {have / name}.png has no partner {lack / name}.png")
    if not found[0]:
        raise DataError(f"camvid: no PNG files in {pictures}")
    return sorted(found[0])


def _png_size(path: Path) -> tuple[int, int]:
    """Height and width from the header of a PNG (IHDR), without decoding its pixels."""
    try:
        with open(path, "rb") as file:
            head = file.read(24)
    except OSError:
        raise DataError(f"{path}: no such file") from None
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        raise DataError(f"{path}: not a PNG file")
    return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")


def _by(shape) -> str:
    return f"{shape[1]}x{shape[0]}"
