"""Distances between two sets of images, from their features: Frechet distance and kernel distance (KID)."""

from typing import NamedTuple

import numpy as np

from spic.errors import ConfigError, DataError


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Frechet distance of the Gaussians fitted to two sets of features (Heusel et al. 2017, section 4).

    d^2 = |mu_a - mu_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^(1/2)), with the covariances S divided by N - 1.

    No matrix square root is taken. With centred features A (N, D) and B (M, D) the non-zero eigenvalues of S_a S_b are
    the squared singular values of A B^T / sqrt((N - 1)(M - 1)), so the last trace is the sum of the singular values
    (nuclear norm) of that matrix: exact also for singular covariances (Mathiasen and Hvilshoj, "Backpropagating through
    Frechet Inception Distance", 2020, section 2, use the same small matrix). Where there are more samples
    than features, A is first replaced by the triangular factor of its QR decomposition, which has the same A^T A.

    The value falls with the number of samples for one and the same pair of distributions: compare only at equal n.

    Parameters
    ----------
    features_a, features_b : numpy.ndarray
        Real (N, D) and (M, D), one row per image, N and M at least 2. Computed in float64.

    Returns
    -------
    float
        d^2, at least 0 (rounding below 0 is cut off), in squared units of the features.

    Raises
    ------
    DataError
        The features differ in D, are fewer than two, or not finite.
    """
    a, b = _checked(features_a, features_b, minimum=2)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    root_a, root_b = _covariance_root(a - mean_a), _covariance_root(b - mean_b)
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    difference = mean_a - mean_b
    return max(0.0, float(difference @ difference + np.sum(root_a**2) + np.sum(root_b**2) - 2 * cross))


class KernelDistance(NamedTuple):
    """Mean and spread (standard deviation) of the squared MMD over random subsets, and what it was taken from.

    `subset_size` samples were drawn for a subset; the smaller set had `n`.
    """

    mean: float
    std: float
    subset_size: int
    n: int


def squared_mmd(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel k(x, y) = (x.y / D + 1)^3.

    Gretton et al., "A Kernel Two-Sample Test", 2012, equation 3 (pairs of a sample with itself are left out); the
    kernel is that of Binkowski et al., "Demystifying MMD GANs", 2018, equation 6.

    Parameters
    ----------
    features_a, features_b : numpy.ndarray
        Real (N, D) and (M, D), N and M at least 2. Computed in float64.

    Returns
    -------
    float
        Unbiased, so it can be below 0 for sets that are alike.

    Raises
    ------
    DataError
        See `frechet_distance`.
    """
    a, b = _checked(features_a, features_b, minimum=2)
    n, m = len(a), len(b)
    within_a, within_b = _kernel(a, a), _kernel(b, b)
    return float(
        (within_a.sum() - np.trace(within_a)) / (n * (n - 1))
        + (within_b.sum() - np.trace(within_b)) / (m * (m - 1))
        - 2 * _kernel(a, b).mean()
    )


def kid(
    features_a: np.ndarray, features_b: np.ndarray, *, subset_size: int = 1000, num_subsets: int = 100, seed: int = 0
) -> KernelDistance:
    """Kernel Inception Distance: `squared_mmd` over random subsets (Binkowski et al. 2018, section 4).

    Parameters
    ----------
    features_a, features_b : numpy.ndarray
        Real (N, D) and (M, D), N and M at least 4.
    subset_size : int
        Samples drawn from each set, without replacement, for one subset; at least 2. Never more than half of the
        smaller set, for else the subsets would be nearly equal and their spread would have no meaning.
    num_subsets : int
        How many subsets, at least 1.
    seed : int
        Seed of the drawing, so that tables are equal from run to run.

    Returns
    -------
    KernelDistance
        `mean` estimates the same quantity as `squared_mmd` of the whole sets; `std` is the spread from subset to
        subset, not the error of the mean.

    Raises
    ------
    DataError
        See `frechet_distance`.
    ConfigError
        `subset_size` or `num_subsets` is too small.
    """
    if subset_size < 2 or num_subsets < 1:
        raise ConfigError(f"KID needs subsets of two or more samples, not {num_subsets} of {subset_size}")
    a, b = _checked(features_a, features_b, minimum=4)
    size = min(subset_size, len(a) // 2, len(b) // 2)
    random = np.random.default_rng(seed)
    values = [
        squared_mmd(a[random.choice(len(a), size, replace=False)], b[random.choice(len(b), size, replace=False)])
        for _ in range(num_subsets)
    ]
    return KernelDistance(float(np.mean(values)), float(np.std(values)), size, min(len(a), len(b)))


def _covariance_root(centred: np.ndarray) -> np.ndarray:
    """Return R with R^T R = covariance; as few rows as exactness allows."""
    samples, dimensions = centred.shape
    root = np.linalg.qr(centred, mode="r") if samples > dimensions else centred
    return root / np.sqrt(samples - 1)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _checked(features_a, features_b, minimum: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.shape[1]:
        raise DataError(f"features must be (N, D) and (M, D), got {a.shape} and {b.shape}")
    if min(len(a), len(b)) < minimum:
        raise DataError(f"{min(len(a), len(b))} pictures are too few for a distance: it needs {minimum} on each side")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError("features hold NaN or infinite values")
    return a, b
