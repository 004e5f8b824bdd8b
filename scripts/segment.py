"""Segment the originals of a chunk: the SSM that SPIC sends and the reference of mIoU."""

from spic.benchmark.coding import segment
from spic.run.host import own_machine
from spic.run.job import job

with job(snakemake):
    machine = own_machine(snakemake.input.resolved)
    segment(
        snakemake.input.pictures,
        snakemake.output.ssm,
        snakemake.output.space,
        **snakemake.params.settings,
        machine=machine,
    )
