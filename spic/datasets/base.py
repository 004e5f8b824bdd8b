"""What every data set offers, and what those on disk share."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from spic.errors import ConfigError, DataError
from spic.images import read_labels, read_picture, to_working_size
from spic.labels import LabelSpace

SPLITS = ("train", "val", "test")


class Dataset(ABC):
    """Pictures in the order of their names.

    A subclass is made as `kind(root, split, size)`, or `kind(split=..., size=...)` where it is `procedural`; its
    documentation's first line describes it in lists.

    Attributes
    ----------
    name : str
        Name of the data set, as configs spell it.
    label_space : LabelSpace
        What the ids of `labels` mean.
    names : list of str
        One name per picture: sorted, unique, safe as a file name.
    size : (int, int)
        Height and width of every picture and label map.
    procedural : bool
        Drawn, not read: made without a root.
    labelled : bool
        Whether there are label maps.
    """

    procedural = False
    labelled = True
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

    def files(self, i: int) -> list[Path]:
        """The files that picture i and its label map come from; none where they are drawn."""
        return []


def check_split(name: str, split: str) -> None:
    """Raise `ConfigError` unless `split` is one that data sets have."""
    if split not in SPLITS:
        raise ConfigError(f"{name} has no split {split!r}; known: {', '.join(SPLITS)}")


def check_root(name: str, root) -> Path:
    """`root` as a path; `ConfigError` where a data set on disk was given none."""
    if root is None:
        raise ConfigError(f"{name} needs its folder (dataset_root)")
    return Path(root)


def check_partners(name: str, pictures: dict[str, Path], labels: dict[str, Path], wanted) -> list[str]:
    """Sorted names of pictures that all have label maps, and the other way round.

    Parameters
    ----------
    name : str
        The data set's name, for messages.
    pictures, labels : dict of str to pathlib.Path
        Files by picture name.
    wanted : callable
        wanted(picture name, whether its label map is missing) gives the path that the message calls missing.

    Raises
    ------
    DataError
        Names the first file without a partner.
    """
    for stem in sorted(pictures.keys() ^ labels.keys()):
        have = pictures.get(stem) or labels[stem]
        raise DataError(f"{name}: {have} has no partner {wanted(stem, stem in pictures)}")
    return sorted(pictures)


def sized_picture(path: Path, size) -> np.ndarray:
    """A picture file at working size; every `DataError` names the file."""
    return _resized(read_picture(path), size, path)


def sized_labels(path: Path, picture: Path, space: LabelSpace, size, table: np.ndarray | None = None) -> np.ndarray:
    """A label file at working size.

    Parameters
    ----------
    path, picture : pathlib.Path
        The map, and the picture it belongs to.
    space : LabelSpace
        What the ids mean, after `table`.
    size : (int, int)
        Height and width.
    table : numpy.ndarray, optional
        uint8 (256,), the id of `space` for each id in the file; 255 where the file must not have that id.

    Raises
    ------
    DataError
        Names the file: foreign ids, or a size unlike the picture's.
    """
    ids = read_labels(path)
    if table is None:
        space.check(ids, str(path))
    else:
        labels = table[ids]
        if (labels == 255).any():
            raise DataError(f"{path}: id {int(ids[labels == 255][0])} has no meaning in {space.name}")
        ids = labels
    frame = png_size(picture)
    if ids.shape != frame:
        raise DataError(f"{path}: {_by(ids.shape)}, but its frame is {_by(frame)}")
    return _resized(ids, size, path)


def png_size(path: Path) -> tuple[int, int]:
    """Height and width from the header of a PNG (IHDR), without decoding its pixels."""
    try:
        with open(path, "rb") as file:
            head = file.read(24)
    except OSError:
        raise DataError(f"{path}: no such file") from None
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        raise DataError(f"{path}: not a PNG file")
    return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")


def _resized(array, size, path):
    try:
        return to_working_size(array, size)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _by(shape) -> str:
    return f"{shape[1]}x{shape[0]}"
