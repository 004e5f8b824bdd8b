"""Confidence intervals by blocks of neighbouring frames.

Frames of a clip are not independent: a bootstrap that draws single frames gives intervals that are far too narrow.
Here blocks of neighbouring frames are drawn (moving block bootstrap, Künsch, "The Jackknife and the Bootstrap for
General Stationary Observations", Annals of Statistics 1989): every run of `block` neighbours is equally likely, and
enough of them are joined to make up the set. Images are neighbours in the order in which they are given. Where they
really are independent, block = 1 gives the ordinary bootstrap.

The percentiles of a bootstrap are too narrow where there are few blocks: of g blocks it knows no more than a sample of
g does. So their distances from the value are multiplied by the ratio of Student's t with g - 1 degrees of freedom to
the normal quantile, and by sqrt(g / (g - 1)): 1.87 for the four blocks of a clip of 101 frames, nearly 1 for many.
docs/metrics.md has the coverage of both in a simulation. With fewer than two blocks an interval is NaN, "cannot be
told". A stretched interval can reach beyond the range of its metric.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from spic.errors import ConfigError, DataError
from spic.metrics.miou import intersection_and_union

BLOCK = 25  # frames
RESAMPLES = 1000
LEVEL = 0.95


class Interval(NamedTuple):
    """Confidence interval from `low` to `high`; both NaN where there are too few blocks."""

    low: float
    high: float


UNKNOWN = Interval(float("nan"), float("nan"))


class DrawnInterval(Interval):
    """An interval that knows what it was made from, `replicates`, so that intervals of differences can be told."""

    replicates: "Replicates"


@dataclass(frozen=True)
class Replicates:
    """A statistic of a set of images, and of sets that were made from it.

    Attributes
    ----------
    value : float
        Of the set itself.
    drawn : numpy.ndarray
        float64 (R,): of sets drawn by blocks, or (`jackknife`) of those that lack one block each.
    blocks : int
        How many blocks the set has.
    jackknife : bool
        Which of the two.
    """

    value: float
    drawn: np.ndarray
    blocks: int
    jackknife: bool = False

    def less(self, others: "list[tuple[float, Replicates]]") -> "Replicates":
        """The difference to the weighted sum of others, (weight, replicates): of the same images, drawn alike.

        `DataError` if they were drawn from other blocks.
        """
        for _, other in others:
            if (other.blocks, len(other.drawn), other.jackknife) != (self.blocks, len(self.drawn), self.jackknife):
                raise DataError("intervals of a difference need the same pictures on both sides")
        value, drawn = (sum(w * getattr(one, key) for w, one in others) for key in ("value", "drawn"))
        return replace(self, value=self.value - value, drawn=self.drawn - drawn)

    def interval(self, level: float = LEVEL) -> Interval:
        """Percentiles of what was drawn, stretched away from the value for few blocks; or the jackknife's interval."""
        from scipy.special import ndtri, stdtrit

        known = self.drawn[np.isfinite(self.drawn)]
        if len(known) <= len(self.drawn) / 2:
            return UNKNOWN
        g, upper = self.blocks, (1 + level) / 2
        if self.jackknife:
            reach = stdtrit(g - 1, upper) * np.sqrt((g - 1) / g * np.sum((self.drawn - self.drawn.mean()) ** 2))
            ends = self.value - reach, self.value + reach
        else:
            factor = stdtrit(g - 1, upper) / ndtri(upper) * np.sqrt(g / (g - 1))
            ends = self.value + factor * (np.quantile(known, [1 - upper, upper]) - self.value)
        found = DrawnInterval(*map(float, ends))
        found.replicates = self
        return found


def block_indices(n: int, *, block: int = BLOCK, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Draw images by blocks: int64 (resamples, n) of indices 0 to n - 1; `ConfigError` for impossible numbers."""
    if not 1 <= block <= n or resamples < 1:
        raise ConfigError(f"no bootstrap with {resamples} resamples of {n} pictures in blocks of {block}")
    starts = np.random.default_rng(seed).integers(0, n - block + 1, (resamples, -(-n // block)))
    return (starts[..., None] + np.arange(block)).reshape(resamples, -1)[:, :n]


def interval(
    statistic: Callable[[np.ndarray], float],
    n: int,
    *,
    block: int = BLOCK,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval:
    """Bootstrap interval of any statistic of a set of images.

    Parameters
    ----------
    statistic : callable
        Takes int64 (n,), the indices of the images drawn, and returns a number. It is called once per resample: for
        sums over images `sum_interval` is far faster, for distances between sets use `distance_interval`.
    n : int
        Number of images.
    block : int
        Neighbouring images drawn together.
    resamples : int
        How many sets are drawn.
    seed : int
        Seed of the drawing; intervals with one seed, block and n draw the same images.
    level : float
        Confidence, between 0 and 1.

    Returns
    -------
    Interval
        In units of the statistic; NaN with fewer than two blocks, or if the statistic is NaN in most resamples.

    Raises
    ------
    ConfigError
        `block`, `resamples` or `level` is out of range.
    """
    if not _enough(n, block, resamples, level):
        return UNKNOWN
    sets = block_indices(n, block=block, resamples=resamples, seed=seed)
    drawn = np.array([statistic(indices) for indices in sets], np.float64)
    return Replicates(float(statistic(np.arange(n))), drawn, n // block).interval(level)


def sum_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    per_picture: np.ndarray,
    *,
    block: int = BLOCK,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval:
    """`interval` of a statistic of totals over the set, for all resamples at once.

    Parameters
    ----------
    statistic : callable
        Takes the totals of all resamples, float64 (R, ...), and returns float64 (R,).
    per_picture : numpy.ndarray
        (N, ...), what adds up: confusion matrices, counts, values. To compare two methods on the same images put
        both into it, (N, 2, ...), and let the statistic be their difference.

    Other parameters, the result and `ConfigError` are those of `interval`; `DataError` where `per_picture` is not
    finite.
    """
    per_picture = np.asarray(per_picture, np.float64)
    if not per_picture.ndim or not np.isfinite(per_picture).all():
        raise DataError("what adds up over pictures has one finite entry per picture")
    n = len(per_picture)
    if not _enough(n, block, resamples, level):
        return UNKNOWN
    cells = block_indices(n, block=block, resamples=resamples, seed=seed) + n * np.arange(resamples)[:, None]
    times = np.bincount(cells.ravel(), minlength=resamples * n).reshape(resamples, n)  # each image was drawn
    totals = (times @ per_picture.reshape(n, -1)).reshape(resamples, *per_picture.shape[1:])
    value = float(np.asarray(statistic(per_picture.sum(axis=0)[None]), np.float64)[0])
    return Replicates(value, np.asarray(statistic(totals), np.float64), n // block).interval(level)


def mean_interval(values: np.ndarray, **options) -> Interval:
    """Interval of the mean of one value per image, float (N,), NaN values left out; `options` as in `interval`.

    An infinite value (the PSNR of identical images) makes the mean infinite and the interval NaN.
    """
    values = np.asarray(values, np.float64)
    if np.isinf(values).any():
        return UNKNOWN
    present = ~np.isnan(values)
    return sum_interval(_ratio, np.stack([np.where(present, values, 0.0), present], axis=1), **options)


def recall_interval(counts: np.ndarray, **options) -> Interval:
    """Interval of a recall from counts (N, 2) or (N, 3, 2) per image, found and total; `options` as in `interval`."""
    counts = np.asarray(counts)
    return sum_interval(_ratio, counts.reshape(len(counts), -1, 2).sum(axis=1), **options)


def miou_interval(confusions: np.ndarray, absent: str = "skip", classes=None, **options) -> Interval:
    """Interval of `mean_iou` from the confusion matrices of the images, (N, C, C + 1); `options` as in `interval`.

    `classes`, a list of ids, are those whose IoU counts; None takes all.
    """
    return sum_interval(lambda totals: _mean_ious(totals, absent, classes), np.asarray(confusions), **options)


def distance_interval(
    distance: Callable[[np.ndarray, np.ndarray], float],
    features_a: np.ndarray,
    features_b: np.ndarray,
    *,
    block: int = BLOCK,
    level: float = LEVEL,
) -> Interval:
    """Interval of a distance between two sets of features, by leaving out one block of frames after the other.

    A Frechet distance grows when images are drawn twice, because their number that differ falls, so the percentiles
    of a bootstrap lie beside the value. Leaving out blocks (the delete-a-group jackknife) draws no image twice, needs
    as many evaluations as there are blocks, and the bias of a smaller set is nearly the same in each of them. The
    interval is the value plus and minus Student's t with blocks - 1 degrees of freedom times the jackknife's
    standard error.

    Parameters
    ----------
    distance : callable
        Takes two (M, D) arrays: `frechet_distance`, `squared_mmd`.
    features_a, features_b : numpy.ndarray
        (N, D) or (N, P, D) (patches), row i of both of the same image.
    block : int
        Frames of a block; the images that are left over after the last whole block go to the blocks evenly.
    level : float
        Confidence, between 0 and 1.

    Returns
    -------
    Interval
        In units of the distance; NaN with fewer than two blocks. It can reach below 0.

    Raises
    ------
    ConfigError
        `block` or `level` is out of range.
    DataError
        The features are not of the same images.
    """
    a, b = np.asarray(features_a), np.asarray(features_b)
    if a.shape != b.shape or a.ndim not in (2, 3):
        raise DataError(f"features of the same pictures are needed, not {a.shape} and {b.shape}")
    if not _enough(len(a), block, 1, level):
        return UNKNOWN
    groups = np.array_split(np.arange(len(a)), len(a) // block)

    def at(kept):
        return distance(a[kept].reshape(-1, a.shape[-1]), b[kept].reshape(-1, b.shape[-1]))

    everything = np.arange(len(a))
    left_out = np.array([at(np.setdiff1d(everything, group)) for group in groups])
    return Replicates(at(everything), left_out, len(groups), jackknife=True).interval(level)


def _mean_ious(totals: np.ndarray, absent: str, classes=None) -> np.ndarray:
    """`mean_iou` of many matrices, (R, C, C + 1) to (R,)."""
    if absent not in ("skip", "zero"):
        raise ConfigError(f"absent must be 'skip' or 'zero', not {absent!r}")
    intersection, union = (x if classes is None else x[:, classes] for x in intersection_and_union(totals))
    iou = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
    if absent == "zero":
        return iou.mean(axis=1)
    present = (union > 0).sum(axis=1)
    return np.divide(iou.sum(axis=1), present, out=np.full(len(iou), np.nan), where=present > 0)


def _ratio(totals: np.ndarray) -> np.ndarray:
    """(R, 2) to the first over the second, (R,)."""
    return np.divide(totals[:, 0], totals[:, 1], out=np.full(len(totals), np.nan), where=totals[:, 1] > 0)


def _enough(n: int, block: int, resamples: int, level: float) -> bool:
    if block < 1 or resamples < 1 or not 0 < level < 1:
        raise ConfigError(f"no interval with blocks of {block}, {resamples} resamples and level {level}")
    return n >= 2 * block
