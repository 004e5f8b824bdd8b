"""Score the pictures of a chunk, reconstructions or the originals themselves, from what the networks saw."""

from spic.benchmark.coding import method_settings
from spic.benchmark.observations import Maps
from spic.benchmark.scores import score
from spic.run.job import job

with job(snakemake):
    given, params = snakemake.input, snakemake.params
    score(
        Maps(given.ssm, given.space, given.labels, params.truth_space, given.original_looks),
        snakemake.output[0],
        looks=given.get("looks"),
        counted=given.get("counted"),
        method=params.get("method"),
        settings=method_settings(params.get("settings", {})),
        segmenter_look=params.get("segmenter_look", "segmenter"),
    )
