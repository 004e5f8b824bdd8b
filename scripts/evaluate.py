"""Score a chunk of reconstructions, or the originals themselves."""

from spic.stages import evaluate, read_resolved
from spic.user_errors import one_line_errors

with one_line_errors(snakemake.log[0]):
    decided = read_resolved(snakemake.input.resolved)
    evaluate(
        snakemake.input.pictures,
        snakemake.input.labels,
        snakemake.input.ssm,
        snakemake.output[0],
        **snakemake.params.settings,
        device=decided["device"],
        dtype=decided["dtype"],
        decoded=snakemake.input.get("decoded"),
        coded=snakemake.input.get("coded"),
    )
