"""Another workflow uses this one as a module: its config, its prefix, its names of rules. So does a deployed copy."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.workflow

USING = """
configfile: "own.yaml"

module spic:
    snakefile: "{root}/Snakefile"
    config: config["spic"]
    prefix: "sub"

use rule * from spic as spic_*

rule own:
    default_target: True
    input: rules.spic_all.input
    output: "own.txt"
    shell: "echo > {{output}}"
"""
DEPLOYED = """
configfile: "config/config.yaml"

module spic:
    snakefile: "{root}/Snakefile"
    config: config

use rule * from spic
"""
SMALL = {"run": "theirs", "limit": 2, "judge": None, "methods": {"spic": {"coarse_qp": [35]}, "bpg": {"qp": [44]}}}


def snakemake(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def using(folder: Path) -> Path:
    (folder / "Snakefile").write_text(USING.format(root=ROOT))
    (folder / "own.yaml").write_text(yaml.safe_dump({"theirs": "what we do not know", "spic": SMALL}))
    return folder


def test_a_foreign_config_and_a_prefix_are_planned(tmp_path):
    planned = snakemake(using(tmp_path), "--dry-run")
    assert "sub/results/theirs/spic/coarse_qp35/0000/decoded" in planned and "rule spic_decode" in planned
    assert "jpeg2000" not in planned and "spic_look " in planned
    paths = {word.strip(",:;") for word in planned.split() if word.startswith(("results/", "sub/"))}
    assert paths and all(path.startswith("sub/results/theirs/") for path in paths)


@pytest.mark.slow
def test_a_foreign_config_and_a_prefix_are_run(tmp_path):
    snakemake(using(tmp_path))
    results = tmp_path / "sub" / "results" / "theirs"
    assert (tmp_path / "own.txt").exists() and (results / "tables" / "points.csv").exists()
    assert (results / "gallery" / "index.html").exists() and (results / "tables" / "timing.csv").stat().st_size > 100
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["cache"]


@pytest.mark.slow
def test_a_deployed_copy_starts(tmp_path):
    """As snakedeploy makes it: the folder config/ with what its links lead to, and a Snakefile that uses the module."""
    (tmp_path / "config").mkdir()
    for path in (ROOT / "config").iterdir():
        (tmp_path / "config" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow" / "Snakefile").write_text(DEPLOYED.format(root=ROOT))
    planned = snakemake(tmp_path, "--dry-run", "--configfile", "config/smoke.yaml")
    assert "results/smoke/spic/" in planned and "results/demo" not in planned


def test_what_the_catalog_looks_for():
    catalog = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert catalog["software-stack-deployment"]["conda"] is False and catalog["report"] is True
    assert (ROOT / "config" / "README.md").exists()
    assert (ROOT / "config" / "config.yaml").read_bytes() == (ROOT / "config.yaml").read_bytes()
