"""Draw all figures that a run's tables hold, as its first protocol has them."""

from spic.benchmark.anchors import read_anchor
from spic.report.figures import figures
from spic.report.tables import read_csv
from spic.run.job import job

with job(snakemake):
    params = snakemake.params
    tables = {name: read_csv(snakemake.input[name]) for name in ("points", "per_class", "recall", "intervals")}
    tables = {name: table[table["protocol"] == params.protocol] for name, table in tables.items()}
    tables["anchors"], tables["frame_rate"] = [read_anchor(path) for path in params.anchors], params.frame_rate
    if params.steps:
        tables["steps"] = read_csv(params.steps)
    for name in params.names:
        figures()[name].draw(tables, snakemake.output[f"{name}_svg"].removesuffix(".svg"))
