"""Compare methods at equal rate: the one place that tables, claims, figures and pages ask.

The points of a method form a curve over the rate. It is read between two points, linear over the logarithm of the rate;
nothing is extrapolated. Points of one rate, as tiny images give them, count as their mean.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from spic.metrics.columns import Metric, column, columns_in
from spic.metrics.matching import at_rate, rate_at

ANCHOR = "spic"  # whose rates the others are brought to
BASELINES = ("bpg", "jpeg2000")  # the paper's
SEES = 0.50  # mIoU to ground truth on the originals that a judge must have to be asked
FIGURE2_BPP, FIGURE2_NEAR = 0.166, 1.5  # the paper's rate of figure 2; what lies within this factor is about that rate


class Curve:
    """The points of one method that have a rate and a metric.

    Parameters
    ----------
    table : pandas.DataFrame
        Points: method, bpp (bits per pixel) and columns of metrics.
    method : str
        Whose points; the curve is empty where the table has none.
    metric : str
        Column that has to be finite; the curve is empty where the table lacks it.

    Attributes
    ----------
    method, metric : str
        The two.
    points : pandas.DataFrame
        The rows, lowest rate first.
    """

    def __init__(self, table: pd.DataFrame, method: str, metric: str):
        self.method, self.metric = method, metric
        if metric not in table:
            table = table.iloc[:0].assign(**{metric: np.nan})
        rows = table[table["method"] == method]
        known = np.isfinite(rows[metric].astype(float)) & (rows["bpp"].astype(float) > 0)
        self.points = rows[known].sort_values("bpp")

    def __len__(self) -> int:
        return len(self.points)

    def at(self, rate: float, column: str | None = None) -> float:
        """The metric, or another column of the points, at a rate in bits per pixel; NaN where the curve ends before."""
        return at_rate(*self._averaged(column or self.metric), rate)

    def rate_of(self, value: float) -> float:
        """The lowest rate, in bits per pixel, at which the metric takes a value; NaN where it does so nowhere."""
        return rate_at(*self._averaged(self.metric), value)

    def between(self, rate: float) -> list[tuple[float, str]]:
        """The points around a rate and their shares in `at`, [(share, point)]; [] where two points have one rate."""
        rates = self.points["bpp"].to_numpy(float)
        if not len(rates) or len(set(rates)) < len(rates) or not rates[0] <= rate <= rates[-1]:
            return []
        upper = int(np.searchsorted(rates, rate))
        if rates[upper] == rate:
            return [(1.0, self.points["point"].iloc[upper])]
        share = math.log(rate / rates[upper - 1]) / math.log(rates[upper] / rates[upper - 1])
        names = self.points["point"].iloc[upper - 1 : upper + 1]
        return list(zip((1 - share, share), names, strict=True))

    def _averaged(self, column: str) -> tuple:
        values = self.points.get(column, pd.Series(np.nan, self.points.index)).groupby(self.points["bpp"]).mean()
        return values.index.to_numpy(float), values.to_numpy(float)


class Duel(NamedTuple):
    """A method against another at the same rates.

    Attributes
    ----------
    rates : tuple of float
        Rates of its points inside the other's curve, in bits per pixel.
    margins : tuple of float
        Its value minus the other's at each.
    states : tuple of int
        1 better, -1 not better, 0 where the other's value lies inside its 95 % confidence interval.
    """

    rates: tuple[float, ...] = ()
    margins: tuple[float, ...] = ()
    states: tuple[int, ...] = ()


def compared_metrics(points: pd.DataFrame) -> list[Metric]:
    """The metrics of a table by which methods are compared at equal rate."""
    return [metric for metric in columns_in(points) if metric.compared]


def duel(points: pd.DataFrame, metric: str, other: str, method: str = ANCHOR) -> Duel:
    """Compare two methods at the rates of `method`'s points."""
    theirs = Curve(points, other, metric)
    found = []
    for row in Curve(points, method, metric).points.to_dict("records"):
        value = theirs.at(row["bpp"])
        if not math.isnan(value):
            found.append((row["bpp"], row[metric] - value, state(row, metric, value, other)))
    return Duel(*zip(*found, strict=True))


def state(row: dict, metric: str, value: float, other: str = "") -> int:
    """1 if a point is better than another method's value, -1 if not, 0 if that cannot be told.

    It cannot where the interval of the paired difference to the method `other` holds 0 (`spic.report.margins`) or,
    without such an interval, where the value lies inside the point's own.
    """
    low, high = (row.get(f"over_{other}_{metric}_{end}", math.nan) for end in ("low", "high"))
    if math.isnan(low):
        low, high = (row.get(f"{metric}_{end}", math.nan) - value for end in ("low", "high"))
    if low <= 0 <= high:
        return 0
    return 1 if row[metric] != value and (row[metric] < value) == column(metric).lower_is_better else -1


def speaking_judges(points: pd.DataFrame, judges: pd.DataFrame | None) -> dict[str, str]:
    """Columns of the judges that can see, {column: judge}.

    Those of the table judge.csv with at least `SEES` to ground truth on the originals, or with no ground truth to go
    by. Without that table it is the first judge's.
    """
    if judges is None or not len(judges):
        return {"miou_independent": "judge"} if len(Curve(points, ANCHOR, "miou_independent")) else {}
    means = judges[judges["class"] == "mean"].drop_duplicates("judge")
    columns = ["miou_independent", *(f"miou_judge_{name}" for name in means["judge"][1:])]
    return {
        column: name
        for column, name, seen in zip(columns, means["judge"], means["iou_gt"], strict=True)
        if len(Curve(points, ANCHOR, column)) and not seen < SEES
    }


def winners(points: pd.DataFrame, metric: str) -> list[dict]:
    """The best method at each rate of SPIC's points.

    Returns
    -------
    list of dict
        rate, method (the best), value, second (the best of another family; None if there is none), margin (its value
        minus the second's), sure (the interval of the paired difference does not hold 0, where SPIC is one of the two
        and there is such an interval, see `state`; else the second's value lies outside the best's own; None without
        either). Empty where SPIC has no value.
    """
    curves = {name: Curve(points, name, metric) for name in points["method"].unique()}
    found = []
    for own in Curve(points, ANCHOR, metric).points.to_dict("records"):
        rate = own["bpp"]
        values = {name: curve.at(rate) for name, curve in curves.items()}
        known = [name for name in values if not math.isnan(values[name])]
        best, *rest = sorted(known, key=values.get, reverse=not column(metric).lower_is_better)
        second = next((name for name in rest if family(name) != family(best)), None)
        low, high = (curves[best].at(rate, f"{metric}_{end}") for end in ("low", "high"))
        sure = None if second is None or math.isnan(low + high) else not low <= values[second] <= high
        other = second if best == ANCHOR else best
        if ANCHOR in (best, second) and not math.isnan(own.get(f"over_{other}_{metric}_low", math.nan)):
            sure = state(own, metric, values[other], other) != 0
        found.append(
            {
                "rate": rate,
                "method": best,
                "value": values[best],
                "second": second,
                "margin": values[best] - values[second] if second else math.nan,
                "sure": sure,
            }
        )
    return found


def family(method: str) -> str:
    """SPIC with another coder of the SSM or other weights ("spic_labelmap", "spic_20") is of SPIC's family."""
    return ANCHOR if method.startswith(f"{ANCHOR}_") else method


def distance(bpp, rate):
    """How far rates in bits per pixel lie from a rate: |ln(bpp / rate)|."""
    return np.abs(np.log(bpp / rate))


def is_near(bpp, rate):
    """Whether rates are about the same as a rate: within a factor of 1.5."""
    return distance(bpp, rate) <= math.log(FIGURE2_NEAR)


def nearest(points: pd.DataFrame, rate: float) -> dict[str, dict]:
    """The point of each method whose bpp is nearest to a rate in ratio, {method: row}, in the table's order.

    Points without a rate above 0 do not count; a method that has no other is left out.
    """
    points = points[points["bpp"] > 0]
    return {
        method: rows.iloc[int(np.argmin(distance(rows["bpp"], rate)))].to_dict()
        for method, rows in points.groupby("method", sort=False)
    }


def at_one_rate(points: pd.DataFrame) -> list[dict]:
    """A point of every method, all of about the same rate.

    SPIC's is the one nearest to the 0.166 BPP of figure 2, the others' are the nearest to that. Methods without a point
    within a factor of 1.5 are left out; without SPIC the rate is 0.166 BPP itself.
    """
    anchor = nearest(points, FIGURE2_BPP).get(ANCHOR, {"bpp": FIGURE2_BPP})["bpp"]
    found = list(nearest(points, anchor).values())
    return [row for row in found if is_near(row["bpp"], anchor)] or found[:1]


def equal_rate_pair(table: pd.DataFrame) -> tuple[dict, dict]:
    """Rows of SPIC and BPG to compare on one image: of the pairs in which BPG has no fewer bits the nearest in rate.

    SPIC's points within a factor of 1.5 of the paper's 0.166 BPP come first, then the others. Where BPG always has
    fewer bits it is the pair nearest in rate.

    Parameters
    ----------
    table : pandas.DataFrame
        The rows of the image in the per-picture table: method, point, bpp.
    """
    pairs = table[table["method"] == ANCHOR].merge(table[table["method"] == "bpg"], how="cross", suffixes=("", "_bpg"))
    best = (
        pairs.assign(
            fewer=pairs["bpp_bpg"] < pairs["bpp"],
            far=~is_near(pairs["bpp"], FIGURE2_BPP),
            ratio=distance(pairs["bpp_bpg"], pairs["bpp"]),
        )
        .sort_values(["fewer", "far", "ratio"])
        .iloc[0]
    )
    return tuple(
        {"method": method, "point": best[f"point{end}"], "bpp": float(best[f"bpp{end}"])}
        for method, end in ((ANCHOR, ""), ("bpg", "_bpg"))
    )
