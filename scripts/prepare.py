"""Bring the pictures and labels of a chunk to working size."""

from spic.stages import prepare
from spic.user_errors import one_line_errors

with one_line_errors(snakemake.log[0]):
    prepare(
        snakemake.params.settings, snakemake.wildcards.chunk, snakemake.output.pictures, snakemake.output.labels
    )
