"""Where to look: the images with the most small objects, and the window of an image that holds them.

Both see the segmentation of the originals alone, so no method has a say in what is shown.
"""

from collections.abc import Sequence

import numpy as np

from spic.errors import ConfigError
from spic.metrics.objects import MIN_PIXELS, person_classes, small_classes
from spic.pictures.labels import LabelSpace

ZOOM = 4  # a window has a quarter of the image's height and width


def zoom_classes(space: LabelSpace, maps: Sequence[np.ndarray]) -> list[int]:
    """Ids to zoom at: pedestrians and cyclists, as in the paper's figures; small objects if there is no person."""
    try:
        persons = person_classes(space)
        return persons if any(np.isin(labels, persons).any() for labels in maps) else small_classes(space)
    except ConfigError:  # a label space without streets' small objects
        return []


def zoom_box(labels: np.ndarray, ids: list[int], size: tuple[int, int]) -> tuple[int, int]:
    """Where to zoom: top left corner of the window of `size` with the most objects of `ids`, each counted once.

    Parameters
    ----------
    labels : numpy.ndarray
        uint8 (H, W), a label map.
    ids : list of int
        Classes of small objects.
    size : (int, int)
        Height and width of the window, at most those of the map.

    Returns
    -------
    (int, int)
        Row and column. Objects count by the share of their pixels inside, so a near car does not outweigh three far
        pedestrians; without any object the middle of the map.
    """
    return _best_window(labels, ids, size)[1]


def most_objects(maps: Sequence[np.ndarray], ids: list[int], count: int) -> list[int]:
    """Indices of the `count` images whose `zoom_box` holds the most objects of `ids`, the fullest first.

    The images are cut into `count` runs of neighbours and each gives its best, as neighbouring frames of a clip show
    the same objects. Fewer than `count` where there are fewer images.
    """
    size = tuple(side // ZOOM for side in maps[0].shape)
    found = [_best_window(labels, ids, size)[0] for labels in maps]
    runs = np.array_split(np.arange(len(maps)), count)
    best = [int(max(run, key=found.__getitem__)) for run in runs if len(run)]  # the first of equals
    return sorted(best, key=found.__getitem__, reverse=True)


def _best_window(labels, ids, size) -> tuple[float, tuple[int, int]]:
    """How many objects the best window holds, and its corner."""
    from scipy import ndimage

    weight = np.zeros(labels.shape)
    for class_id in ids:
        components, count = ndimage.label(labels == class_id, np.ones((3, 3)))
        sizes = np.bincount(components.ravel(), minlength=count + 1)
        share = np.where(sizes >= MIN_PIXELS, 1 / np.maximum(sizes, 1), 0)
        share[0] = 0
        weight += share[components]
    height, width = size
    if not weight.any():
        return 0.0, ((labels.shape[0] - height) // 2, (labels.shape[1] - width) // 2)
    sums = np.pad(weight.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    best = np.argwhere(inside > inside.max() - 1e-9).astype(float)
    distance = ((best + np.array(size) / 2 - ndimage.center_of_mass(weight)) ** 2).sum(
        1
    )  # among equals the one nearest to all objects
    return round(float(inside.max()), 6), tuple(int(k) for k in best[distance.argmin()])
