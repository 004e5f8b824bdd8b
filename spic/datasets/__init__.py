"""Data sets: pictures at working size, and label maps where there are any."""

from spic.datasets.base import Dataset
from spic.errors import ConfigError
from spic.images import WORKING_SIZE


def _camvid(root, split, size):
    from spic.datasets.camvid import CamVid

    return CamVid(root, split, size)


def _street_scenes(root, split, size):
    from spic.datasets.street_scenes import StreetScenes

    return StreetScenes(split, size)


_DATASETS = {"camvid": _camvid, "street_scenes": _street_scenes}


def get_dataset(name: str, root=None, split: str = "val", limit: int | None = None, size=WORKING_SIZE) -> Dataset:
    """Open a data set.

    Parameters
    ----------
    name : str
        `street_scenes` (procedural, needs no files) or `camvid`.
    root : path-like, optional
        Folder of the data set; `street_scenes` takes none.
    split : str
        `train`, `val` or `test`.
    limit : int, optional
        Keep the first `limit` pictures by name; None keeps all.
    size : (int, int)
        Working height and width in pixels.

    Returns
    -------
    Dataset

    Raises
    ------
    ConfigError
        Unknown name or split, a limit below 1, a size that is not two positive integers, a missing `root`.
    DataError
        The folder or a picture's partner does not exist.
    """
    if name not in _DATASETS:
        raise ConfigError(f"unknown data set {name!r}; known: {', '.join(sorted(_DATASETS))}")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise ConfigError(f"limit {limit!r}: expected a positive integer or none")
    if len(size) != 2 or any(not isinstance(side, int) or side < 1 for side in size):
        raise ConfigError(f"size {size!r}: expected height and width in pixels")
    dataset = _DATASETS[name](root, split, tuple(size))
    if limit is not None:
        dataset.names = dataset.names[:limit]
    return dataset


__all__ = ["Dataset", "get_dataset"]
