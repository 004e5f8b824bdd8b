"""What every data set offers."""

from abc import ABC, abstractmethod

import numpy as np

from spic.errors import ConfigError
from spic.labels import LabelSpace

SPLITS = ("train", "val", "test")


class Dataset(ABC):
    """Pictures in the order of their names.

    Attributes
    ----------
    name : str
        Name of the data set, as configs spell it.
    label_space : LabelSpace
        What the ids of `labels` mean.
    names : list of str
        One name a picture: sorted, unique, safe as a file name.
    size : (int, int)
        Height and width of every picture and label map.
    """

    name: str
    label_space: LabelSpace
    names: list[str]
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def picture(self, i: int) -> np.ndarray:
        """Picture i: uint8 sRGB (H, W, 3) at working size."""

    @abstractmethod
    def labels(self, i: int) -> np.ndarray | None:
        """Label map of picture i: uint8 (H, W) of ids at working size; None where there is none."""


def check_split(name: str, split: str) -> None:
    """Raise `ConfigError` unless `split` is one that data sets have."""
    if split not in SPLITS:
        raise ConfigError(f"{name} has no split {split!r}; known: {', '.join(SPLITS)}")
