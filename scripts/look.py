"""Let the networks look at the pictures of a chunk, reconstructions or originals."""

from spic.gpus import take_card
from spic.jobs import job
from spic.looks import look, plan_looks
from spic.stages import read_resolved

with job(snakemake):
    decided = read_resolved(snakemake.input.resolved)
    take_card(decided["device"])
    originals = snakemake.input.get("originals")
    looks = plan_looks(**snakemake.params.settings, **decided, paired=originals is not None)
    look(
        snakemake.input.pictures,
        snakemake.output[0],
        looks,
        originals=originals,
        limit=snakemake.params.get("limit"),
        cache=snakemake.params.cache,
    )
