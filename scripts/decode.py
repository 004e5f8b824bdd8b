"""Rebuild the pictures of a chunk from their coded files."""

from spic.benchmark.coding import decode, method_settings, read_resolved
from spic.run.cards import take_card
from spic.run.job import job

with job(snakemake):
    decided = read_resolved(snakemake.input.resolved)
    take_card(decided["device"])
    decode(
        snakemake.params.method,
        method_settings(snakemake.params.settings | decided),
        snakemake.input.coded,
        snakemake.output.decoded,
        snakemake.output.timing,
    )
