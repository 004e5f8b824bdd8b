"""Segment the originals of a chunk: the SSM that SPIC sends and the reference of mIoU."""

from spic.benchmark.coding import read_resolved, segment
from spic.run.cards import take_card
from spic.run.job import job

with job(snakemake):
    decided = read_resolved(snakemake.input.resolved)
    take_card(decided["device"])
    segment(
        snakemake.input.pictures,
        snakemake.output.ssm,
        snakemake.output.space,
        **snakemake.params.settings,
        **decided,
    )
