"""Write the files whose bytes protocol `official` counts."""

from spic.benchmark.coding import count, method_settings
from spic.run.job import job

with job(snakemake):
    count(
        snakemake.params.method,
        snakemake.params.value,
        method_settings(snakemake.params.settings),
        snakemake.input.pictures,
        snakemake.input.ssm,
        snakemake.output[0],
        snakemake.params.limit,
    )
