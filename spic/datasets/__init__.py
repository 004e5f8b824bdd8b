"""Data sets: images at working size, and label maps where there are any.

Those of other packages join by an entry point of the group `spic.datasets`, a subclass of `Dataset` each.
"""

from spic import plugins
from spic.datasets.base import Dataset
from spic.errors import ConfigError, DataError
from spic.pictures.sizes import WORKING_SIZE

_BUILT_IN = {
    "camvid": "spic.datasets.camvid:CamVid",
    "cityscapes": "spic.datasets.cityscapes:Cityscapes",
    "folder": "spic.datasets.folder:Folder",
    "street_pan": "spic.datasets.street_scenes:StreetPan",
    "street_scenes": "spic.datasets.street_scenes:StreetScenes",
    "street_scenes_city": "spic.datasets.street_scenes:CityStreetScenes",
    "video": "spic.datasets.video:Video",
}


def dataset_names() -> list[str]:
    """Names that `get_dataset` knows, sorted: the built-in ones and those of installed entry points."""
    return plugins.names("spic.datasets", _BUILT_IN)


def dataset_class(name: str) -> type[Dataset]:
    """The class of the data set called `name`; `ConfigError` lists the known ones."""
    kind = plugins.find("spic.datasets", _BUILT_IN, name, "data set")
    if not (isinstance(kind, type) and issubclass(kind, Dataset)):
        raise ConfigError(f"data set {name!r}: its entry point gives no subclass of Dataset but {kind!r}")
    return kind


def get_dataset(name: str, root=None, split: str = "val", limit: int | None = None, size=WORKING_SIZE) -> Dataset:
    """Open a data set.

    Parameters
    ----------
    name : str
        `street_scenes`, `street_scenes_city` and `street_pan` (procedural, need no files), `camvid`, `cityscapes`,
        `folder`, `video`, or one of another package.
    root : path-like, optional
        Folder of the data set, or the video file; the procedural ones take none.
    split : str
        `train`, `val` or `test`.
    limit : int, optional
        Keep the first `limit` images by name; None keeps all.
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
        The folder or an image's partner does not exist; names are not sorted, not unique, or not those of files.
    """
    kind = dataset_class(name)
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise ConfigError(f"limit {limit!r}: expected a positive integer or none")
    if len(size) != 2 or any(not isinstance(side, int) or side < 1 for side in size):
        raise ConfigError(f"size {size!r}: expected height and width in pixels")
    dataset = kind(split=split, size=tuple(size)) if kind.procedural else kind(root, split, tuple(size))
    if not dataset.names or list(dataset.names) != sorted(set(dataset.names)):
        raise DataError(f"data set {name}: its names must be sorted and unique, at least one")
    if unsafe := [one for one in dataset.names if not one or one.startswith(".") or set(one) & set("/\0")]:
        raise DataError(f"data set {name}: {unsafe[0]!r} cannot be the name of a file")
    if limit is not None:
        dataset.names = dataset.names[:limit]
    return dataset


__all__ = ["Dataset", "dataset_class", "dataset_names", "get_dataset"]
