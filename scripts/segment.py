"""Segment the originals of a chunk: the SSM that SPIC sends and the reference of mIoU."""

from spic.jobs import job
from spic.stages import read_resolved, segment

with job(snakemake.log[0]):
    decided = read_resolved(snakemake.input.resolved)
    segment(
        snakemake.input.pictures,
        snakemake.output.ssm,
        snakemake.output.space,
        **snakemake.params.settings,
        **decided,
    )
