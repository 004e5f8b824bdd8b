"""Runs of the real workflow in folders of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Run:
    """A working folder for the project's Snakefile, by `snakemake --directory` in the clone."""

    def __init__(self, folder: Path):
        self.folder, self.clone = folder, ROOT
        self.results = folder / "results" / "smoke"

    def command(self, *arguments, overlay=None) -> list[str]:
        overlays = [str(path) for path in ("config/smoke.yaml", overlay) if path]
        settings = ["--directory", str(self.folder), "--configfile", *overlays, "--nocolor"]
        return [sys.executable, "-m", "snakemake", *settings, *map(str, arguments)]

    def __call__(self, *arguments, check=True, overlay=None) -> subprocess.CompletedProcess:
        command = self.command(*arguments, overlay=overlay)
        done = subprocess.run(command, cwd=self.clone, capture_output=True, text=True, timeout=400)
        if check:
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
        return done

    def tables(self) -> dict[str, bytes]:
        """The tables that must be equal from run to run; times are in `timing.csv` and the folder `compressai`."""
        files = [path for path in (self.results / "tables").iterdir() if path.is_file() and path.stem != "timing"]
        return {path.name: path.read_bytes() for path in files if not path.name.endswith(".provenance.json")}

    def figures(self) -> dict[str, bytes]:
        """All figures of the run, SVG and PNG."""
        return {path.name: path.read_bytes() for path in (self.results / "figures").glob("*.*g")}


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Run:
    """The smoke configuration, run once to its end on four cores; without a card with four network jobs at a time."""
    run = Run(tmp_path_factory.mktemp("smoke"))
    run("--cores", 4)
    return run


@pytest.fixture
def empty_run(tmp_path) -> Run:
    """A folder in which nothing has run yet."""
    os.environ.pop("SNAKEMAKE_PROFILE", None)
    return Run(tmp_path)


@pytest.fixture
def spare(smoke, empty_run) -> Run:
    """A copy of the finished smoke run that a test may harm."""
    shutil.copytree(smoke.folder, empty_run.folder, dirs_exist_ok=True)
    return empty_run
