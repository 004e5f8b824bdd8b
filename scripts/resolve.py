"""Decide once per run what "auto" means for device and dtype."""

from spic.benchmark.coding import resolve
from spic.run.job import job

with job(snakemake):
    resolve(snakemake.params.settings, snakemake.output[0])
