"""Write the first page of a run and the page of its tables."""

from spic.report.pages.overview import write_overview
from spic.run.job import job

with job(snakemake):
    write_overview(snakemake.input, snakemake.params, snakemake.output)
