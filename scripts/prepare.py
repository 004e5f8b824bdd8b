"""Bring the pictures and labels of a chunk to working size."""

from spic.benchmark.coding import prepare
from spic.run.job import job

with job(snakemake):
    prepare(snakemake.params.settings, snakemake.wildcards.chunk, snakemake.output.pictures, snakemake.output.labels)
