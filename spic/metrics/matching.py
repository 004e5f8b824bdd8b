"""Matched rates: the setting of a codec that meets a rate, and a metric read off a curve at a rate."""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from spic.errors import ConfigError, DataError

MAX_STEPS = 60  # halvings; a float's range is used up before


class Match(NamedTuple):
    """What `find_setting` found.

    `status` is "met" or "unreachable"; `setting` is None where unreachable, and `rate` is then the nearest that the
    codec can reach, its floor or its ceiling.
    """

    setting: float | int | None
    rate: float
    status: str


def find_setting(
    rate_of: Callable[[float], float],
    target: float,
    low: float,
    high: float,
    *,
    step: float = 1,
    at_most: bool = False,
    tolerance: float = 0.02,
) -> Match:
    """Find the setting of a codec whose rate is closest to a target, by bisection.

    Parameters
    ----------
    rate_of : callable
        Setting to rate in bpp, for instance the mean over a set of images. It should rise or fall all along; where it
        has kinks, the setting found still lies where the rate crosses the target. Each setting is asked for once.
    target : float
        Rate wanted, above 0.
    low, high : number
        Ends of the setting's range, both allowed.
    step : number
        Settings are `low`, `low + step`, ... (1 for a QP); 0 for any number. With steps, bisection goes on to two
        neighbours and takes the one whose rate is closer in ratio: its rate is what it is, and belongs beside the
        result.
    at_most : bool
        Take no setting whose rate is above the target, and the highest rate where all lie below.
    tolerance : float
        Relative. Without steps a setting is good enough within it; a target beyond the codec's range by no more than it
        counts as met at that end.

    Returns
    -------
    Match
        Setting, its rate in bpp, and "met"; or None, the codec's nearest rate and "unreachable" where the target
        lies outside what it can do (JPEG has a floor).

    Raises
    ------
    ConfigError
        Target, range, step or tolerance make no sense.
    DataError
        A rate is not a finite number above 0.
    """
    if not (target > 0 and math.isfinite(target) and low < high and 0 < tolerance < 1 and 0 <= step <= high - low):
        raise ConfigError(f"no setting from {low} to {high} in steps of {step} for {target} bpp within {tolerance}")
    # places on the range: whole numbers of steps, or the settings themselves
    left, right = (0, int((high - low) / step + 1e-9)) if step else (float(low), float(high))

    def setting(place):
        return low + place * step if step else place

    @cache
    def rate(place):
        found = float(rate_of(setting(place)))
        if not (found > 0 and math.isfinite(found)):
            raise DataError(f"the rate at {setting(place)} is {found}")
        return found

    def distance(place):
        return math.inf if at_most and rate(place) > target else abs(math.log(rate(place) / target))

    limits = sorted((left, right), key=rate)
    if not rate(limits[0]) <= target <= rate(limits[1]):
        end = limits[0] if rate(limits[0]) > target else limits[1]
        met = distance(end) <= math.log1p(tolerance) or (at_most and rate(end) <= target)
        return Match(setting(end) if met else None, rate(end), "met" if met else "unreachable")
    rising = rate(left) <= target
    for _ in range(MAX_STEPS):
        middle = (left + right) // 2 if step else (left + right) / 2
        good_enough = not step and min(distance(left), distance(right)) <= math.log1p(tolerance)
        if good_enough or middle in (left, right):
            break
        if (rate(middle) <= target) == rising:
            left = middle
        else:
            right = middle
    best = min(left, right, key=distance)
    return Match(setting(best), rate(best), "met")


def find_quality(
    name: str, quality_range, rate_of: Callable[[float], float], target: float, *, at_most: bool = False
) -> Match:
    """Find the setting of a codec or method for a rate.

    Parameters
    ----------
    name : str
        What is set: a codec's `quality_name`, a method's `parameter`. "bpp" is the rate itself and tried once.
    quality_range : (number, number, number)
        Lowest value, highest value and step, as codecs and methods have them.
    rate_of : callable
        Setting to rate, in bits per pixel of what the coder codes.
    target : float
        Rate wanted, above 0.
    at_most : bool
        As for `find_setting`.

    Returns
    -------
    Match

    Raises
    ------
    ConfigError, DataError
        As from `find_setting`; what `rate_of` raises.
    """
    low, high, step = quality_range
    if name == "bpp":
        setting = min(target, high)
        return Match(setting, rate_of(setting), "met")
    return find_setting(rate_of, target, low, high, step=step, at_most=at_most)


def at_rate(rates, values, rate: float) -> float:
    """A metric at a rate, read off a curve: linear between two points over the logarithm of the rate.

    Parameters
    ----------
    rates, values : sequence of float
        Points of the curve in any order, rates above 0. Points whose value is not finite are left out.
    rate : float
        Where to read.

    Returns
    -------
    float
        In the metric's unit. NaN outside the curve's rates: never extrapolated.

    Raises
    ------
    DataError
        Rates and values do not match, a rate is not above 0, or two points have one rate.
    """
    rates, y = sorted_curve(rates, values)
    x = np.log(rates)
    if not len(x) or not rate > 0 or not x[0] <= math.log(rate) <= x[-1]:
        return float("nan")
    return float(np.interp(math.log(rate), x, y))


def rate_at(rates, values, value: float) -> float:
    """The lowest rate at which a curve reaches a value of its metric, read as `at_rate` reads.

    NaN where the curve, between its points, takes the value nowhere. Parameters and errors as in `at_rate`.
    """
    rates, y = sorted_curve(rates, values)
    x = np.log(rates)
    for i in range(len(x)):
        if y[i] == value:
            return math.exp(x[i])
        if i + 1 < len(x) and min(y[i], y[i + 1]) < value < max(y[i], y[i + 1]):
            return math.exp(x[i] + (x[i + 1] - x[i]) * (value - y[i]) / (y[i + 1] - y[i]))
    return float("nan")


def sorted_curve(rates, values) -> tuple[np.ndarray, np.ndarray]:
    """Rates and values as float64 (N,), sorted by rate; only points with a finite value.

    `DataError` if they do not match, a rate is not finite and above 0, or two points have one rate.
    """
    rates, values = np.asarray(rates, np.float64), np.asarray(values, np.float64)
    if rates.ndim != 1 or rates.shape != values.shape:
        raise DataError(f"a curve has one value per rate, not {values.shape} for {rates.shape}")
    if not (np.isfinite(rates).all() and (rates > 0).all()):
        raise DataError("a curve has finite rates above 0")
    known = np.isfinite(values)
    order = np.argsort(rates[known])
    rates, values = rates[known][order], values[known][order]
    if (np.diff(rates) == 0).any():
        raise DataError("a curve has one point per rate")
    return rates, values
