"""Names and places that Snakemake or a shell could trip over: braces, spaces, apostrophes, dots, letters of others."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spic.pictures.reading import write_png
from spic.report.tables import read_csv

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).resolve().parents[2]
PROJECT = ["Snakefile", "config.yaml", "config", "rules", "scripts", "report", "profiles", "envs"]
NAMES = ["a", "a.left", "-a", "it's {run} $x$ ü", "007"]


@pytest.fixture
def overlay(tmp_path, tiny_segmenter, tiny_decoder) -> Path:
    """Settings of a run whose images, weights and steps lie in folders with such names."""
    folder = tmp_path / "it's {chunk} ü"
    rng = np.random.default_rng(0)
    for name in NAMES:
        coarse = rng.integers(0, 256, (8, 16, 3), np.uint8)
        write_png(folder / "images" / f"{name}.png", coarse.repeat(32, 0).repeat(32, 1))
    weights = {"segmenter_weights": tiny_segmenter, "decoder_weights": tiny_decoder}
    for key, source in weights.items():
        for suffix in (".safetensors", ".json"):
            (folder / key).mkdir(exist_ok=True)
            shutil.copy(source.with_name(source.name + suffix), folder / key)
        weights[key] = str(folder / key / source.name)
    (folder / "steps.csv").write_bytes((ROOT / "results" / "published" / "steps.csv").read_bytes())
    settings = {
        **{"run": "007", "dataset": "folder", "dataset_root": str(folder / "images"), "limit": None, "chunk_size": 3},
        **{
            "judge": None,
            "keep": "scores",
            "gallery": {"pictures": "all"},
            "figure_pictures": ["it's {run} $x$ ü", "-a"],
        },
        **{"steps_csv": str(folder / "steps.csv"), "methods": {"jpeg2000": None}, **weights},
    }
    (tmp_path / "overlay.yaml").write_text(json.dumps(settings))
    return tmp_path / "overlay.yaml"


def test_braces_in_paths_and_names_are_no_wildcards(empty_run, overlay):
    done = empty_run("--dry-run", overlay=overlay)
    assert re.search(r"^look +6$", done.stdout + done.stderr, re.M)  # 3 methods, 2 chunks


def test_a_missing_file_in_a_folder_with_braces_is_named(empty_run, overlay):
    settings = json.loads(overlay.read_text()) | {"lpips_weights": "/none/{chunk}/file"}
    overlay.write_text(json.dumps(settings))
    done = empty_run("--dry-run", check=False, overlay=overlay)
    lines = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 1 and "config: lpips_weights: /none/{chunk}/file: no such file" in lines


def copy_project(folder: Path) -> Path:
    for name in PROJECT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        folder.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, folder / name)
    return folder


def snakemake(project: Path, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--nocolor", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=600)


def test_a_project_in_a_folder_with_braces_is_refused(tmp_path):
    project = copy_project(tmp_path / "{dir}")
    done = snakemake(project, "--dry-run", "--configfile", "config/smoke.yaml")
    said = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 1 and any(line.startswith(f"{project}: Snakemake takes braces") for line in said)


@pytest.mark.slow
def test_a_whole_run_with_the_worst_names(overlay, tmp_path):
    project, results = copy_project(tmp_path / "it's My ü"), tmp_path / "the {point} s"
    results.mkdir()
    places = ["--snakefile", project / "Snakefile", "--directory", results]
    done = snakemake(project, "--cores", 2, *places, "--configfile", project / "config" / "smoke.yaml", overlay)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    run = results / "results" / "007"
    assert set(read_csv(run / "tables" / "points.csv")["run"]) == {"007"}
    pictures = pd.read_parquet(run / "tables" / "pictures.parquet")
    assert [list(rows["name"]) for _, rows in pictures.groupby("method")] == [sorted(NAMES)] * 3
    gallery = re.search(r"const pictures = (.*);\n", (run / "gallery" / "index.html").read_text())[1]
    assert [entry["name"] for entry in json.loads(gallery)] == sorted(NAMES)
    assert "it's {run} $x$ ü" in (run / "figures" / "figure3.svg").read_text() and (run / "report.html").exists()
    assert sorted(path.stem for path in run.glob("bpg/*/*/shown/*.png")) == sorted(NAMES)
