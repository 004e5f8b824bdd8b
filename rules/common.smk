# Names, chunks and points: everything that turns config into paths.
import os
import re
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))
# Scripts run in processes of their own, perhaps in a conda environment without the package: they find it here.
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
)

from functools import cache

from snakemake.io import contains_wildcard

from spic.benchmark import coding as stages
from spic.benchmark.checks import check_device, check_run
from spic.run.slurm import use_srun_wrapper
from spic.benchmark.config import read_config
from spic.errors import SpicError
from spic.run.cards import network_jobs
from spic.run.host import plain_executable
from spic.benchmark.methods import get_method
from spic.metrics.columns import observations
from spic.benchmark.protocols import get_protocol

if set("{}") & set(str(ROOT)):
    raise WorkflowError(
        f"{ROOT}: Snakemake takes braces in the project's path for wildcards; move the project"
    )

use_srun_wrapper(ROOT / "profiles/slurm/bin")

# Else Snakemake only tells something, or jobs run on a cluster, which hands out its own cards.
ON_THIS_MACHINE = (
    workflow.is_main_process
    and workflow.resource_settings.cores
    and workflow.resource_settings.nodes is None
)
try:
    sys.executable = plain_executable()  # which Snakemake writes into command lines
except SpicError as error:
    sys.exit(f"spic: {error}")
given = workflow.config_settings
try:
    # In place of what Snakemake has put together: see spic/benchmark/config.py.
    config.clear()
    config.update(
        read_config(
            ROOT,
            given.configfiles,
            given.config_args or [],
            replace=given.replace_workflow_config,
        )
    )
    # Jobs that Snakemake starts for itself, on a cluster, read this file again: there the points are known to be good.
    check_run(config, points=workflow.is_main_process)
    if ON_THIS_MACHINE:
        check_device(config)
    PROTOCOLS = {name: get_protocol(name) for name in config["protocols"]}
    SEGMENTER_WEIGHTS, JUDGE_WEIGHTS = (
        stages.segmenter_files(config[kind], config[f"{kind}_weights"])
        for kind in ("segmenter", "judge")
    )
    # Sizes at which the segmenter looks: for the SSM that is sent, and where a protocol evaluates otherwise.
    config["segmenter_input"] = stages.segmenter_input(config)
    INPUTS = {
        name: stages.segmenter_input(config, one) for name, one in PROTOCOLS.items()
    }
    # Weights of what metrics record, of both and of reconstructions alone.
    ORIGINALS_OBSERVED, OBSERVED = (
        [
            str(path)
            for one in observations().values()
            if paired or not one.paired
            for path in one.find_weights(config) or []
        ]
        for paired in (False, True)
    )
    CHUNKS = stages.chunk_names(config)
    TRUTH_SPACE = stages.open_dataset(config).label_space.name
    SENT = {name: stages.sent_ssm(config, one) for name, one in PROTOCOLS.items()}
except SpicError as error:
    sys.exit(
        f"config: {error}"
    )  # one line, where Snakemake would add where it was raised

if ON_THIS_MACHINE and "gpu" not in workflow.global_resources:
    cores = workflow.resource_settings.cores
    workflow.register_resource("gpu", network_jobs(config["device"], cores))

SENT_FOLDER = {"segmenter": "ssm", "ground_truth": "labels"}
RUN = f"results/{config['run']}"
CACHE = "results/cache"  # looks by content, shared by all runs; may be deleted
ENV = "../envs/spic.yaml"
# Networks other than the decoder share the GPU too, unless the run is told to stay on the CPU.
GPU = 0 if config["device"] == "cpu" else 1
POINTS = {
    method: stages.method_points(settings)
    for method, settings in config["methods"].items()
}
POINT_NAMES = {point for points in POINTS.values() for point in points}
PARTS = {
    name: stages.protocol_chunks(config, CHUNKS, one) for name, one in PROTOCOLS.items()
}


def segmenter_look(protocol):
    """Name of the segmenter's look that a protocol evaluates."""
    size = INPUTS[protocol]
    return "segmenter" if size == config["segmenter_input"] else f"segmenter_{size}"


OTHER_LOOKS = {
    segmenter_look(name): size
    for name, size in INPUTS.items()
    if size != config["segmenter_input"]
}


@cache
def method_under(method, protocol):
    """A method as the protocol of that name sees it."""
    return get_method(method, stages.method_settings({**config, "protocol": protocol}))


# Folders of what methods make, "spic" or "spic@official": shared wherever two protocols do the same.
FOLDERS = {
    (method, name): stages.coder_folder(method_under(method, name), method)
    for method in POINTS
    for name in PROTOCOLS
}
CODERS = {
    folder: (method, name if "@" in folder else "corrected")
    for (method, name), folder in FOLDERS.items()
}


wildcard_constraints:
    coder="|".join(map(re.escape, CODERS)),
    point="|".join(map(re.escape, sorted(POINT_NAMES))),
    protocol="|".join(PROTOCOLS),
    chunk=r"\d+",


def settings(*keys):
    """The settings that a job depends on; only a change of these runs it again."""
    return {key: config[key] for key in keys}


def coding_of(folder, *keys):
    """The settings of coding in a folder, with its protocol and the weights of its method's decoder."""
    method, protocol = CODERS[folder]
    decoder = method_under(method, protocol).decoder
    options = config["method_options"].get(method)
    return {
        **settings(*keys, *filter(None, [decoder])),
        **({"method_options": {method: options}} if options else {}),
        "protocol": protocol,
    }


def coding(*keys):
    """The same as a parameter of a method's job."""
    return lambda wildcards: coding_of(wildcards.coder, *keys)


def limit_of(folder, chunk):
    """How many pictures of a chunk are coded: all, unless the folder is that of a protocol that stops early."""
    return PARTS[CODERS[folder][1]][chunk] if "@" in folder else None


def limit(wildcards):
    return limit_of(wildcards.coder, wildcards.chunk)


def given(paths):
    """Files of the user as a job's inputs; their content counts (`weights`), not their date.

    Snakemake takes braces in an input for a wildcard and has no way to escape them: such a file is no input, only looked
    for here.
    """
    braced = [path for path in paths if contains_wildcard(path)]
    for path in braced:
        if not Path(path).is_file():
            raise WorkflowError(f"config: {path}: no such file")
    return ancient([path for path in paths if path not in braced])


def decoder_weights(wildcards):
    """The decoder's weights, for the methods that have a decoder."""
    return given(stages.decoder_files(method_under(*CODERS[wildcards.coder]), config))


def sends(folder):
    """Whose label maps are sent, "segmenter" or "ground_truth"; None for methods that send none."""
    method, protocol = CODERS[folder]
    # A folder without a protocol's name is that of `corrected`, which need not be among the run's.
    source = SENT.get(protocol, "segmenter")
    return source if method_under(method, protocol).needs_ssm else None


def sent_maps(wildcards):
    """The label maps that are sent."""
    source = sends(wildcards.coder)
    return f"{RUN}/originals/{wildcards.chunk}/{SENT_FOLDER[source]}" if source else []


def ssm_source(wildcards):
    """Where the SSM of a point came from, for the tables; empty for methods that send none."""
    method = method_under(CODERS[wildcards.coder][0], wildcards.protocol)
    return SENT[wildcards.protocol] if method.needs_ssm else ""


def counted_files(wildcards):
    """The files whose bytes are the rate."""
    protocol = PROTOCOLS[wildcards.protocol]
    method = CODERS[wildcards.coder][0]
    official = (
        protocol.counted != "coded"
        and method_under(method, wildcards.protocol).counts_officially
    )
    return f"{RUN}/{wildcards.coder}/{wildcards.point}/{wildcards.chunk}/" + (
        protocol.counted if official else "coded"
    )


def of_points(name):
    """A file of every protocol, method and point, in the order of the tables."""
    return [
        f"{RUN}/{FOLDERS[method, protocol]}/{point}/{name.format(protocol=protocol)}"
        for protocol in PROTOCOLS
        for method in POINTS
        for point in POINTS[method]
    ]


def of_chunks(name):
    """A file of every chunk of a point that a protocol looks at."""

    def paths(wildcards):
        folder = f"{RUN}/{wildcards.coder}/{wildcards.point}"
        chunks = PARTS[wildcards.protocol]
        return [
            f"{folder}/{chunk}/{name.format(protocol=wildcards.protocol)}"
            for chunk in chunks
        ]

    return paths


def of_originals(name):
    """A file of every chunk of originals."""
    return expand(f"{RUN}/originals/{{chunk}}/{name}", chunk=CHUNKS)


def timings():
    """Timing files, {(protocol, method, point, stage): one file a chunk}."""
    return {
        (protocol, method, point, stage): [
            f"{RUN}/{folder}/{point}/{chunk}/timing_{stage}.csv"
            for chunk in PARTS[protocol]
        ]
        for (method, protocol), folder in FOLDERS.items()
        for point in POINTS[method]
        for stage in ("encode", "decode")
    }


TABLES = ["points", "per_class", "recall", "intervals", "judge", "timing"]


def targets():
    """What a run makes: tables, figures, pictures and a first page (the report follows by itself)."""
    tables = [f"{RUN}/tables/{name}.csv" for name in [*TABLES, "matched", "bd"]]
    tables += [
        f"{RUN}/tables/{name}"
        for name in ("pictures.parquet", "claims.csv", "claims.md")
    ]
    return (
        tables
        + compressai_files()
        + [f"{RUN}/gallery", f"{RUN}/overview.html"]
        + expand(
            f"{RUN}/figures/{{name}}.{{suffix}}", name=FIGURES, suffix=["svg", "png"]
        )
    )


def compressai_files():
    """Result files for CompressAI's tools, one a protocol and method."""
    return expand(
        f"{RUN}/tables/compressai/{{protocol}}/{{method}}.json",
        protocol=PROTOCOLS,
        method=POINTS,
    )
