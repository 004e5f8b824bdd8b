"""Code a chunk by one method at one point of its rate."""

from spic.stages import encode, method_settings
from spic.user_errors import one_line_errors

with one_line_errors(snakemake.log[0]):
    encode(
        snakemake.wildcards.method,
        snakemake.params.value,
        method_settings(snakemake.params.settings),
        snakemake.input.pictures,
        snakemake.input.ssm,
        snakemake.output.coded,
        snakemake.output.timing,
    )
