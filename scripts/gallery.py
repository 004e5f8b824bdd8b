"""Show a few pictures by every method: the gallery, and a preview of it for the report."""

from spic.report.pages.gallery import show_run
from spic.run.job import job

with job(snakemake):
    show_run(snakemake.input, snakemake.params, snakemake.output)
