"""A codec of another package, installed by entry point, is on the command line and in the tables of a run."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tests" / "data" / "codec_package"

pytestmark = pytest.mark.workflow
OVERLAY = """
limit: 1
methods: {spic: null, upsampled: null, bpg: null, jpeg2000: null, posterize: {step: [64]}}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder into which pip has installed the package."""
    folder = tmp_path_factory.mktemp("plugins")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(folder), str(PACKAGE)], check=True, capture_output=True)
    return folder


@pytest.fixture
def on_path(installed, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")])))


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_example_is_short_and_is_the_one_in_the_docs():
    source = (PACKAGE / "spic_posterize.py").read_text()
    assert len(source.splitlines()) <= 30
    text = (ROOT / "docs" / "extending.md").read_text()
    assert source in text and (PACKAGE / "pyproject.toml").read_text() in text


def test_it_is_in_the_list_of_codecs_and_a_method(on_path):
    listed = python("from spic.cli import app; app(['codec', 'list'])")
    assert ["posterize", "picture", "post", "step"] in [line.split() for line in listed.splitlines()]
    assert "posterize" in python("from spic.methods import method_names; print(method_names())")


def test_its_points_are_in_the_table(on_path, empty_run, tmp_path):
    (tmp_path / "own.yaml").write_text(OVERLAY)
    empty_run("--cores", 1, "results/smoke/tables/points.csv", overlay=tmp_path / "own.yaml")
    points = pd.read_csv(empty_run.results / "tables" / "points.csv")
    assert points[["method", "point", "n"]].to_numpy().tolist() == [["posterize", "step64", 1]]
    (coded,) = (empty_run.results / "posterize" / "step64" / "0000" / "coded").glob("[!.]*")
    assert coded.suffix == ".post" and np.isclose(points["bpp"][0], 8 * coded.stat().st_size / (256 * 512), rtol=1e-5)
    assert points[["miou", "psnr"]].notna().all().all()
