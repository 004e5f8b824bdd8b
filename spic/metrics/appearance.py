"""Whether images look right, by counts that no network has a part in: colour, hatching, grid, texture.

Each is a ratio or a difference of sums over the pixels of a class, so the sums of single images add up to those of a
set (`Sums.__add__`). A decoder that pleases a segmenter by signals shows in the first three; one that blurs, or adds
noise, in the last. Luma and chroma are those of ITU-R BT.601, values 0..255.
"""

from dataclasses import astuple, dataclass

import numpy as np

_LUMA = (0.299, 0.587, 0.114)
_CB = (-0.169, -0.331, 0.5)
_CR = (0.5, -0.419, -0.081)


@dataclass(frozen=True)
class Sums:
    """Sums over the pixels of one image or of several.

    Attributes
    ----------
    pixels : numpy.ndarray
        float64 (classes, 3): pixels of each class, in the whole image, away from its border, and right below others.
    chroma : numpy.ndarray
        float64 (classes,), |Cb - Cb of the original| + |Cr - Cr of the original|, over the whole image.
    hatching : numpy.ndarray
        float64 (classes,), |Laplacian of Cb| + |Laplacian of Cr|, away from the border.
    gradient : numpy.ndarray
        float64 (classes,), |difference of luma to the left| + |difference to above|.
    places2, places4 : numpy.ndarray
        float64 (2, 2) and (4, 4), |Laplacian of luma| by its place in blocks of 2x2 and 4x4 pixels.
    """

    pixels: np.ndarray
    chroma: np.ndarray
    hatching: np.ndarray
    gradient: np.ndarray
    places2: np.ndarray
    places4: np.ndarray

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def appearance_sums(image: np.ndarray, original: np.ndarray, labels: np.ndarray, num_classes: int) -> Sums:
    """Sums of one image.

    Parameters
    ----------
    image, original : numpy.ndarray
        uint8 (H, W, 3) sRGB, sides at least 6.
    labels : numpy.ndarray
        uint8 (H, W); ids from `num_classes` on (void) count nowhere.
    """
    y, cb, cr = _planes(image)
    _, cb0, cr0 = _planes(original)
    inside, below = labels[1:-1, 1:-1], labels[1:, 1:]

    def by_class(values, where):
        return np.bincount(where.ravel(), values.ravel(), 256)[:num_classes]

    counts = [np.bincount(where.ravel(), minlength=256)[:num_classes] for where in (labels, inside, below)]
    laplacian = _laplacian(y)
    return Sums(
        np.stack(counts, 1).astype(np.float64),
        by_class(np.abs(cb - cb0) + np.abs(cr - cr0), labels),
        by_class(_laplacian(cb) + _laplacian(cr), inside),
        by_class(np.abs(np.diff(y, axis=1))[1:] + np.abs(np.diff(y, axis=0))[:, 1:], below),
        _places(laplacian, 2),
        _places(laplacian, 4),
    )


def colour_error(sums: Sums, classes) -> float:
    """Mean difference of Cb and Cr to the original in the pixels of `classes` (ids), 0..255; NaN without pixels."""
    return _ratio(sums.chroma[classes].sum() / 2, sums.pixels[classes, 0].sum())


def hatching(sums: Sums, original: Sums, classes) -> float:
    """|Laplacian of Cb and Cr| in `classes` (ids) over the original's: 1 as there, above 1 coloured patterns."""
    return _ratio(sums.hatching[classes].sum(), original.hatching[classes].sum())


def texture(sums: Sums, original: Sums, classes) -> float:
    """Mean |gradient of luma| in `classes` (ids) over the original's: 1 as there, below 1 blur, above 1 noise."""
    return _ratio(sums.gradient[classes].sum(), original.gradient[classes].sum())


def grid(sums: Sums, period: int) -> float:
    """How much |Laplacian of luma| depends on the place in blocks of `period` (2 or 4): (max - min) / mean."""
    places = sums.places2 if period == 2 else sums.places4
    return _ratio(places.max() - places.min(), places.mean())


def _planes(image):
    x = image.astype(np.float32)
    return (x @ np.array(weights, np.float32) for weights in (_LUMA, _CB, _CR))


def _laplacian(x):
    return np.abs(4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:])


def _places(values, period):
    height, width = (side // period for side in values.shape)
    blocks = values[: height * period, : width * period].reshape(height, period, width, period)
    return blocks.sum((0, 2), dtype=np.float64)


def _ratio(a, b) -> float:
    return float(a / b) if b > 0 else float("nan")
