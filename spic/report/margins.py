"""Margins: SPIC against the paper's baselines at equal rate, with the interval of the paired difference.

The images of both methods are the same, so their difference is known far better than either value: its interval comes
from the differences on the same drawn images (`spic.metrics.intervals.Replicates`).
"""

import math
from itertools import product

import pandas as pd

from spic.metrics.intervals import UNKNOWN, Interval, Replicates
from spic.report.comparison import ANCHOR, BASELINES, Curve, compared_metrics, family

COLUMNS = "run protocol method point bpp against metric value other difference low high".split()


def margins_table(points: pd.DataFrame, replicates: dict[tuple, dict[str, Replicates]]) -> pd.DataFrame:
    """One row per point of SPIC and its kin, baseline and metric, where the baseline's curve reaches the point's rate.

    Parameters
    ----------
    points : pandas.DataFrame
        The table `points.csv`.
    replicates : dict
        {(protocol, method, point): {metric: Replicates}}.

    Returns
    -------
    pandas.DataFrame
        `difference` is `value` minus `other`, the baseline's curve at that rate; `low` and `high` are the ends of its
        95 % interval, NaN where none can be told.
    """
    rows = []
    for (run, protocol), group in points.groupby(["run", "protocol"], sort=False):
        ours = [row for row in group.to_dict("records") if family(row["method"]) == ANCHOR and row["bpp"] > 0]
        curves = [Curve(group, other, metric.name) for other in BASELINES for metric in compared_metrics(points)]
        for curve, row in product(curves, ours):
            value, other = row[curve.metric], curve.at(row["bpp"])
            if not math.isnan(value - other):  # both are there, and not both infinite
                around = [(share, (protocol, curve.method, point)) for share, point in curve.between(row["bpp"])]
                ours_at = (protocol, row["method"], row["point"])
                low, high = _paired_interval(replicates, curve.metric, ours_at, around)
                place = [run, protocol, row["method"], row["point"], row["bpp"], curve.method, curve.metric]
                rows.append([*place, value, other, value - other, low, high])
    return pd.DataFrame(rows, columns=COLUMNS)


def _paired_interval(replicates: dict, metric: str, own: tuple, around: list[tuple[float, tuple]]) -> Interval:
    """Interval of the difference between a point and those around its rate, (share, point); NaN if one lacks it."""
    first, *others = (replicates.get(point, {}).get(metric) for point in (own, *(point for _, point in around)))
    if first is None or not others or None in others:
        return UNKNOWN
    return first.less([(share, one) for (share, _), one in zip(around, others, strict=True)]).interval()


def with_margins(points: pd.DataFrame, margins: pd.DataFrame) -> pd.DataFrame:
    """Points with the columns `over_<baseline>_<metric>_low` and `_high`, which a comparison at equal rate reads."""
    keys = ["protocol", "method", "point"]
    table = points.set_index(keys)
    for (baseline, metric), rows in margins.groupby(["against", "metric"], sort=False):
        found = rows.set_index(keys)
        for end in ("low", "high"):
            table[f"over_{baseline}_{metric}_{end}"] = found[end]
    return table.reset_index()
