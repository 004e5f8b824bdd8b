"""Settings that can not work are told in one line before anything runs."""

import shutil
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("dataset=camvid", "camvid needs its folder (dataset_root)"),
        ("split=nonsense", "$.split: 'nonsense' is not one of"),
        ("limit=0", "$.limit: 0 is less than the minimum of 1"),
        ("colour=blue", "'colour' was unexpected"),
        ("torch_threads=0", "$.torch_threads: 0 is less than the minimum of 1"),
        ("keep=nothing", "$.keep: 'nothing' is not one of"),
        ("run=cache", "$.run: 'cache' should not be valid"),
        ("interval_block=0", "$.interval_block: 0 is less than the minimum of 1"),
        ("segmenter_input=native", "segmenter_input 'native': street looks at working"),
    ],
)
def test_wrong_settings_are_refused(empty_run, setting, message):
    done = empty_run("--dry-run", "--config", setting, check=False)
    assert done.returncode != 0
    assert any(line.startswith("config: ") and message in line for line in (done.stdout + done.stderr).splitlines())


@pytest.mark.parametrize(
    ("methods", "message"),
    [("nonsense: {qp: [1]}", "unknown method"), ("bpg: {quality: [1]}", "by 'qp', not 'quality'")],
)
def test_unknown_method_and_parameter_are_refused(empty_run, tmp_path, methods, message):
    (tmp_path / "wrong.yaml").write_text(f"methods: {{{methods}}}")
    done = empty_run("--dry-run", check=False, overlay=tmp_path / "wrong.yaml")
    assert done.returncode != 0 and message in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("protocols: [paper]", "paper"),
        ("classes_of_interest: [car, cat]", "'cat' is none of sky"),
        ("fid_weights: missing.pth", "missing.pth"),
        ("judge_weights: missing", "missing.safetensors"),
    ],
)
def test_settings_of_the_evaluation_are_checked_before_it_starts(empty_run, tmp_path, setting, message):
    (tmp_path / "wrong.yaml").write_text(setting)
    done = empty_run("--dry-run", check=False, overlay=tmp_path / "wrong.yaml")
    assert done.returncode != 0 and message in done.stdout + done.stderr


def test_null_leaves_a_method_out(empty_run, tmp_path):
    (tmp_path / "less.yaml").write_text("methods: {jpeg2000: null, spic: null}")
    done = empty_run("--dry-run", overlay=tmp_path / "less.yaml")
    assert "bpg/qp44" in done.stdout + done.stderr
    assert "jpeg2000/" not in done.stdout + done.stderr and "spic/coarse" not in done.stdout + done.stderr


def test_a_point_that_can_not_be_coded_is_refused(empty_run, tmp_path):
    (tmp_path / "tiny.yaml").write_text("methods: {jpeg2000: {bpp: [0.2, 1.5e-7]}}")
    done = empty_run("--dry-run", overlay=tmp_path / "tiny.yaml", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "config: methods.jpeg2000: bpp must be a number from 0.001 to 24, got 1.5e-07"
    )


def test_every_key_has_a_description_and_a_default():
    schema = yaml.safe_load((ROOT / "config" / "schema.yaml").read_text())
    Draft202012Validator.check_schema(schema)
    for key, entry in schema["properties"].items():
        assert entry.get("description"), key
        assert "default" in entry or key == "methods", key


def test_overlays_fit_the_schema():
    schema = yaml.safe_load((ROOT / "config" / "schema.yaml").read_text())
    base = yaml.safe_load((ROOT / "config.yaml").read_text())
    for overlay in ("smoke", "camvid"):
        values = yaml.safe_load((ROOT / "config" / f"{overlay}.yaml").read_text())
        Draft202012Validator(schema).validate(base | values)


@pytest.mark.skipif(shutil.which("conda") is None, reason="no conda on PATH")
def test_rules_run_in_a_conda_environment(empty_run):
    empty_run("--cores", 2, "--sdm", "conda")
    assert (empty_run.results / "tables" / "points.csv").exists()
