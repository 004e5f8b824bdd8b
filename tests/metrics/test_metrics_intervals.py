import math

import numpy as np
import pytest
from scipy.stats import t

from spic.errors import ConfigError, DataError
from spic.metrics import (
    confusion_matrix,
    distance_interval,
    frechet_distance,
    interval,
    mean_interval,
    mean_iou,
    miou_interval,
    recall,
    recall_interval,
    sum_interval,
)
from spic.metrics.intervals import block_indices


def confusions(seed, n=60, agree=0.6):
    random = np.random.default_rng(seed)
    maps = random.integers(0, 4, (n, 12, 16)).astype(np.uint8)
    other = np.where(random.random(maps.shape) < agree, maps, random.integers(0, 4, maps.shape)).astype(np.uint8)
    return np.stack([confusion_matrix(a, b, 4, 4) for a, b in zip(maps, other, strict=True)])


def autocorrelated(random, n, memory=0.9):
    values = np.empty(n)
    values[0] = random.normal() / math.sqrt(1 - memory**2)
    for i in range(1, n):
        values[i] = memory * values[i - 1] + random.normal()
    return values


def test_blocks_are_runs_of_neighbours():
    drawn = block_indices(23, block=5, resamples=200, seed=3)
    assert drawn.shape == (200, 23) and drawn.min() == 0 and drawn.max() == 22
    for start in range(0, 23, 5):
        assert (np.diff(drawn[:, start : start + 5], axis=1) == 1).all()
    starts = np.bincount(drawn[:, 0], minlength=19)
    assert len(starts) == 19 and starts.min() > 0  # every run is drawn
    assert (drawn == block_indices(23, block=5, resamples=200, seed=3)).all()
    assert (drawn != block_indices(23, block=5, resamples=200, seed=4)).any()


def test_statistics_of_sums_are_those_of_the_pictures_drawn():
    matrices = confusions(0)
    options = {"block": 10, "resamples": 60, "seed": 5, "level": 0.9}
    slow = interval(lambda drawn: mean_iou(matrices[drawn].sum(axis=0)), len(matrices), **options)
    assert miou_interval(matrices, **options) == pytest.approx(slow, rel=1e-12)
    zero = interval(lambda drawn: mean_iou(matrices[drawn].sum(axis=0), "zero"), len(matrices), **options)
    assert miou_interval(matrices, "zero", **options) == pytest.approx(zero, rel=1e-12)
    values = np.random.default_rng(1).normal(size=60)
    slow = interval(lambda drawn: values[drawn].mean(), 60, **options)
    assert mean_interval(values, **options) == pytest.approx(slow, rel=1e-9)
    counts = np.random.default_rng(2).integers(0, 5, (60, 3, 2)).cumsum(axis=2)
    slow = interval(lambda drawn: float(recall(counts[drawn].sum(axis=(0, 1)))), 60, **options)
    assert recall_interval(counts, **options) == pytest.approx(slow, rel=1e-12)
    assert recall_interval(counts.sum(axis=1), **options) == pytest.approx(slow, rel=1e-12)


def test_an_absent_class_counts_as_in_mean_iou():
    matrices = confusions(0)
    matrices = np.pad(matrices, ((0, 0), (0, 1), (0, 0)))
    matrices = np.insert(matrices, 4, 0, axis=2)  # a fifth class that never occurs
    low, high = miou_interval(matrices, block=10, resamples=50)
    assert low < mean_iou(matrices.sum(axis=0)) < high
    low_zero, high_zero = miou_interval(matrices, "zero", block=10, resamples=50)
    assert (low_zero, high_zero) == pytest.approx((0.8 * low, 0.8 * high))


def test_the_mean_of_independent_values_has_the_textbook_interval():
    values = np.random.default_rng(3).normal(2, 1, 900)
    low, high = mean_interval(values, block=1, resamples=4000)
    reach = 1.96 * values.std() / 30
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.1 * reach)


def test_blocks_are_wider_than_single_frames_where_neighbours_are_alike():
    values = autocorrelated(np.random.default_rng(4), 500)
    single, blocks = (np.ptp(mean_interval(values, block=block)) for block in (1, 25))
    assert blocks > 2 * single


def test_intervals_of_few_blocks_cover_the_truth_about_as_often_as_they_say():
    """Frames alike over about ten neighbours, four blocks of 25: single frames would cover the truth half the time."""
    random = np.random.default_rng(11)
    covered = {1: 0, 25: 0, "jackknife": 0}
    for _ in range(150):
        values = autocorrelated(random, 101, memory=0.8)
        found = {block: mean_interval(values, block=block, resamples=200) for block in (1, 25)}
        column = values[:, None]
        found["jackknife"] = distance_interval(lambda a, b: float(a.mean()), column, column)
        for key, (low, high) in found.items():
            covered[key] += low <= 0 <= high
    assert covered[1] < 0.65 * 150
    assert 0.85 * 150 < covered[25] < 150 and 0.85 * 150 < covered["jackknife"] < 150


def test_fewer_than_two_blocks_can_not_be_told():
    values = np.arange(49.0)
    assert np.isnan(mean_interval(values)).all() and np.isnan(interval(lambda drawn: 1.0, 49)).all()
    assert np.isnan(miou_interval(confusions(0, n=49))).all()
    features = np.random.default_rng(0).normal(size=(49, 3))
    assert np.isnan(distance_interval(frechet_distance, features, features + 1)).all()
    assert np.isfinite(mean_interval(np.arange(50.0))).all()
    assert np.isfinite(distance_interval(frechet_distance, *np.random.default_rng(0).normal(size=(2, 50, 3)))).all()


def test_values_that_are_missing_or_infinite():
    values = np.random.default_rng(6).normal(size=60)
    holes = values.copy()
    holes[::3] = np.nan
    low, high = mean_interval(holes, block=10)
    assert low < np.nanmean(holes) < high
    assert np.isnan(mean_interval(np.full(60, np.nan))).all()
    values[3] = np.inf
    assert np.isnan(mean_interval(values)).all()
    for bad in (values, np.float64(3)):
        with pytest.raises(DataError):
            sum_interval(lambda totals: totals, bad)


def test_the_jackknife_of_a_mean_is_the_textbook_interval():
    values = np.random.default_rng(8).normal(size=(40, 1))
    low, high = distance_interval(lambda a, b: float(a.mean() - b.mean()), values, np.zeros_like(values), block=1)
    reach = t.ppf(0.975, 39) * values.std(ddof=1) / math.sqrt(40)
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach))


def test_distance_of_patches_and_of_pictures_of_other_number():
    random = np.random.default_rng(9)
    a, b = random.normal(size=(2, 60, 4, 5))
    whole = distance_interval(frechet_distance, a, b + 0.5, block=20)
    value = frechet_distance(a.reshape(-1, 5), b.reshape(-1, 5) + 0.5)
    assert whole.low < value < whole.high and sum(whole) / 2 == pytest.approx(value)
    with pytest.raises(DataError, match="same pictures"):
        distance_interval(frechet_distance, a, b[:-1])


def test_impossible_settings_are_refused():
    values = np.arange(60.0)
    for options in ({"block": 0}, {"resamples": 0}, {"level": 1.0}, {"level": 0.0}):
        with pytest.raises(ConfigError):
            mean_interval(values, **options)
    with pytest.raises(ConfigError):
        block_indices(10, block=11)
    with pytest.raises(ConfigError, match="absent"):
        miou_interval(confusions(0), "one")
    with pytest.raises(DataError):
        miou_interval(np.zeros((60, 3, 5), int))
