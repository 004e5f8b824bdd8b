"""Bjøntegaard deltas: two rate curves as one number, computed by the package `bjontegaard`.

Bjøntegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001. The curves are interpolated
over the logarithm of the rate and their distance is averaged over the range that both have. The number depends on
the interpolation, which is therefore part of the result: "akima" is the package authors' advice ("Beyond Bjøntegaard",
ICIP 2022), "pchip" the one of the JCT-VC and JVET test conditions, "cubic" the original.
"""

from typing import NamedTuple

import numpy as np

from spic.errors import ConfigError, DataError
from spic.metrics.matching import sorted_curve

INTERPOLATIONS = {"akima": 2, "pchip": 2, "cubic": 4}  # points that each needs


class Delta(NamedTuple):
    """A Bjøntegaard delta.

    `value` is in % of rate (`bd_rate`) or in the metric's unit (`bd_metric`); `interpolation` is its method; `overlap`
    is the shared range over the range of both curves together, above 0 to 1: a small one rests on little.
    """

    value: float
    interpolation: str
    overlap: float


def bd_rate(
    rates_anchor, values_anchor, rates_test, values_test, *, interpolation: str = "akima", lower_is_better: bool = False
) -> Delta:
    """Rate that the test method needs beyond the anchor's for the same quality, in %; negative where it saves.

    Parameters
    ----------
    rates_anchor, rates_test : sequence of float
        Rates in any unit, above 0; the points in any order, their number need not match.
    values_anchor, values_test : sequence of float
        The metric at these rates. It must rise with the rate at every step (fall, where lower is better).
    interpolation : {"akima", "pchip", "cubic"}
        How the curves run between their points.
    lower_is_better : bool
        True for distances such as FID.

    Returns
    -------
    Delta
        Value in %.

    Raises
    ------
    DataError
        The curves do not overlap in the metric, are not monotone, have too few points, equal rates or values that
        are not finite. Nothing is extrapolated.
    ConfigError
        The interpolation is unknown.
    """
    import bjontegaard  # here, because it loads matplotlib's pyplot

    sign = -1 if lower_is_better else 1
    anchor, test = (_curve(*c, interpolation) for c in ((rates_anchor, values_anchor), (rates_test, values_test)))
    for rates, values in (anchor, test):
        if (np.diff(sign * values) <= 0).any():
            at = rates[1:][np.diff(sign * values) <= 0][0]
            raise DataError(f"no BD-rate: the metric does not improve up to the rate {at:g}; take BD-metric")
    overlap = _overlap(anchor[1], test[1], "metric")
    value = bjontegaard.bd_rate(
        anchor[0],
        sign * anchor[1],
        test[0],
        sign * test[1],
        method=interpolation,
        require_matching_points=False,
        min_overlap=0,
    )
    return Delta(float(value), interpolation, overlap)


def bd_metric(rates_anchor, values_anchor, rates_test, values_test, *, interpolation: str = "akima") -> Delta:
    """Mean difference of the metric, test minus anchor, over the rates that both curves have (BD-PSNR for PSNR).

    Parameters, errors and result as in `bd_rate`, but the metric need not be monotone, the overlap is that of the
    rates, and the value is in the metric's unit.
    """
    import bjontegaard

    anchor, test = (_curve(*c, interpolation) for c in ((rates_anchor, values_anchor), (rates_test, values_test)))
    overlap = _overlap(np.log(anchor[0]), np.log(test[0]), "rate")
    value = bjontegaard.bd_psnr(*anchor, *test, method=interpolation, require_matching_points=False, min_overlap=0)
    return Delta(float(value), interpolation, overlap)


def _curve(rates, values, interpolation: str) -> tuple[np.ndarray, np.ndarray]:
    if interpolation not in INTERPOLATIONS:
        raise ConfigError(f"interpolation {interpolation!r}: known are {', '.join(INTERPOLATIONS)}")
    if not np.isfinite(values).all():
        raise DataError("a curve has finite values and rates above 0")
    rates, values = sorted_curve(rates, values)
    if len(rates) < INTERPOLATIONS[interpolation]:
        raise DataError(f"{interpolation} needs {INTERPOLATIONS[interpolation]} points, the curve has {len(rates)}")
    return rates, values


def _overlap(a: np.ndarray, b: np.ndarray, what: str) -> float:
    shared = min(a.max(), b.max()) - max(a.min(), b.min())
    if shared <= 0:
        raise DataError(f"the curves do not overlap in {what}: nothing to average over")
    return float(shared / (max(a.max(), b.max()) - min(a.min(), b.min())))
