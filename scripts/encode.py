"""Code a chunk by one method at one point of its rate."""

from spic.benchmark.coding import encode, method_settings
from spic.run.job import job

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
