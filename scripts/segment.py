"""Segment the originals of a chunk: the SSM that SPIC sends and the reference of mIoU."""

from spic.stages import read_resolved, segment
from spic.user_errors import one_line_errors

with one_line_errors(snakemake.log[0]):
    decided = read_resolved(snakemake.input.resolved)
    settings = snakemake.params.settings
    segment(
        snakemake.input.pictures,
        snakemake.output[0],
        settings["segmenter"],
        settings["segmenter_weights"],
        decided["device"],
        decided["dtype"],
    )
