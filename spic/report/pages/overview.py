"""The first page of a run: who wins at which rate, by how much, how sure; the claims; how it was measured.

The page stands by itself and is also what Snakemake's report opens with, so it has neither scripts nor files beside it.
Nothing is extrapolated: methods are compared where their curves have the rate.
"""

import base64
import math
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from spic.metrics.columns import Metric, column, columns_in
from spic.metrics.matching import at_rate
from spic.report.claims import BASELINES
from spic.report.figures.style import styles_of
from spic.report.tables import ANCHOR

STYLE = Path(__file__).with_name("overview.css")
PROTOCOLS = {
    "corrected": "The very files that are decoded are counted, the SSM comes from the segmenter unless the settings "
    "say otherwise, classes that do not occur are left out of the mean.",
    "official": "As the paper's authors' scripts do it: other files are counted than are decoded, the SSM is ground "
    "truth, 62 pictures, guidance 1.5.",
    "official_unguided": "As the paper's authors' scripts do it, without guidance.",
}


@dataclass(frozen=True)
class Duel:
    """SPIC, or any method, against another at the same rates.

    Attributes
    ----------
    rates : tuple of float
        Rates of its points inside the other's curve, bits a pixel.
    margins : tuple of float
        Its value minus the other's at each.
    states : tuple of int
        1 better, -1 worse, 0 where the other's value lies inside its 95 % confidence interval.
    """

    rates: tuple[float, ...]
    margins: tuple[float, ...]
    states: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """What the page tells about.

    Attributes
    ----------
    points : pandas.DataFrame
        Points of one protocol, with the columns `<metric>_low` and `<metric>_high` of `with_intervals`.
    claims : pandas.DataFrame
        The judged claims of that protocol.
    figures : list of (str, str)
        Caption and path of each SVG file to show.
    settings : dict of str to str
        How it was measured.
    provenance : dict
        What it was made with; may be empty.
    links : list of (str, str)
        Address relative to the page, and text.
    """

    points: pd.DataFrame
    claims: pd.DataFrame
    figures: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    links: list = field(default_factory=list)


def duel(points: pd.DataFrame, metric: str, other: str, method: str = ANCHOR) -> Duel:
    """Compare two methods at the rates of `method`'s points, as the claims are judged."""
    ours, theirs = _curve(points, method, metric), _curve(points, other, metric)
    found = []
    for row in ours.to_dict("records"):
        value = _read(theirs, metric, row["bpp"])
        if math.isnan(value):
            continue
        low, high = (row.get(f"{metric}_{end}", math.nan) for end in ("low", "high"))
        margin = row[metric] - value
        better = (margin < 0) == column(metric).lower_is_better and margin != 0
        found.append((row["bpp"], margin, 0 if low <= value <= high else 1 if better else -1))
    return Duel(*(tuple(column) for column in zip(*found, strict=True))) if found else Duel((), (), ())


def winners(points: pd.DataFrame, metric: str) -> list[dict]:
    """The best method at each rate of SPIC's points.

    Returns
    -------
    list of dict
        rate, method (the best), value, second (the best of another kind, where SPIC with another coder of the SSM is
        of SPIC's kind; None if there is none), margin (its value minus the second's), sure (the second's value lies
        outside the best's confidence interval; None without one). Empty where SPIC has no value.
    """
    curves = {name: _curve(points, name, metric) for name in points["method"].unique()}
    family = {name: ANCHOR if name.startswith(f"{ANCHOR}_") else name for name in curves}
    sign = -1 if column(metric).lower_is_better else 1
    found = []
    for rate in _curve(points, ANCHOR, metric)["bpp"]:
        values = {name: _read(curve, metric, rate) for name, curve in curves.items()}
        order = sorted((name for name in values if not math.isnan(values[name])), key=lambda name: -sign * values[name])
        best = order[0]
        second = next((name for name in order if family[name] != family[best]), None)
        ends = [_read(curves[best], f"{metric}_{end}", rate) for end in ("low", "high")]
        sure = None if second is None or any(map(math.isnan, ends)) else not ends[0] <= values[second] <= ends[1]
        margin = values[best] - values[second] if second else math.nan
        found.append(
            {"rate": rate, "method": best, "value": values[best], "second": second, "margin": margin, "sure": sure}
        )
    return found


def shown_metrics(points: pd.DataFrame) -> list[Metric]:
    """The metrics of a table that the first page compares, in its order."""
    shown = [metric for metric in columns_in(points) if metric.compared and metric.place is not None]
    return sorted(shown, key=lambda metric: metric.place)


def overview_html(run: Run) -> str:
    """The page, HTML without `<html>` and `<body>`, which may be left out."""
    points = run.points
    first = points.iloc[0]
    title = f"{first['run']}: {int(first['n'])} pictures, protocol {first['protocol']}"
    metrics = [one.name for one in shown_metrics(points) if _curve(points, ANCHOR, one.name)[one.name].notna().any()]
    parts = [f"<h1>{escape(title)}</h1>", _links(run.links)]
    if any(duel(points, metric, other).rates for metric in metrics for other in _others(points)):
        parts += [_headline(points, metrics), _winner_table(points, metrics), _duel_table(points, metrics)]
    else:
        parts.append("<p>No rate of SPIC's points lies between two points of another method: nothing compares.</p>")
    parts += [_figures(run.figures), _claims(run.claims), _settings(first["protocol"], run.settings)]
    parts.append(_provenance(first["run"], run.provenance))
    style = STYLE.read_text(encoding="utf-8")
    head = f'<!doctype html>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n<style>\n{style}</style>\n'
    return head + '<div class="overview">\n' + "\n".join(filter(None, parts)) + "\n</div>\n"


def _headline(points, metrics) -> str:
    """One sentence a metric: SPIC against the paper's baselines, or against whatever there is."""
    others = [name for name in _others(points) if name in BASELINES] or _others(points)
    lines = []
    for metric in metrics:
        clauses = filter(None, (_clause(duel(points, metric, other), metric, other) for other in others))
        if text := "; ".join(clauses):
            lines.append(f"<li><b>{escape(column(metric).label)}</b>: {text}.</li>")
    return f"<ul class='headline'>{''.join(lines)}</ul>" if lines else ""


def _clause(found: Duel, metric: str, other: str) -> str:
    """ "SPIC beats BPG at all 5 rates, by 0.18 to 0.23" """
    if not found.rates:
        return ""
    count, name = len(found.rates), escape(_name(other))
    where = f"at all {count} rates" if count > 1 else f"at {found.rates[0]:.3f} bpp"
    by = ", by " + _span([abs(margin) for margin in found.margins], column(metric).form)
    won, lost = found.states.count(1), found.states.count(-1)
    if won == count:
        return f"SPIC beats {name} {where}{by}"
    if lost == count:
        return f"{name} beats SPIC {where}{by}"
    if not won and not lost:
        return f"SPIC and {name} cannot be told apart {where}"
    tally = [(won, "SPIC wins"), (lost, f"{name} wins"), (count - won - lost, "too close to tell")]
    told = ", ".join(
        f"{number} {what}" if what.startswith("too") else f"{what} {number}" for number, what in tally if number
    )
    return f"against {name}, of {count} rates: {told} ({_span(found.margins, column(metric).signed_form)})"


def _winner_table(points, metrics) -> str:
    rows = {metric: winners(points, metric) for metric in metrics}
    rates = sorted({row["rate"] for found in rows.values() for row in found})
    body = []
    for rate in rates:
        cells = [next((row for row in rows[metric] if row["rate"] == rate), None) for metric in metrics]
        cells = [_winner(row, metric) for row, metric in zip(cells, metrics, strict=True)]
        body.append(f"<tr><th>{rate:.3f} bpp</th>{''.join(cells)}</tr>")
    return (
        "<h2>Who wins at which rate</h2>"
        "<p>The best of all methods at the rates of SPIC's points, and its margin over the best of another kind. ✓: "
        "that one lies outside the winner's 95 % interval. ≈: inside, so it may be chance. Values between a method's "
        "points are read off its curve.</p>"
        + _table(["rate", *(column(metric).label for metric in metrics)], body, "winners")
    )


def _winner(row, metric) -> str:
    if row is None:
        return "<td></td>"
    mark = {True: "&nbsp;✓", False: "&nbsp;≈", None: ""}[row["sure"]]
    kind = "close" if row["sure"] is False else "spic" if row["method"].startswith(ANCHOR) else "other"
    if row["second"] is None:
        return f"<td class='none'>{escape(_name(row['method']))}<br><small>no other kind there</small></td>"
    margin = column(metric).signed_form.format(row["margin"]).replace("-", "−")
    margin += f" over {escape(_name(row['second']))}"
    return f"<td class='{kind}'><b>{escape(_name(row['method']))}</b>{mark}<br><small>{margin}</small></td>"


def _duel_table(points, metrics) -> str:
    head = ["", *(f"against {_name(other)}" for other in _others(points))]
    body = []
    for metric in metrics:
        cells = "".join(_verdict(duel(points, metric, other), metric) for other in _others(points))
        body.append(f"<tr><th>{escape(column(metric).label)}</th>{cells}</tr>")
    lower = [column(metric).label for metric in metrics if column(metric).lower_is_better]
    note = f" Less is better for {escape(' and '.join(lower))}." if lower else ""
    return (
        "<h2>By how much, and how sure</h2>"
        "<p>SPIC's value minus the other's at equal rate, lowest to highest over SPIC's points. ▲ SPIC is better, ▼ "
        f"worse, ≈ the other lies inside SPIC's 95 % interval; the numbers count rates.{note}</p>" + _table(head, body)
    )


def _verdict(found: Duel, metric: str) -> str:
    if not found.rates:
        return "<td class='none'>no rate in common</td>"
    counts = {mark: found.states.count(state) for state, mark in ((1, "▲"), (0, "≈"), (-1, "▼"))}
    marks = " ".join(f"{mark}&nbsp;{count}" for mark, count in counts.items() if count)
    one_way = {1: "spic", -1: "other"}.get(found.states[0], "close") if len(set(found.states)) == 1 else "close"
    return f"<td class='{one_way}'>{_span(found.margins, column(metric).signed_form)}<br><small>{marks}</small></td>"


def _span(margins, form: str) -> str:
    number, _, unit = form.partition(" ")
    low, high = number.format(min(margins)), number.format(max(margins))
    return (low if low == high else f"{low} to {high}").replace("-", "−") + f" {unit}".rstrip()


def _claims(claims: pd.DataFrame) -> str:
    if not len(claims):
        return ""
    marks = {"holds": ("✓", "spic"), "does not hold": ("✗", "other")}
    rows = []
    for row in claims.itertuples():
        mark, kind = marks.get(row.verdict, ("?", "close"))
        verdict = f"<td class='{kind}'><b>{mark}&nbsp;{escape(row.verdict)}</b></td>"
        rows.append(f"<tr><th>{row.claim}</th><td>{escape(row.text)}</td>{verdict}<td>{escape(row.numbers)}</td></tr>")
    return "<h2>The paper's nine claims on these pictures</h2>" + _table(
        ["", "claim", "here", "numbers"], rows, "claims"
    )


def _table(head: list[str], rows: list[str], kind: str = "") -> str:
    cells = "".join(f"<th>{escape(text)}</th>" for text in head)
    body = "".join(rows)
    return f"<div class='wide'><table class='{kind}'><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"


def _figures(figures) -> str:
    shown = []
    for caption, path in figures:
        data = base64.b64encode(Path(path).read_bytes()).decode()
        image = f'<img alt="{escape(caption)}" src="data:image/svg+xml;base64,{data}">'
        shown.append(f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>")
    return f"<div class='figures'>{''.join(shown)}</div>" if shown else ""


def _settings(protocol: str, settings: dict) -> str:
    rows = {f"protocol {protocol}": PROTOCOLS.get(protocol, ""), **settings}
    return "<h2>How it was measured</h2>" + _pairs(rows)


def _provenance(run: str, provenance: dict) -> str:
    if not provenance:
        return ""
    more = f"<p><code>spic provenance results/{escape(run)}</code> tells it for every point.</p>"
    return f"<h2>What it was made with</h2>{_pairs(provenance)}{more}"


def _pairs(rows: dict) -> str:
    cells = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{escape(_text(value))}</td></tr>" for name, value in rows.items()
    )
    return f"<table class='pairs'>{cells}</table>"


def _text(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)


def _links(links) -> str:
    shown = " · ".join(f'<a href="{escape(address)}" target="_blank">{escape(text)}</a>' for address, text in links)
    return f"<p class='links'>{shown}</p>" if shown else ""


def _others(points) -> list[str]:
    """All methods but SPIC, the paper's baselines first."""
    return sorted(
        (name for name in points["method"].unique() if name != ANCHOR), key=lambda name: name not in BASELINES
    )


def _name(method: str) -> str:
    return styles_of([method])[method].label


def _curve(points: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    rows = points[points["method"] == method]
    return rows[np.isfinite(rows[metric]) & (rows["bpp"] > 0)].sort_values("bpp")


def _read(curve: pd.DataFrame, column: str, rate: float) -> float:
    """A value read off a curve; points of one rate, as tiny pictures give them, become their mean."""
    if column not in curve or not len(curve):
        return math.nan
    values = curve[column].groupby(curve["bpp"]).mean()
    return at_rate(values.index.to_numpy(float), values.to_numpy(float), rate)
