"""Code a chunk by one method at one point of its rate."""

from spic.jobs import job
from spic.stages import encode, method_settings

with job(snakemake):
    encode(
        snakemake.params.method,
        snakemake.params.value,
        method_settings(snakemake.params.settings),
        snakemake.input.pictures,
        snakemake.input.ssm,
        snakemake.output.coded,
        snakemake.output.timing,
        snakemake.params.limit,
    )
