"""Put a noisy channel around every point of a run, from what was decoded and scored already."""

from spic.benchmark.channel import Files, Reading, channel_table
from spic.benchmark.coding import method_settings
from spic.benchmark.protocols import get_protocol
from spic.report.tables import write_csv
from spic.run.job import job

with job(snakemake):
    params = snakemake.params
    points = [Files(**{**point, "settings": method_settings(point["settings"])}) for point in params.points]
    reading = Reading(get_protocol(params.protocol), block=params.block)
    identity = {"run": params.run, "protocol": params.protocol}
    table = channel_table(identity, points, snakemake.input.lost, params.channel, reading)
    write_csv(table, snakemake.output.table)
