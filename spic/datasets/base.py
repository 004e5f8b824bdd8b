"""What every data set offers, and what those on disk share."""

import os
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from spic.errors import ConfigError, DataError
from spic.files import files_in, spelled
from spic.pictures.labels import LabelSpace
from spic.pictures.reading import read_labels, read_layout, read_picture
from spic.pictures.sizes import to_working_size

SPLITS = ("train", "val", "test")


class Dataset(ABC):
    """Images in the order of their names.

    A subclass is made as `kind(root, split, size)`, or `kind(split=..., size=...)` where it is `procedural`; its
    documentation's first line describes it in lists.

    Attributes
    ----------
    name : str
        Name of the data set, as configs spell it.
    label_space : LabelSpace
        What the ids of `labels` mean.
    names : list of str
        One name per image: sorted, unique, safe as a file name.
    size : (int, int)
        Height and width of every image and label map.
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
        """Image i: uint8 sRGB (H, W, 3) at working size."""

    @abstractmethod
    def labels(self, i: int) -> np.ndarray | None:
        """Label map of image i: uint8 (H, W) of ids at working size; None where there is none."""

    def files(self, i: int) -> list[Path]:
        """The files that image i and its label map come from; none where they are drawn."""
        return []


def check_split(name: str, split: str) -> None:
    """Raise `ConfigError` unless `split` is one that data sets have."""
    if split not in SPLITS:
        raise ConfigError(f"{name} has no split {split!r}; known: {', '.join(SPLITS)}")


def check_root(name: str, root) -> Path:
    """`root` as a path; `ConfigError` where a data set on disk was given none."""
    if root is None:
        raise ConfigError(f"{name} needs its folder (dataset_root)")
    return Path(os.path.expanduser(root))


def folders_in(name: str, folder: Path) -> list[Path]:
    """The visible folders of a folder, sorted; `DataError` as for `image_files`."""
    with _readable(name, folder):
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        for path in found:
            _check_link(name, path)
        return [path for path in found if path.is_dir()]


def image_files(name: str, folder: Path, endings: tuple[str, ...], ending: str = "") -> dict[str, Path]:
    """The image files of a folder, by the names that images get from them.

    Parameters
    ----------
    name : str
        The data set's name, for messages.
    folder : pathlib.Path
        Where they are; `spic.files.files_in` says which files count.
    endings : tuple of str
        File endings of images.
    ending : str
        Take only files whose names end so, and leave that out of the image's name; by default the file ending.

    Raises
    ------
    DataError
        There is no such folder, it can not be read, a link there leads to nothing (content of git-annex or DVC that was
        not fetched, say), or two files differ in nothing but their ending.
    """
    found: dict[str, Path] = {}
    with _readable(name, folder):
        for path in files_in(folder, endings, beside=(".json",) if ending else ()):
            if not path.name.endswith(ending):
                continue
            _check_link(name, path)
            image = spelled(path.name.removesuffix(ending) if ending else path.stem)
            if found.setdefault(image, path) != path:
                raise DataError(f"{name}: {found[image]} and {path} would both be called {image}")
    return found


@contextmanager
def _readable(name, folder):
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{name}: no folder {folder}") from None
    except OSError as error:
        raise DataError(f"{name}: {error.filename or folder}: {error.strerror}") from None


def _check_link(name, path):
    if path.is_symlink() and not os.path.exists(path):
        raise DataError(f"{name}: {path} is a link to nothing ({os.readlink(path)})")


def check_partners(name: str, pictures: dict[str, Path], labels: dict[str, Path], wanted) -> list[str]:
    """Sorted names of images that all have label maps, and the other way round.

    Parameters
    ----------
    name : str
        The data set's name, for messages.
    pictures, labels : dict of str to pathlib.Path
        Files by image name.
    wanted : callable
        wanted(image name, whether its label map is missing) gives the path that the message calls missing.

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
    """An image file at working size; every `DataError` names the file."""
    return _resized(read_picture(path), size, path)


def sized_labels(path: Path, picture: Path, space: LabelSpace, size, table: np.ndarray | None = None) -> np.ndarray:
    """A label file at working size.

    Parameters
    ----------
    path, picture : pathlib.Path
        The map, and the image it belongs to.
    space : LabelSpace
        What the ids mean, after `table`.
    size : (int, int)
        Height and width.
    table : numpy.ndarray, optional
        uint8 (256,), the id of `space` for each id in the file; 255 where the file must not have that id.

    Raises
    ------
    DataError
        Names the file: foreign ids, a size unlike the image's, or another EXIF orientation than the image's, so
        that their pixels cannot be matched.
    """
    ids = read_labels(path)
    if table is None:
        space.check(ids, str(path))
    else:
        labels = table[ids]
        if (labels == 255).any():
            raise DataError(f"{path}: id {int(ids[labels == 255][0])} has no meaning in {space.name}")
        ids = labels
    turned, (frame, frame_turned) = read_layout(path)[1], read_layout(picture)
    if turned != frame_turned:
        raise DataError(
            f"{path}: its EXIF orientation is {turned}, that of its frame {frame_turned}: how they lie on each other "
            "is not known"
        )
    if ids.shape != frame:
        raise DataError(f"{path}: {_by(ids.shape)}, but its frame is {_by(frame)}")
    return _resized(ids, size, path)


def _resized(array, size, path):
    try:
        return to_working_size(array, size)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _by(shape) -> str:
    return f"{shape[1]}x{shape[0]}"
