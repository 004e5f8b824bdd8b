"""Gather the summaries of all points into the tables of the run."""

from spic.benchmark.scores import read_scores
from spic.report.tables import (
    join_pictures,
    judge_table,
    read_summaries,
    timing_table,
    with_kbps,
    with_originals,
    write_csv,
)
from spic.run.job import job

with job(snakemake):
    given, out, run = snakemake.input, snakemake.output, snakemake.params.run
    originals = read_scores(given.originals)
    tables = read_summaries(given.summaries)
    tables["points"] = with_kbps(tables["points"], snakemake.params.frame_rate)
    tables["per_class"] = with_originals(run, tables["per_class"], originals)
    tables["judge"] = judge_table(run, snakemake.params.judge, originals, snakemake.params.judges)
    tables["timing"] = timing_table(run, dict(snakemake.params.timing))
    for name, table in tables.items():
        write_csv(table, out[name])
    join_pictures(given.pictures, out.all_pictures)
