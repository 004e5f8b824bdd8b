"""Anchors: what ships is complete, and what is wrong in a file is one line."""

import json
import subprocess
from pathlib import Path

import pytest

from spic.benchmark.anchors import FOLDER, read_anchor
from spic.benchmark.config import read_config
from spic.benchmark.plan import Plan
from spic.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / FOLDER).glob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_what_ships_says_where_it_is_from(path):
    anchor = read_anchor(path)
    assert "arXiv" in anchor["source"] and anchor["warning"] and len(anchor["warning"]) < 60


def test_names_and_paths_of_a_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = Plan(read_config(ROOT, settings=["anchors=[cod-pixel-kodak512, mine.json]"]), clone=ROOT)
    assert plan.anchors == [str(ROOT / FOLDER / "cod-pixel-kodak512.json"), "mine.json"]
    assert plan.files("figures") == plan.anchors
    assert read_config(ROOT)["anchors"] == []


GOOD = {"name": "a", "description": "b", "source": "c", "protocol": "d", "warning": None}
GOOD |= {"results": {"bpp": [0.1, 0.2], "miou": [0.5, 0.6]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": ""}, "needs 'source', a text"),
        ({"warning": 3}, "needs 'warning', a text or null"),
        ({"results": {"miou": [1]}}, "needs 'results' with the rates 'bpp'"),
        ({"results": {"bpp": [0.1], "miou": [0.5, 0.6]}}, "miou: expected a list as long as bpp"),
        ({"results": {"bpp": [0.1], "miou": [float("nan")]}}, "miou: expected finite numbers"),
        ({"results": {"bpp": [0]}}, "bpp: expected rates above 0"),
    ],
)
def test_what_is_wrong_is_one_line(changes, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(GOOD))
    assert read_anchor(path) == GOOD
    path.write_text(json.dumps(GOOD | changes))
    with pytest.raises(DataError, match=rf"^{path}: {message}"):
        read_anchor(path)
    path.write_text("[")
    with pytest.raises(DataError, match="not JSON"):
        read_anchor(path)
    with pytest.raises(DataError, match="no such file"):
        read_anchor(tmp_path / "none.json")


def test_make_clean_spares_what_is_published(tmp_path):
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    for name in ("published", "demo", "cache"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "file").write_text("")
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["published"]
    assert (tmp_path / "results" / "published" / "file").exists()
