"""Distortion of one image against its original: PSNR and MS-SSIM.

The figure of a set is the arithmetic mean over its images; of PSNR, the mean of `finite_psnr`.
"""

from functools import lru_cache

import numpy as np

from spic.errors import DataError

PEAK = 255.0
STRIP = 16  # rows or columns a matrix product of the blur; the fastest of 16, 32, 48, 64
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2
MIN_SIDE = 11 * 2 ** (len(SCALE_WEIGHTS) - 1)  # the 11x11 window must fit into the coarsest scale: 176


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of one image, over all its pixels and channels together.

    Parameters
    ----------
    a, b : numpy.ndarray
        uint8 (H, W) or (H, W, C) of one shape.

    Returns
    -------
    float
        10 log10(255^2 / mean squared error), in dB; infinite for identical images.

    Raises
    ------
    DataError
        The images are not uint8 or differ in shape.
    """
    _check(a, b)
    difference = a.astype(np.int32) - b
    squares = int(np.sum(difference * difference, dtype=np.int64))
    if squares == 0:
        return float("inf")
    return float(10 * np.log10(PEAK**2 * a.size / squares))


def finite_psnr(values, samples: int) -> np.ndarray:
    """PSNR of the images of a set as its mean takes them: identical images count as the next best that there can be.

    One infinite value would make the mean infinite, whatever the other images look like. docs/metrics.md says why
    identical images are neither left out nor given a round number.

    Parameters
    ----------
    values : array-like of float
        PSNR of each image in dB, infinite where it is identical to its original.
    samples : int
        Samples of an image, height x width x channels.

    Returns
    -------
    numpy.ndarray
        float64 (N,): infinite values become 10 log10(255^2 samples), the PSNR of an image with one sample off by one,
        which no other image exceeds. Where all images are identical they stay infinite.
    """
    values = np.asarray(values, np.float64)
    identical = np.isinf(values)
    return values if identical.all() else np.where(identical, 10 * np.log10(PEAK**2 * samples), values)


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Multi-scale structural similarity of one image.

    Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", 2003: five scales by
    averaging 2x2 pixels (an odd last row or column is left out), 11x11 Gaussian window of sigma 1.5 kept inside the
    image, K1 = 0.01, K2 = 0.03, peak 255. Each channel of the sRGB image is treated by itself and
    the mean over channels is returned; a scale whose mean contrast-structure term is negative counts as 0.
    (torchmetrics differs by up to 0.001: at the coarsest scale it lets windows reach over the border.)

    Parameters
    ----------
    a, b : numpy.ndarray
        uint8 (H, W) or (H, W, C) of one shape, both sides at least 176.

    Returns
    -------
    float
        0 to 1; 1 for identical images. Computed in float64.

    Raises
    ------
    DataError
        The images are not uint8, differ in shape or are too small.
    """
    _check(a, b)
    if min(a.shape[:2]) < MIN_SIDE:
        raise DataError(f"MS-SSIM needs {MIN_SIDE} pixels per side, the picture has {a.shape[0]}x{a.shape[1]}")
    channels = zip(np.moveaxis(np.atleast_3d(a), 2, 0), np.moveaxis(np.atleast_3d(b), 2, 0), strict=True)
    return float(np.mean([_ms_ssim_of_channel(x.astype(np.float64), y.astype(np.float64)) for x, y in channels]))


def _ms_ssim_of_channel(x: np.ndarray, y: np.ndarray) -> float:
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    similarity = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        mean_x, mean_y, energy, covariance = _blur(np.stack([x, y, x * x + y * y, x * y]))
        mean_xy, mean_square = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
        terms = (2 * (covariance - mean_xy) + c2) / (energy - mean_square + c2)  # contrast and structure
        if scale == len(SCALE_WEIGHTS) - 1:
            terms = (2 * mean_xy + c1) / (mean_square + c1) * terms  # luminance
        similarity *= max(float(terms.mean()), 0.0) ** weight
        x, y = _halve(x), _halve(y)
    return similarity


def _blur(x: np.ndarray) -> np.ndarray:
    """Gaussian window of 11x11 and sigma 1.5, without borders; float64 (C, H, W) to (C, H - 10, W - 10).

    Separable, each direction as products with a small band matrix: five times as fast as summing shifted images.
    """
    height, width = x.shape[1] - 10, x.shape[2] - 10
    rows = np.empty((len(x), height, width + 10))
    for start in range(0, height, STRIP):
        band = _band(min(STRIP, height - start))
        np.matmul(band, x[:, start : start + band.shape[1]], out=rows[:, start : start + len(band)])
    blurred = np.empty((len(x), height, width))
    for start in range(0, width, STRIP):
        band = _band(min(STRIP, width - start))
        np.matmul(rows[:, :, start : start + band.shape[1]], band.T, out=blurred[:, :, start : start + len(band)])
    return blurred


@lru_cache(maxsize=2 * STRIP)
def _band(size: int) -> np.ndarray:
    """float64 (size, size + 10): row i holds the window at columns i to i + 10."""
    window = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    band = np.zeros((size, size + 10))
    for i in range(size):
        band[i, i : i + 11] = window / window.sum()
    return band


def _halve(x: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; sums of slices, ten times as fast as a mean over a reshaped array."""
    x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2]
    rows = x[::2] + x[1::2]
    return (rows[:, ::2] + rows[:, 1::2]) * 0.25


def _check(a: np.ndarray, b: np.ndarray) -> None:
    for picture in (a, b):
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not picture.size:
            raise DataError(f"expected uint8 (H, W) or (H, W, C), got {picture.dtype} {picture.shape}")
    if a.shape != b.shape:
        raise DataError(f"pictures of different shape: {a.shape} and {b.shape}")
