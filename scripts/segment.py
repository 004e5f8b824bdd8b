"""Segment the originals of a chunk: the SSM that SPIC sends and the reference of mIoU."""

from spic.gpus import take_card
from spic.jobs import job
from spic.stages import read_resolved, segment

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
