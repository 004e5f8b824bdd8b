"""Agreement of two segmentation maps: confusion matrix, intersection over union (IoU), pixel accuracy.

IoU of a class = pixels both maps give to it / pixels either map gives to it (Everingham et al., "The Pascal Visual
Object Classes Challenge", 2010, section 4.1.3). All figures come from confusion matrices, which add up: keep one a
image, sum them for the totals over a set (`mean_iou`), or average image by image (`miou_image`).
"""

from collections.abc import Iterable, Sequence

import numpy as np

from spic.errors import ConfigError, DataError


def confusion_matrix(reference: np.ndarray, other: np.ndarray, num_classes: int, void: int) -> np.ndarray:
    """Count pixels by their class in the reference and in another map.

    Pixels that are void in the reference are not counted at all. A pixel that is void only in the other map is
    counted in the extra last column: a miss of the reference's class, a false alarm of none.

    Parameters
    ----------
    reference, other : numpy.ndarray
        uint8 (H, W), or (N, H, W) for totals over N images; ids 0..num_classes-1 or `void`.
    num_classes : int
        C, 1 to 255.
    void : int
        Id of unlabelled pixels, num_classes to 255.

    Returns
    -------
    numpy.ndarray
        int64 (C, C + 1), in pixels; row = class in the reference, column = class in the other map, last column =
        void in the other map.

    Raises
    ------
    DataError
        The maps differ in shape, are not uint8, or hold an id that is neither a class nor void.
    ConfigError
        `num_classes` or `void` is out of range.
    """
    if not 1 <= num_classes <= void <= 255:
        raise ConfigError(f"no label space has {num_classes} classes and void = {void}")
    for name, labels in (("reference", reference), ("other", other)):
        if labels.dtype != np.uint8 or labels.ndim not in (2, 3):
            raise DataError(f"{name} map: expected uint8 (H, W) or (N, H, W), got {labels.dtype} {labels.shape}")
        wrong = (labels >= num_classes) & (labels != void)
        if wrong.any():
            raise DataError(f"{name} map: id {int(labels[wrong][0])} is neither void nor one of {num_classes} classes")
    if reference.shape != other.shape:
        raise DataError(f"maps of different shape: {reference.shape} and {other.shape}")
    columns = num_classes + 1
    pairs = np.minimum(reference, num_classes).astype(np.int64) * columns + np.minimum(other, num_classes)
    counts = np.bincount(pairs.ravel(), minlength=columns * columns)
    return counts.reshape(columns, columns)[:num_classes].astype(np.int64)


def iou_per_class(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each class.

    Parameters
    ----------
    confusion : numpy.ndarray
        Integer (C, C + 1) as `confusion_matrix` returns it, or a plain (C, C) matrix.

    Returns
    -------
    numpy.ndarray
        float64 (C,), 0 to 1; NaN for a class that occurs in neither map (among the pixels that count).

    Raises
    ------
    DataError
        The matrix has another shape or negative counts.
    """
    intersection, union = intersection_and_union(np.asarray(confusion)[None])
    with np.errstate(invalid="ignore"):
        return (intersection / union)[0]


def mean_iou(confusion: np.ndarray, absent: str = "skip", classes: list[int] | None = None) -> float:
    """Mean intersection over union (mIoU) over the classes, from the totals of a set.

    Parameters
    ----------
    confusion : numpy.ndarray
        Integer (C, C + 1) or (C, C), summed over the set.
    absent : {"skip", "zero"}
        A class is present where its union is above 0: it occurs in the reference or in the other map, or both, among
        the pixels that count. "skip" is the mean over the present classes (protocol `corrected`); "zero" gives an
        absent class IoU 0 and divides by all C classes (protocol `official`), so that even two identical sets stay
        below 1 where a class is missing.
    classes : list of int, optional
        Ids of those classes whose IoU counts, at least one; all by default.

    Returns
    -------
    float
        0 to 1; NaN with "skip" if no class is present.

    Raises
    ------
    ConfigError
        `absent` is neither "skip" nor "zero".
    DataError
        See `iou_per_class`.
    """
    if absent not in ("skip", "zero"):
        raise ConfigError(f"absent must be 'skip' or 'zero', not {absent!r}")
    iou = iou_per_class(confusion)[slice(None) if classes is None else classes]
    return mean_of_present(iou) if absent == "skip" else float(np.nan_to_num(iou).mean())


def miou_of_maps(reference: np.ndarray, other: np.ndarray, space) -> float:
    """mIoU of label maps with those of a reference, both uint8 (H, W) or (N, H, W) with ids of `space` or its void.

    `mean_iou` of their totals: 0 to 1, NaN where no class is present. `DataError` for maps that do not fit each other.

    space : spic.pictures.labels.LabelSpace
    """
    return mean_iou(confusion_matrix(reference, other, space.num_classes, space.void))


def miou_per_picture(
    confusions: Iterable[np.ndarray], classes: Sequence[int] | None = None, absent: str = "skip"
) -> np.ndarray:
    """mIoU of each image by itself over the classes of interest; what `miou_image` averages.

    Parameters
    ----------
    confusions : iterable of numpy.ndarray
        One confusion matrix per image, or one (N, C, C + 1) array.
    classes : sequence of int, optional
        Ids of the classes of interest; all classes by default.
    absent : {"skip", "zero"}
        As in `mean_iou`, within each image: "skip" is the mean over those classes of interest that are present in
        the image (union above 0), "zero" divides by their number.

    Returns
    -------
    numpy.ndarray
        float64 (N,), 0 to 1. NaN for an image in which no class of interest is present, with "zero" as well: such an
        image has no objects to judge.

    Raises
    ------
    ConfigError
        A class of interest does not exist or is given twice, none is given, or `absent` is neither word.
    DataError
        See `iou_per_class`; also matrices of different shape.
    """
    if absent not in ("skip", "zero"):
        raise ConfigError(f"absent must be 'skip' or 'zero', not {absent!r}")
    matrices = [np.asarray(confusion) for confusion in confusions]
    if len({matrix.shape for matrix in matrices}) > 1:
        raise DataError("the confusion matrices of a set have one shape")
    means = np.full(len(matrices), np.nan)
    for i, matrix in enumerate(matrices):
        iou = iou_per_class(matrix)
        ids = list(range(len(iou)) if classes is None else classes)
        if not ids or len(set(ids)) < len(ids) or min(ids) < 0 or max(ids) >= len(iou):
            raise ConfigError(f"classes of interest {ids} are not among {len(iou)} classes")
        iou = iou[ids]
        if not np.isnan(iou).all():
            means[i] = np.nanmean(iou) if absent == "skip" else np.nan_to_num(iou).mean()
    return means


def miou_image(confusions: Iterable[np.ndarray], classes: Sequence[int] | None = None, absent: str = "skip") -> float:
    """mIoU of each image over the classes of interest, averaged over the images (the paper's formula).

    The mean of `miou_per_picture`, with the same parameters and errors. An image in which none of the classes is
    present does not count.

    Returns
    -------
    float
        0 to 1; NaN if no image counts.
    """
    return mean_of_present(miou_per_picture(confusions, classes, absent))


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Share of the counted pixels that have the same class in both maps, 0 to 1; NaN if no pixel counts.

    `confusion` is integer (C, C + 1) or (C, C); `DataError` as in `iou_per_class`.
    """
    intersection, _ = intersection_and_union(np.asarray(confusion)[None])
    total = int(np.sum(confusion))
    return float(intersection.sum() / total) if total else float("nan")


def intersection_and_union(confusions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that both maps give to each class, and those that either does: (R, C) each, of R confusion matrices.

    `DataError` as in `iou_per_class`.
    """
    shape = confusions.shape[1:]
    if len(shape) != 2 or shape[1] - shape[0] not in (0, 1) or not confusions.size:
        raise DataError(f"a confusion matrix is (C, C) or (C, C + 1), not {shape}")
    if (confusions < 0).any():
        raise DataError("a confusion matrix has no negative counts")
    intersection = np.diagonal(confusions, axis1=1, axis2=2)
    return intersection, confusions.sum(axis=2) + confusions[:, :, : shape[0]].sum(axis=1) - intersection


def mean_of_present(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN where there are none."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")
