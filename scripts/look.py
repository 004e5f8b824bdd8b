"""Let the networks look at the pictures of a chunk, reconstructions or originals."""

from spic.benchmark.coding import read_resolved
from spic.benchmark.observations import Maps, look, plan_looks
from spic.run.cards import take_card
from spic.run.job import job

with job(snakemake):
    given = snakemake.input
    decided = read_resolved(given.resolved)
    take_card(decided["device"])
    originals = given.get("originals")
    maps = Maps(given.ssm, given.space, given.labels, snakemake.params.truth_space) if originals else None
    looks = plan_looks(**snakemake.params.settings, **decided, paired=originals is not None)
    look(
        given.pictures,
        snakemake.output[0],
        looks,
        originals=originals,
        maps=maps,
        limit=snakemake.params.get("limit"),
        cache=snakemake.params.cache,
    )
