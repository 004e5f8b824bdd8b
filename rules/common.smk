# Names, chunks and points: everything that turns config into paths.
import os
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))
# Scripts run in processes of their own, perhaps in a conda environment without the package: they find it here.
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
)

from spic.errors import SpicError
from spic.stages import chunk_names, check_config, method_points, weights_file

# Overlays add to config.yaml; a method that is null is left out.
config["methods"] = {
    method: points for method, points in config["methods"].items() if points
}
try:
    check_config(config)
    CHUNKS = chunk_names(config)
except SpicError as error:
    raise WorkflowError(f"config: {error}")

RUN = f"results/{config['run']}"
ENV = "../envs/spic.yaml"
# Networks other than the decoder share the GPU too, unless the run is told to stay on the CPU.
GPU = 0 if config["device"] == "cpu" else 1
POINTS = {
    method: method_points(settings) for method, settings in config["methods"].items()
}
SEGMENTER_WEIGHTS = weights_file(
    config["segmenter_weights"], f"{config['segmenter']}-segmenter"
)
DECODER_WEIGHTS = weights_file(config["decoder_weights"], "street-decoder")


wildcard_constraints:
    method="|".join(POINTS),
    point=r"[a-z_]+[0-9.]+",
    chunk=r"\d+",


def settings(*keys):
    """The settings that a job depends on; only a change of these runs it again."""
    return {key: config[key] for key in keys}


def of_points(name):
    """A file of every method, point and chunk."""
    return [
        f"{RUN}/{method}/{point}/{chunk}/{name}"
        for method in POINTS
        for point in POINTS[method]
        for chunk in CHUNKS
    ]


def of_originals(name):
    """A file of every chunk of originals."""
    return expand(f"{RUN}/originals/{{chunk}}/{name}", chunk=CHUNKS)


def targets():
    """What a run makes: its tables and figures."""
    tables = expand(
        f"{RUN}/tables/{{name}}.csv", name=["points", "per_class", "timing"]
    )
    return tables + expand(
        f"{RUN}/figures/figure{{name}}.{{suffix}}",
        name=["4a", "4b"],
        suffix=["svg", "png"],
    )
