"""Join the chunks of one point and make its numbers, as one protocol reads them."""

from spic.benchmark.protocols import get_protocol
from spic.benchmark.scores import read_features, read_scores
from spic.benchmark.summary import summarize, write_replicates, write_summary
from spic.run.job import job

with job(snakemake):
    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    identity = {
        "run": params.run,
        "protocol": wildcards.protocol,
        "method": params.method,
        "point": wildcards.point,
        "ssm_source": params.ssm_source,
    }
    summary = summarize(
        identity,
        read_scores(given.scores),
        read_features(given.looks),
        read_features(given.originals),
        get_protocol(wildcards.protocol),
        params.settings["classes_of_interest"] or (),
        params.settings["interval_block"],
    )
    write_summary(summary, snakemake.output.summary, snakemake.output.pictures)
    write_replicates(summary["replicates"], snakemake.output.replicates)
