"""Methods over a noisy channel at an equal number of channel uses: what the figure and the page of a channel show."""

import numpy as np
import pandas as pd

from spic.benchmark.channel import LOST
from spic.metrics.columns import columns_in
from spic.report.comparison import ANCHOR, Curve

OUTAGE = "outage"
SHOWN = ("miou", "miou_independent", "miou_gt", "lpips", "psnr")
FAMILIES = ("miou_judge_", "miou_gt_")
_QUANTILES = (np.arange(200) + 0.5) / 200  # of the power of a Rayleigh channel, for averages over it


def shown_metrics(table: pd.DataFrame) -> list[str]:
    """Columns that are shown: mIoU by segmenter and judges, LPIPS and PSNR, as far as they are there; the outage."""
    wanted = [row.name for row in columns_in(table) if row.name in SHOWN or row.name.startswith(FAMILIES)]
    return [name for name in wanted if table[name].notna().any()] + [OUTAGE]


def is_better_low(metric: str) -> bool:
    """Whether lower values are better."""
    return metric == OUTAGE or columns_in([metric])[0].lower_is_better


def methods_of(table: pd.DataFrame) -> list[str]:
    """Methods of channel.csv in its order, without the mean image."""
    return [name for name in table["method"].unique() if name != LOST]


def budget(table: pd.DataFrame, cbr: float | None) -> float:
    """Channel uses per 3 x height x width at which methods are compared.

    None takes those of the first point of SPIC (of the first method without SPIC), with the first code that it has.
    """
    if cbr is not None:
        return cbr
    methods = methods_of(table)
    own = table[table["method"] == (ANCHOR if ANCHOR in methods else methods[0])]
    return float(own["cbr"].iloc[0])


def envelope(table: pd.DataFrame, method: str, metric: str, cbr: float) -> pd.Series:
    """Best value of a method at each SNR with at most `cbr` channel uses, over its points, modulations and code rates.

    Between two points of one code that cost less and more than `cbr`, the value is read on a straight line. NaN where
    the method can not send so little.

    Returns
    -------
    pandas.Series
        Values over the SNR in dB.
    """
    rows = table[(table["method"] == method) & table[metric].notna()]
    best = min if is_better_low(metric) else max
    found = {}
    for (snr_db, _, _), curve in rows.groupby(["snr_db", "modulation", "code_rate"], dropna=False, sort=True):
        curve = curve.groupby("cbr")[metric].mean()
        values = list(curve[curve.index <= cbr * (1 + 1e-9)])
        if len(values) and curve.index.max() > cbr:
            values.append(float(np.interp(cbr, curve.index, curve)))
        if values:
            found[snr_db] = best([*values, *([found[snr_db]] if snr_db in found else [])])
    return pd.Series(found, dtype=float).sort_index()


def capacity_bound(points: pd.DataFrame, lost: float, metric: str, cbr: float, snr_db, fading: str) -> np.ndarray:
    """What BPG would reach with an ideal code that loses nothing at the rate of the channel's capacity.

    With fading the sender knows each gain, and the value is averaged over them. Outside its points BPG has the value of
    the best of them, or that of the mean image, `lost`.

    Parameters
    ----------
    points : pandas.DataFrame
        Rows of points.csv of one protocol.
    lost : float
        Value of the mean image.
    snr_db : sequence of float
        Es/N0.

    Returns
    -------
    numpy.ndarray
        float64 (SNRs,); NaN without points of BPG.
    """
    curve = Curve(points, "bpg", metric)
    if not len(curve):
        return np.full(len(snr_db), np.nan)
    rates = curve.points["bpp"].to_numpy(float)
    power = -np.log1p(-_QUANTILES) if fading == "rayleigh" else np.ones(1)

    def value(bpp: float) -> float:
        return lost if bpp < rates[0] else curve.at(min(bpp, rates[-1]))

    bits = np.log2(1 + 10 ** (np.asarray(snr_db, float)[:, None] / 10) * power)  # of one complex channel use
    return np.array([np.mean([value(3 * cbr * one) for one in row]) for row in bits])
