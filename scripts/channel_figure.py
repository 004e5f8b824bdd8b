"""Draw the figure of a noisy channel and write its page."""

from spic.report.figures.channel import channel_curves
from spic.report.pages.channel import write_channel_page
from spic.report.tables import read_csv
from spic.run.job import job

with job(snakemake):
    given, out, params = snakemake.input, snakemake.output, snakemake.params
    table, points = read_csv(given.table), read_csv(given.points)
    points = points[points["protocol"] == params.protocol]
    channel_curves(table, points, params.channel, out.channel_svg.removesuffix(".svg"))
    write_channel_page(out.page, table, params.channel, out.channel_svg)
