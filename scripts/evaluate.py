"""Score a chunk of reconstructions, or the originals themselves."""

from spic.jobs import job
from spic.stages import evaluate, read_resolved

with job(snakemake.log[0]):
    decided = read_resolved(snakemake.input.resolved)
    evaluate(
        snakemake.input.pictures,
        snakemake.input.labels,
        snakemake.input.ssm,
        snakemake.output[0],
        **snakemake.params.settings,
        **decided,
        decoded=snakemake.input.get("decoded"),
        coded=snakemake.input.get("coded"),
    )
