"""Bring the pictures and labels of a chunk to working size."""

from spic.jobs import job
from spic.stages import prepare

with job(snakemake):
    prepare(snakemake.params.settings, snakemake.wildcards.chunk, snakemake.output.pictures, snakemake.output.labels)
