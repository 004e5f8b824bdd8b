"""Gather the scores of all points into the tables of the run."""

from pathlib import Path

from spic.jobs import job
from spic.report.tables import per_class_table, points_table, read_scores, timing_table, write_csv

with job(snakemake.log[0]):
    run, chunks = snakemake.params.run, snakemake.params.chunks
    folder = Path(snakemake.output.points).parent.parent
    points = [(method, point) for method, values in snakemake.params.points.items() for point in values]
    originals = read_scores([folder / "originals" / chunk / "scores.npz" for chunk in chunks])
    scores = {(m, p): read_scores([folder / m / p / chunk / "scores.npz" for chunk in chunks]) for m, p in points}
    timing = {
        (m, p, stage): [folder / m / p / chunk / f"timing_{stage}.csv" for chunk in chunks]
        for m, p in points
        for stage in ("encode", "decode")
    }
    write_csv(points_table(run, scores, originals), snakemake.output.points)
    write_csv(per_class_table(run, scores, originals), snakemake.output.per_class)
    write_csv(timing_table(run, timing), snakemake.output.timing)
