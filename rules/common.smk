# The config, checked, and the plan of the run, which knows all names, folders and fingerprints.
import os
import re
import sys
from pathlib import Path

# The clone. Of a module from a hosted repository Snakemake keeps only copies of the files that were asked for.
RULES = workflow.current_basedir
ROOT = (
    Path(RULES.get_path_or_uri(secret_free=False))
    if RULES.is_local
    else Path(workflow.source_path("../config/schema.yaml")).parent
).parent
# Whether another workflow uses this one: its `config:` is then all there is, as a `configfile` would be.
MODULE = not workflow.modifier.is_main_snakefile()
sys.path.insert(0, str(ROOT))
# Scripts run in processes of their own, perhaps in a conda environment without the package: they find it here.
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
)

from snakemake.io import contains_wildcard

from spic.benchmark.checks import check_device, check_run
from spic.benchmark.config import read_config
from spic.benchmark.layout import TABLES
from spic.benchmark.plan import Plan
from spic.errors import SpicError
from spic.report.figures import figures, plots
from spic.run.host import network_jobs, plain_executable
from spic.run.slurm import use_srun_wrapper

if set("{}") & set(str(ROOT)):
    raise WorkflowError(
        f"{ROOT}: Snakemake takes braces in the project's path for wildcards; move the project"
    )

use_srun_wrapper(ROOT / "profiles/slurm/bin")

# Else Snakemake only prints something, or jobs run on a cluster, which hands out its own cards.
ON_THIS_MACHINE = (
    workflow.is_main_process
    and workflow.resource_settings.cores
    and workflow.resource_settings.nodes is None
)
try:
    sys.executable = plain_executable()  # which Snakemake writes into command lines
except SpicError as error:
    sys.exit(f"spic: {error}")
settings = workflow.config_settings
try:
    # In place of what Snakemake has put together: see spic/benchmark/config.py.
    complete = (
        read_config(ROOT, [dict(config)], replace=True)
        if MODULE
        else read_config(
            ROOT,
            settings.configfiles,
            settings.config_args or [],
            replace=settings.replace_workflow_config,
        )
    )
    config.clear()
    config.update(complete)
    plan = Plan(config, hashes="results/cache/hashes", clone=ROOT)
    # Jobs that Snakemake starts for itself, on a cluster, read this file again: there the points are known to be good.
    check_run(plan, points=workflow.is_main_process)
    if ON_THIS_MACHINE:
        check_device(config)
except SpicError as error:
    sys.exit(
        f"config: {error}"
    )  # one line, where Snakemake would add where it was raised

if ON_THIS_MACHINE and "gpu" not in workflow.global_resources:
    cores = workflow.resource_settings.cores
    workflow.register_resource("gpu", network_jobs(config["device"], cores))

RUN = plan.root
CACHE = "results/cache"  # observations by content, shared by all runs; may be deleted
ENV = "../envs/spic.yaml"
# Networks other than the decoder share the GPU too, unless the run stays on the CPU.
GPU = 0 if config["device"] == "cpu" else 1
TRUTH_SPACE = plan.dataset.label_space.name


wildcard_constraints:
    coder="|".join(map(re.escape, plan.coders)),
    point="|".join(
        map(re.escape, sorted({point for _, _, point, _ in plan.each_point()}))
    ),
    protocol="|".join(plan.protocols),
    chunk=r"\d+",


def placed(path):
    """A path of the plan as a job's parameter: where a module has a `prefix`, it stands before it."""
    return workflow.modifier.modify_path(path)


def given(paths):
    """Files of the user as a job's inputs; their content counts (`weights`), not their date.

    Snakemake takes braces in an input for a wildcard and has no way to escape them: such a file is no input. That all
    files are there has been checked (`spic.benchmark.checks`).
    """
    return ancient([path for path in paths if not contains_wildcard(path)])


def decoder_weights(wildcards):
    """The decoder's weights, for the methods that have a decoder."""
    return given(plan.decoder_files(plan.coder_method(wildcards.coder)))


PLOTS = plots(config)  # names of the figures that are drawn from tables


def figure_files(names):
    """SVG and PNG of figures, {name_suffix: path}; the report takes plots as SVG, pictures as PNG."""
    files = {}
    for name in names:
        figure, caption = figures()[name], f"report/{name}.rst"
        for suffix in ("svg", "png"):
            path = f"{RUN}/figures/{name}.{suffix}"
            if suffix == ("png" if name in plan.painted else "svg"):
                path = report(
                    path,
                    category=figure.category,
                    caption=f"../{caption}" if (ROOT / caption).is_file() else None,
                    labels={"what": figure.what},
                )
            files[f"{name}_{suffix}"] = path
    return files
