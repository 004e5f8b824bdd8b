"""profiles/slurm as Snakemake reads it; needs no Slurm."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SLURM = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
TEXT = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
RULES = set(re.findall(r"^ *(?:use rule \w+ as|rule) (\w+)(?: with)?:", TEXT, re.M))


def settings(monkeypatch, *arguments) -> dict:
    """What Snakemake makes of its command line and the profiles it reads, in the project's folder."""
    from snakemake.cli import parse_args

    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    _, parsed = parse_args(arguments)
    return {key: value for key, value in vars(parsed).items() if key not in ("profile", "workflow_profile")}


def plain(value):
    """A setting that can be compared; Snakemake's resources have no equality."""
    if hasattr(value, "items"):
        return {key: plain(one) for key, one in value.items()}
    return re.sub(" at 0x[0-9a-f]+", "", repr(getattr(value, "raw", None) or value))


def test_both_ways_to_name_the_profile_give_the_same_settings(monkeypatch):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    as_workflow = settings(monkeypatch, "--workflow-profile", "profiles/slurm")
    as_profile = settings(monkeypatch, "--profile", "profiles/slurm")
    assert as_profile["executor"] == "slurm"
    assert not {key for key in as_workflow if plain(as_workflow[key]) != plain(as_profile[key])}
    # A limit of cards that a user gives is no limit of the whole cluster.
    assert SLURM["set-resource-scopes"] == {"gpu": "local"}


def test_every_rule_has_memory_and_time_that_grow(monkeypatch):
    for rule in RULES:
        resources = SLURM["set-resources"].get(rule, {})
        assert "attempt" in resources.get("mem_mb", ""), f"profiles/slurm: mem_mb of rule {rule}"
        assert "attempt" in resources.get("runtime", ""), f"profiles/slurm: runtime of rule {rule}"
    assert set(SLURM["set-resources"]) | set(SLURM["groups"]) <= RULES
    assert SLURM["retries"] >= 1


def test_account_and_partition_are_one_option_away(monkeypatch):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    plainly = settings(monkeypatch, "--profile", "profiles/slurm")
    mine = ["slurm_account=lab", "slurm_partition=long"]
    chosen = settings(monkeypatch, "--profile", "profiles/slurm", "--default-resources", *mine)
    assert {key for key in plainly if plain(plainly[key]) != plain(chosen[key])} == {"default_resources"}


def test_the_partitions_are_beside_the_profile():
    pytest.importorskip("snakemake_executor_plugin_slurm")
    from snakemake_executor_plugin_slurm.partitions import read_partition_file

    partitions = {
        one.name: one.limits for one in read_partition_file(ROOT / "profiles/slurm" / SLURM["slurm-partition-config"])
    }
    assert partitions["gpu"].max_gpu and not partitions["cpu"].max_gpu


@pytest.mark.parametrize("times", [1, 2])  # the folder is put on PATH by the workflow and again in its jobs
def test_srun_gets_its_configuration_back(tmp_path, times):
    real = tmp_path / "srun"
    real.write_text('#!/bin/sh\necho "$SLURM_CONF" "$@"\n')
    real.chmod(0o755)
    path = os.pathsep.join([str(ROOT / "profiles" / "slurm" / "bin")] * times + [str(tmp_path), os.environ["PATH"]])
    env = {"PATH": path, "SPIC_SLURM_CONF": "/there/slurm.conf"}
    done = subprocess.run(["srun", "-n1", "a b"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "/there/slurm.conf -n1 a b\n"
