"""The first page of a run: who wins at which rate, by how much, how sure; the claims; how it was measured.

The page stands by itself and is also what Snakemake's report opens with, so it has neither scripts nor files beside it.
Methods are compared as `spic.report.comparison` does it.
"""

import base64
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from spic.files import write_bytes
from spic.metrics.columns import Metric, columns_in
from spic.provenance.records import read_record
from spic.report.comparison import ANCHOR, BASELINES, Curve, Duel, duel, family, winners
from spic.report.figures.style import label_of
from spic.report.margins import with_margins
from spic.report.pages import render
from spic.report.tables import identical_images, read_csv, with_intervals

HEADINGS = {
    "matched": "Methods at the rates of SPIC's points",
    "points": "Points",
    "margins": "SPIC against the baselines at equal rate, with paired intervals",
    "bd": "Bjøntegaard deltas",
    "intervals": "95 % intervals",
    "per_class": "IoU by class",
    "recall": "Small objects by class and size",
    "timing": "Seconds per image",
    "judge": "The judges: ground truth, and what they make of the SSMs",
}
PROTOCOLS = {
    "corrected": "The very files that are decoded are counted, the SSM comes from the segmenter unless the settings "
    "say otherwise, classes that do not occur are left out of the mean.",
    "official": "As the paper's authors' scripts do it: other files are counted than are decoded, the SSM is ground "
    "truth, 62 pictures, guidance 1.5.",
    "official_unguided": "As the paper's authors' scripts do it, without guidance.",
}


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


def write_overview(given, params, out) -> None:
    """Write the first page of a run and the page of its tables.

    Parameters
    ----------
    given, params, out : object
        Inputs, parameters and outputs of the rule `overview`, as attributes.
    """
    tables = {name: read_csv(getattr(given, name)) for name in HEADINGS}
    points = with_margins(with_intervals(tables["points"], tables["intervals"]), tables["margins"])
    claims = read_csv(given.claims)
    pictures = pd.read_parquet(given.all_pictures, columns=["protocol", "method", "point", "psnr"])
    identical = identical_images(pictures[pictures["protocol"] == params.protocol])
    run = Run(
        points=points[points["protocol"] == params.protocol].reset_index(drop=True),
        claims=claims[claims["protocol"] == params.protocol],
        figures=list(zip(params.captions, given.figures, strict=True)),
        settings=params.settings
        | json.loads(Path(given.resolved).read_text())
        | ({"PSNR": identical} if identical else {}),
        provenance=_made_with(given.records),
        links=[("gallery/index.html", "pictures by every method"), ("tables.html", "all tables")],
    )
    write_bytes(out.page, overview_html(run).encode())
    write_table_page(out.tables, f"{params.run}: all tables", {HEADINGS[name]: tables[name] for name in tables})


def _made_with(paths) -> dict:
    """Versions and hashes of weights from the records of a few jobs; no dates, so that equal runs give equal pages."""
    versions, weights = {}, {}
    for record in map(read_record, paths):
        versions |= {"spic": record["spic"], **record["versions"]}
        weights |= {name: f"SHA-256 {value}" for name, value in record["params"].get("weights", {}).items()}
    return {"software": versions, **dict(sorted(weights.items()))}


def shown_metrics(points: pd.DataFrame) -> list[Metric]:
    """The metrics of a table that the first page compares, in its order."""
    return sorted(
        (metric for metric in columns_in(points) if metric.compared and metric.place is not None),
        key=lambda metric: metric.place,
    )


def overview_html(run: Run) -> str:
    """The page, HTML without `<html>`, `<head>` and `<body>`, which may be left out."""
    points, first = run.points, run.points.iloc[0]
    metrics = [one for one in shown_metrics(points) if len(Curve(points, ANCHOR, one.name))]
    others = [name for name in points["method"].unique() if name != ANCHOR]
    others.sort(key=lambda name: name not in BASELINES)
    duels = {one.name: {other: duel(points, one.name, other) for other in others} for one in metrics}
    won = {one.name: {row["rate"]: row for row in winners(points, one.name)} for one in metrics}
    compared = any(found.rates for row in duels.values() for found in row.values())
    named = [name for name in others if name in BASELINES] or others
    clauses = {one: [_clause(duels[one.name][other], one, other) for other in named] for one in metrics}
    return render(
        "overview.html.j2",
        title=f"{first['run']}: {int(first['n'])} pictures, protocol {first['protocol']}",
        name=first["run"],
        run=run,
        metrics=metrics,
        others=others,
        duels=duels,
        won=won,
        kbps=dict(zip(points["bpp"], points["kbps"], strict=True)) if "kbps" in points else {},
        rates=sorted({rate for rows in won.values() for rate in rows}) if compared else [],
        headline=[(one.label, list(filter(None, found))) for one, found in clauses.items() if any(found)],
        settings={f"protocol {first['protocol']}": PROTOCOLS.get(first["protocol"], ""), **run.settings},
        figures=[(caption, base64.b64encode(Path(path).read_bytes()).decode()) for caption, path in run.figures],
        label=label_of,
        family=family,
        span=_span,
        text=_text,
    )


def _clause(found: Duel, metric: Metric, other: str) -> str:
    """ "SPIC beats BPG at all 5 rates, by 0.18 to 0.23" """
    if not found.rates:
        return ""
    count, name = len(found.rates), label_of(other)
    where = f"at all {count} rates" if count > 1 else f"at {found.rates[0]:.3f} bpp"
    won, lost = found.states.count(1), found.states.count(-1)
    if count in (won, lost):
        better, worse = ("SPIC", name) if won else (name, "SPIC")
        return f"{better} beats {worse} {where}, by {_span([abs(margin) for margin in found.margins], metric.form)}"
    if not won and not lost:
        return f"SPIC and {name} cannot be distinguished {where}"
    tally = [(won, "SPIC wins"), (lost, f"{name} wins"), (count - won - lost, "too close to tell")]
    told = ", ".join(
        f"{number} {what}" if what.startswith("too") else f"{what} {number}" for number, what in tally if number
    )
    return f"against {name}, of {count} rates: {told} ({_span(found.margins, metric.signed_form)})"


def _span(margins, form: str) -> str:
    number, _, unit = form.partition(" ")
    low, high = number.format(min(margins)), number.format(max(margins))
    return (low if low == high else f"{low} to {high}").replace("-", "−") + f" {unit}".rstrip()


def _text(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)


def write_table_page(path, title: str, tables: dict[str, pd.DataFrame]) -> None:
    """Write `tables`, {heading: table}, as one HTML page; a table without rows is left out.

    Columns that say the same in every row are left out and named above the table. Numbers have 4 digits.
    """
    shown = [_table(heading, table) for heading, table in tables.items() if len(table)]
    write_bytes(path, render("tables.html.j2", title=title, tables=shown).encode())


def _table(heading: str, table: pd.DataFrame) -> dict:
    same = [name for name in table if len(table) > 1 and table[name].nunique(dropna=False) == 1]
    notes = [f"{name}: {_cell(table[name].iloc[0])}" for name in same if _cell(table[name].iloc[0]) is not None]
    columns = [name for name in table if name not in same]
    rows = [[_cell(value) for value in row] for row in table[columns].itertuples(index=False)]
    return {"heading": heading, "note": ", ".join(notes), "columns": columns, "rows": rows}


def _cell(value):
    """A value as JSON has it; None for what is missing, "inf" or "-inf" for what is infinite."""
    if value is None or value != value:
        return None
    if isinstance(value, str):
        return value
    if math.isinf(value):
        return str(float(value))
    return int(value) if float(value).is_integer() else float(f"{float(value):.4g}")
