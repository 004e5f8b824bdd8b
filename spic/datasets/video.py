"""The frames of a video file, without labels."""

from pathlib import Path

import numpy as np

from spic.datasets.base import Dataset, check_root, check_split
from spic.errors import DataError
from spic.pictures.clips import open_clip
from spic.pictures.labels import CAMVID11
from spic.pictures.sizes import WORKING_SIZE, to_working_size


class Video(Dataset):
    """The frames of a video file, in their order; the root is the file.

    Frames of other shapes than 1:2 are cropped after they are scaled to cover the working size. They are read in order:
    going back begins again.

    Parameters
    ----------
    root : path-like
        The file.
    split : str
        `train`, `val` or `test`; ignored.
    size : (int, int)
        Working height and width.

    Raises
    ------
    ConfigError
        No root given, or an unknown split.
    DataError
        There is no such file, or it is no video.
    """

    labelled = False
    name = "video"
    label_space = CAMVID11  # of no maps at all; the shipped segmenter's

    def __init__(self, root, split: str = "val", size=WORKING_SIZE):
        check_split(self.name, split)
        self._path, self.size = check_root(self.name, root), tuple(size)
        if not self._path.is_file():
            raise DataError(f"video: no file {self._path}")
        self._frames, self._next = None, 0
        count = sum(1 for _ in self._images())
        if not count:
            raise DataError(f"video: {self._path} has no frames")
        self.names = [f"frame_{i:06d}" for i in range(count)]

    def _images(self):
        try:
            with open_clip(self._path) as clip:
                yield from clip.images
        except DataError as error:
            raise DataError(f"video: {self._path}: {error}") from None

    def picture(self, i: int) -> np.ndarray:
        """Frame i: uint8 sRGB (H, W, 3)."""
        if not 0 <= i < len(self.names):
            raise IndexError(f"video has no picture {i}")
        if self._frames is None or i < self._next:
            self._frames, self._next = self._images(), 0
        while True:
            image, self._next = next(self._frames), self._next + 1
            if self._next == i + 1:
                return to_working_size(image, self.size)

    def labels(self, i: int) -> None:
        """There are none."""
        return None

    def files(self, i: int) -> list[Path]:
        """The video file."""
        return [self._path]
