"""Let the networks look at the pictures of a chunk, reconstructions or originals."""

from spic.benchmark.observations import Maps, look, plan_looks
from spic.run.host import own_machine
from spic.run.job import job

with job(snakemake):
    given = snakemake.input
    machine = own_machine(given.resolved)
    originals = given.get("originals")
    maps = Maps(given.ssm, given.space, given.labels, snakemake.params.truth_space) if originals else None
    looks = plan_looks(**snakemake.params.settings, machine=machine, paired=originals is not None)
    look(
        given.pictures,
        snakemake.output[0],
        looks,
        originals=originals,
        maps=maps,
        limit=snakemake.params.get("limit"),
        cache=snakemake.params.cache,
    )
