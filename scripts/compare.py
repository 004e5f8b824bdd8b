"""Compare the methods: matched rates, Bjøntegaard deltas, the paper's claims, files for CompressAI's tools."""

from spic.report.compare import compare_run
from spic.run.job import job

with job(snakemake):
    compare_run(snakemake.input, snakemake.params, snakemake.output)
