"""Rebuild the pictures of a chunk from their coded files."""

from spic.jobs import job
from spic.stages import decode, method_settings, read_resolved

with job(snakemake.log[0]):
    decided = read_resolved(snakemake.input.resolved)
    decode(
        snakemake.params.method,
        method_settings(snakemake.params.settings | decided),
        snakemake.input.coded,
        snakemake.output.decoded,
        snakemake.output.timing,
    )
