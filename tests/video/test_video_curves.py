"""The script that makes the table of clip methods in docs/video.md from finished runs."""

import csv
import io
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spic.files import write_bytes
from spic.report.tables import with_kbps, write_csv
from spic.strict_json import to_json

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "benchmarks" / "video_curves.py")
PUBLISHED = ROOT / "results" / "published" / "benchmarks" / "video_curves.csv"
POINTS = [  # method, point, bpp, bpp_ssm, miou
    ("bpg", "qp44", 0.1, np.nan, 0.4),
    ("spic_video", "coarse_qp30", 0.05894, 0.0299, 0.79049),
    ("hevc", "qp42", 0.0564, np.nan, 0.62),
]


def make_run(folder, points=POINTS, rate=15, **options):
    """What the script reads of a finished run: the table of points and the records of coding."""
    table = pd.DataFrame(points, columns=["method", "point", "bpp", "bpp_ssm", "miou"])
    table = table.assign(run=folder.name, protocol="corrected", psnr=23.649, miou_gt_espnet=0.5991, flicker=0.786)
    table = pd.concat([table, table.assign(protocol="official", bpp=9.0)])
    write_csv(with_kbps(table, rate), folder / "tables" / "points.csv")
    for method, point, *_ in points:
        settings = {"method_options": {method: options}} if method == "spic_video" and options else {}
        record = {"rule": "encode", "inputs": {}, "outputs": {}, "params": {"settings": settings}}
        write_bytes(folder / method / point / "0000" / "encode.provenance.json", to_json(record).encode())
    return folder


@pytest.fixture(scope="module")
def script():
    return SimpleNamespace(**runpy.run_path(SCRIPT))


@pytest.fixture
def called(script, monkeypatch):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", [SCRIPT, *map(str, arguments)])
        script.main()

    return call


def test_rows_are_as_published(tmp_path, called, capsys):
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b", POINTS[1:2], halve=True, smooth=False, every=1)]
    called(*runs)
    text = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[0] == PUBLISHED.read_text().splitlines()[0]
    assert [(row["method"], row["point"]) for row in rows] == [
        ("spic_video", "coarse QP 30"),
        ("spic_video, halve, no smooth, every 1", "coarse QP 30"),
        ("hevc", "QP 42"),
    ]
    assert list(rows[0].values())[2:] == ["0.059", "116", "0.030", "0.790", "", "0.599", "23.6", "0.79"]
    assert list(rows[2].values())[2:6] == ["0.056", "111", "", "0.620"]
    called(*runs, "-o", tmp_path / "curves.csv")
    assert (tmp_path / "curves.csv").read_bytes() == text.encode() and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda run: (run / "tables" / "points.csv").unlink(), "no finished run"),
        (lambda run: make_run(run, rate=None), "needs frame_rate"),
        (lambda run: make_run(run, POINTS[:1]), "no method that codes clips"),
        (lambda run: (run / "hevc/qp42/0000/encode.provenance.json").unlink(), "no record of hevc qp42"),
    ],
)
def test_what_cannot_be_a_row_is_one_line(damage, line, tmp_path, called):
    run = make_run(tmp_path / "run")
    damage(run)
    with pytest.raises(SystemExit) as stopped:
        called(run, "-o", tmp_path / "curves.csv")
    said = str(stopped.value)
    assert said.startswith(f"video_curves: {run}: ") and line in said and "\n" not in said
    assert not (tmp_path / "curves.csv").exists()
