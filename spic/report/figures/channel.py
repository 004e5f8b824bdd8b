"""Figure of a noisy channel: quality and outage over the SNR at an equal number of channel uses."""

import pandas as pd

from spic.benchmark.channel import LOST
from spic.metrics.columns import column
from spic.report.channel import OUTAGE, budget, capacity_bound, envelope, methods_of, shown_metrics
from spic.report.figures import Figure
from spic.report.figures.curves import RESULT
from spic.report.figures.style import STYLES, frame, line, sheet, styles_of

COLUMNS = 3


def channel_curves(table: pd.DataFrame, points: pd.DataFrame, channel: dict, stem) -> None:
    """Draw one panel per metric and one of the outage; one line per method, the best of its points and codes.

    Parameters
    ----------
    table : pandas.DataFrame
        channel.csv.
    points : pandas.DataFrame
        Rows of points.csv of the same protocol, for the bound.
    channel : dict
        As the config has it.
    stem : path-like
        Of the files, without suffix; SVG and PNG are written.
    """
    cbr, metrics, methods = budget(table, channel["cbr"]), shown_metrics(table), methods_of(table)
    shape = (-(-len(metrics) // COLUMNS), min(COLUMNS, len(metrics)))
    snr_db = sorted(channel["snr_db"])
    lost = table[table["method"] == LOST].iloc[0]
    with sheet(stem, (3.4 * shape[1], 1.4 + 2.8 * shape[0]), 3, shape=shape, panels=len(metrics), sharex=True) as grid:
        for axes, metric in zip(grid.flat, metrics, strict=False):
            for name, style in styles_of(methods).items():
                best = envelope(table, name, metric, cbr)
                line(axes, best.index, best, style)
            if metric != OUTAGE:
                bound = capacity_bound(points, lost[metric], metric, cbr, snr_db, channel["fading"])
                axes.plot(
                    snr_db, bound, color=STYLES["bpg"].color, linestyle="--", linewidth=1, label="BPG at capacity"
                )
                axes.axhline(lost[metric], color="0.6", linestyle=":", linewidth=1, label=LOST)
            axes.set_title("share of images lost" if metric == OUTAGE else column(metric).with_unit)
            frame(axes)
        for axes in grid.flat[: len(metrics)][-shape[1] :]:  # the lowest of each column
            axes.set_xlabel("SNR (Es/N0) in dB")
            axes.tick_params(labelbottom=True)
        fading = {"none": "white noise", "rayleigh": "Rayleigh block fading"}[channel["fading"]]
        title = f"{table['run'].iloc[0]}: {int(table['n'].iloc[0])} images, {fading}, at most {cbr:.4f} channel uses"
        grid.flat[0].figure.suptitle(f"{title} per 3 x height x width", fontsize=10, x=0.02, ha="left")


FIGURES = (Figure("channel", RESULT, "a noisy channel: quality over SNR"),)  # drawn by its own rule
