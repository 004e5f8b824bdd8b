"""Write the files whose bytes protocol `official` counts."""

from spic.jobs import job
from spic.stages import count, method_settings

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
