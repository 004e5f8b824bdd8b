"""Write the first page of a run and the page of its tables."""

import json
from pathlib import Path

import pandas as pd

from spic.files import write_bytes
from spic.provenance.records import read_record
from spic.report.pages.overview import Run, overview_html
from spic.report.pages.tablepage import write_table_page
from spic.report.tables import identical_images, read_csv, with_intervals
from spic.run.job import job

HEADINGS = {
    "matched": "Methods at the rates of SPIC's points",
    "points": "Points",
    "bd": "Bjøntegaard deltas",
    "intervals": "95 % intervals",
    "per_class": "IoU by class",
    "recall": "Small objects by class and size",
    "timing": "Seconds a picture",
    "judge": "The judge against ground truth",
}


def made_with(paths) -> dict:
    """Versions and hashes of weights from the records of a few jobs; no dates, so that equal runs give equal pages."""
    versions, weights = {}, {}
    for record in map(read_record, paths):
        versions |= {"spic": record["spic"], **record["versions"]}
        weights |= {name: f"SHA-256 {value}" for name, value in record["params"].get("weights", {}).items()}
    return {"software": versions, **dict(sorted(weights.items()))}


with job(snakemake):
    given, params = snakemake.input, snakemake.params
    tables = {name: read_csv(given[name]) for name in HEADINGS}
    claims, points = read_csv(given.claims), with_intervals(tables["points"], tables["intervals"])
    decided = json.loads(Path(given.resolved).read_text())
    pictures = pd.read_parquet(given.all_pictures, columns=["protocol", "method", "point", "psnr"])
    identical = identical_images(pictures[pictures["protocol"] == params.protocol])
    run = Run(
        points=points[points["protocol"] == params.protocol].reset_index(drop=True),
        claims=claims[claims["protocol"] == params.protocol],
        figures=list(zip(params.captions, given.figures, strict=True)),
        settings={**params.settings, **decided} | ({"PSNR": identical} if identical else {}),
        provenance=made_with(given.records),
        links=[("gallery/index.html", "pictures by every method"), ("tables.html", "all tables")],
    )
    write_bytes(snakemake.output.page, overview_html(run).encode())
    write_table_page(
        snakemake.output.tables,
        f"{params.run}: all tables",
        {heading: tables[name] for name, heading in HEADINGS.items()},
    )
