"""Decide once a run what "auto" means for device and dtype."""

from spic.jobs import job
from spic.stages import resolve

with job(snakemake):
    resolve(snakemake.params.settings, snakemake.output[0])
