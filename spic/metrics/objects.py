"""Small objects that survive coding: the paper's point about pedestrians (figures 2 and 3), as a number.

An object is an 8-connected component of one class in the reference map, the judge's map of the original. mIoU hardly
notices when one is lost, because a pedestrian of 50 pixels is nothing beside the road; a count of objects does.
"""

from collections.abc import Sequence

import numpy as np

from spic.errors import ConfigError, DataError
from spic.pictures.labels import LabelSpace

MIN_PIXELS = 8  # smaller components are the segmenter's noise
SIZE_LIMITS = (64, 256)  # in pixels: below 64, 64 to 256, above 256
SIZE_NAMES = ("below_64", "64_to_256", "above_256")
FOUND_SHARE = 0.5

PERSONS = ("pedestrian", "person", "bicyclist", "cyclist", "rider")  # what CamVid, Cityscapes and the paper call them
SIGNS = ("sign", "traffic sign")
SMALL = (*PERSONS, *SIGNS, "pole")


def small_classes(space: LabelSpace) -> list[int]:
    """Ids of pedestrians, cyclists, signs and poles in a label space; `ConfigError` where it has none of them."""
    return _ids(space, SMALL)


def person_classes(space: LabelSpace) -> list[int]:
    """Ids of pedestrians and cyclists in a label space; `ConfigError` where it has none of them."""
    return _ids(space, PERSONS)


def small_objects(reference: np.ndarray, found: np.ndarray, classes: Sequence[int], *, void: int) -> np.ndarray:
    """Count the objects of a reference map and those that another map keeps.

    Objects are the 8-connected components of each class, of at least 8 pixels. One is found if at least half of its
    pixels have its class in `found`; false alarms do not count, as this is a recall.

    Parameters
    ----------
    reference, found : numpy.ndarray
        uint8 (H, W) of class ids: the judge's maps of the original and of the reconstruction.
    classes : sequence of int
        Ids of the classes that count; two classes that touch are two objects.
    void : int
        Id of unlabelled pixels: no object in `reference`, a miss in `found`.

    Returns
    -------
    numpy.ndarray
        int64 (3, 2): one row per size class in the reference (below 64, 64 to 256, above 256 pixels), columns found and
        total. Counts add up over images; `recall` makes shares of them.

    Raises
    ------
    DataError
        The maps are not uint8 (H, W) of one shape.
    ConfigError
        A class is void, given twice or out of range, or none is given.
    """
    from scipy import ndimage

    for name, labels in (("reference", reference), ("found", found)):
        if labels.dtype != np.uint8 or labels.ndim != 2:
            raise DataError(f"{name} map: expected uint8 (H, W), got {labels.dtype} {labels.shape}")
    if reference.shape != found.shape:
        raise DataError(f"maps of different shape: {reference.shape} and {found.shape}")
    ids = [int(class_id) for class_id in classes]
    if not ids or len(set(ids)) < len(ids) or void in ids or not all(0 <= i <= 255 for i in ids):
        raise ConfigError(f"classes of small objects: {ids} with void = {void}")
    counts = np.zeros((len(SIZE_NAMES), 2), np.int64)
    for class_id in ids:
        components, number = ndimage.label(reference == class_id, structure=np.ones((3, 3), bool))
        sizes = np.bincount(components.ravel(), minlength=number + 1)[1:]
        kept = np.bincount(components[found == class_id], minlength=number + 1)[1:]
        counted = sizes >= MIN_PIXELS
        size_class = np.digitize(sizes, (SIZE_LIMITS[0], SIZE_LIMITS[1] + 1))
        counts[:, 1] += np.bincount(size_class[counted], minlength=3)
        counts[:, 0] += np.bincount(size_class[counted & (kept >= FOUND_SHARE * sizes)], minlength=3)
    return counts


def recall(counts: np.ndarray) -> np.ndarray:
    """Share of the objects that are found.

    Parameters
    ----------
    counts : numpy.ndarray
        Integer (..., 2), [found, total], for instance the sum of `small_objects` over images, or over sizes too.

    Returns
    -------
    numpy.ndarray
        float64 (...), 0 to 1; NaN where there was no object to find.
    """
    counts = np.asarray(counts, np.float64)
    if not counts.ndim or counts.shape[-1] != 2:
        raise DataError(f"counts are (..., 2), found and total, not {counts.shape}")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts[..., 1] > 0, counts[..., 0] / counts[..., 1], np.nan)


def _ids(space: LabelSpace, names: tuple[str, ...]) -> list[int]:
    ids = [i for i, name in enumerate(space.classes) if name in names]
    if not ids:
        raise ConfigError(f"label space {space.name} has none of {', '.join(names)}")
    return ids
