"""Draw all figures that a run's tables hold, as its first protocol has them."""

from spic.report.figures.curves import figure4, iou_per_class, rate_split, recall_by_size, steps_curves
from spic.report.tables import read_csv
from spic.run.job import job

with job(snakemake):
    given = snakemake.input
    stems = {name: snakemake.output[f"{name}_svg"].removesuffix(".svg") for name in snakemake.params.names}
    tables = {name: read_csv(given[name]) for name in ("points", "per_class", "recall", "intervals")}
    points, per_class, recall, intervals = (
        table[table["protocol"] == snakemake.params.protocol] for table in tables.values()
    )
    figure4(points, {"4a": stems["figure4a"], "4b": stems["figure4b"]}, intervals, snakemake.params.frame_rate)
    rate_split(points, stems["rate_split"])
    iou_per_class(points, per_class, stems["iou_per_class"])
    if "recall_by_size" in stems:
        recall_by_size(points, recall, stems["recall_by_size"])
    if "steps" in stems:
        steps_curves(read_csv(snakemake.params.steps), stems["steps"])
