"""Rebuild the pictures of a chunk from their coded files."""

from spic.benchmark.coding import decode, method_settings
from spic.run.host import own_machine
from spic.run.job import job

with job(snakemake):
    machine = own_machine(snakemake.input.resolved)
    decode(
        snakemake.params.method,
        method_settings(snakemake.params.settings, machine),
        snakemake.input.coded,
        snakemake.output.decoded,
        snakemake.output.timing,
    )
