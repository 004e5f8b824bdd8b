"""Page of a noisy channel: the figure, and its numbers."""

import base64
from pathlib import Path

import pandas as pd

from spic.files import write_bytes
from spic.metrics.columns import column
from spic.report.channel import OUTAGE, budget, envelope, is_better_low, methods_of, shown_metrics
from spic.report.figures.style import label_of
from spic.report.pages import render


def write_channel_page(out, table: pd.DataFrame, channel: dict, figure) -> None:
    """Write the page.

    Parameters
    ----------
    out : path-like
        HTML file to write.
    table : pandas.DataFrame
        channel.csv.
    channel : dict
        As the config has it.
    figure : path-like
        SVG file of `channel_curves`.
    """
    cbr, methods = budget(table, channel["cbr"]), methods_of(table)
    sheets = []
    for metric in shown_metrics(table):
        lines = {name: envelope(table, name, metric, cbr) for name in methods}
        snr_db = sorted(set().union(*(line.index for line in lines.values())))
        best = min if is_better_low(metric) else max
        rows = []
        for name, line in lines.items():
            cells = []
            for snr in snr_db:
                value = line.get(snr)
                top = value is not None and value == best(other[snr] for other in lines.values() if snr in other)
                cells.append(("" if value is None else _form(metric).format(value), top))
            rows.append((label_of(name), cells))
        title = "share of images lost" if metric == OUTAGE else column(metric).with_unit
        sheets.append({"title": title, "snr_db": [f"{snr:g}" for snr in snr_db], "rows": rows})
    values = {"title": f"{table['run'].iloc[0]}: a noisy channel", "channel": channel, "cbr": f"{cbr:.5f}"}
    picture = base64.b64encode(Path(figure).read_bytes()).decode()
    write_bytes(out, render("channel.html.j2", **values, sheets=sheets, figure=picture).encode())


def _form(metric: str) -> str:
    return "{:.3f}" if metric == OUTAGE else f"{{:.{column(metric).digits}f}}"
