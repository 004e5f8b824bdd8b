"""Figures from tables: what they show, and that they are the same files each time."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import spic.report.figures as package
from spic.benchmark.anchors import FOLDER, read_anchor
from spic.benchmark.summary import point_columns
from spic.metrics.objects import SIZE_NAMES
from spic.pictures.reading import read_picture
from spic.report.figures import figures, plots
from spic.report.figures import style as figures_style
from spic.report.figures.curves import (
    iou_per_class,
    rate_curves,
    rate_split,
    recall_by_size,
    steps_curves,
)
from spic.report.figures.style import STYLES, point_label, styles_of
from spic.report.tables import INTERVAL_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("spic", "bpg", "mine")


@pytest.fixture
def points():
    rows = [
        {
            "run": "r",
            "protocol": "corrected",
            "method": method,
            "point": f"coarse_qp{i}",
            "n": 3,
            "bpp": 0.1 * i,
            "miou": 0.2 * i,
            "fd_lite0": 50.0 / i,
            "psnr": 20 + i,
        }
        for method in METHODS
        for i in (1, 2, 3)
    ]
    table = pd.DataFrame(rows, columns=point_columns())
    spic = table["method"] == "spic"
    return table.assign(bpp_ssm=np.where(spic, 0.05, np.nan), bpp_coarse=np.where(spic, table["bpp"] - 0.05, np.nan))


@pytest.fixture
def intervals(points):
    rows = points.assign(metric="miou", value=points["miou"], low=points["miou"] - 0.1, high=points["miou"] + 0.1)
    return rows[[name for name in INTERVAL_COLUMNS if name != "spread"]].assign(spread=np.nan)


@pytest.fixture
def recall(points):
    rows = [
        {"method": row.method, "point": row.point, "class": name, "size": size, "found": 1, "total": 4, "recall": 0.25}
        for row in points.itertuples()
        for name in ("all", "sign")
        for size in ("all", *SIZE_NAMES)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def per_class(points):
    rows = [
        {"method": row.method, "point": row.point, "class": name, "iou": iou}
        for row in points.itertuples()
        for name, iou in (("road", 0.9), ("pole", 0.2), ("nowhere", np.nan))
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def steps():
    rows = [
        {"sampler": sampler, "frames": "val", "start": 200, "guidance": 1.0, "steps": k, "miou": 0.1 * k, "psnr": 20.0}
        for sampler in ("ddim", "published")
        for k in (1, 2, 4)
    ]
    return pd.DataFrame(rows).assign(miou_independent=np.nan, fd_lite0=50.0, seconds=0.5)


def draw(points, folder, intervals=None, anchors=(), frame_rate=None):
    intervals = pd.DataFrame(columns=INTERVAL_COLUMNS) if intervals is None else intervals
    tables = {"points": points, "intervals": intervals, "anchors": anchors, "frame_rate": frame_rate}
    for name in ("figure4a", "figure4b"):
        figures()[name].draw(tables, folder / name)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def words(path):
    """All text of an SVG file, which must be text and not outlines."""
    return " ".join(element.text for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text") if element.text)


def test_both_figures_in_both_formats_and_the_same_each_time(points, intervals, tmp_path):
    (tmp_path / "1").mkdir(), (tmp_path / "2").mkdir()
    first, second = draw(points, tmp_path / "1", intervals), draw(points, tmp_path / "2", intervals)
    assert set(first) == {"figure4a.svg", "figure4a.png", "figure4b.svg", "figure4b.png"}
    assert first == second
    assert read_picture(tmp_path / "1" / "figure4a.png").shape == (1000, 1280, 3)
    assert not re.search(rb"\d{4}-\d\d-\d\dT|@font-face", first["figure4a.svg"])  # neither dates nor fonts


@pytest.mark.parametrize(("fid", "said"), [(np.nan, "EfficientNet-Lite0"), (30.0, "FID")])
def test_the_distance_is_called_by_its_name(points, tmp_path, fid, said):
    draw(points.assign(fid=fid), tmp_path)
    assert said in words(tmp_path / "figure4b.svg")
    assert ("FID" in words(tmp_path / "figure4b.svg")) == (said == "FID")


def test_axes_methods_and_the_rate_of_the_ssm_are_named(points, intervals, tmp_path):
    draw(points, tmp_path, intervals)
    for text in ("SPIC", "BPG", "mine", "rate of the SSM", "BPP", "mIoU", "95 %", "3 pictures"):
        assert text in words(tmp_path / "figure4a.svg")
    assert "95 %" not in words(tmp_path / "figure4b.svg")  # no interval of that metric


def test_anchors_are_drawn_where_they_have_the_metric(points, tmp_path):
    anchors = [read_anchor(path) for path in sorted((ROOT / FOLDER).glob("*.json"))]
    assert len(anchors) >= 3
    draw(points.assign(fid=30.0), tmp_path, anchors=anchors)
    for anchor in anchors:
        assert f"{anchor['name']} ({anchor['warning']})" in words(tmp_path / "figure4b.svg")
        assert anchor["name"] not in words(tmp_path / "figure4a.svg")
    assert "#999999" in (tmp_path / "figure4b.svg").read_text()
    draw(points, tmp_path, anchors=anchors)  # no FID: another distance, which they do not have
    assert "CoD" not in words(tmp_path / "figure4b.svg")


def test_the_rate_of_a_clip_is_in_kbit_too(points, tmp_path):
    draw(points, tmp_path)
    assert "kbit" not in words(tmp_path / "figure4a.svg")
    draw(points, tmp_path, frame_rate=12.5)
    for name in ("4a", "4b"):
        assert "kbit/s at 12.5 frames per second" in words(tmp_path / f"figure{name}.svg")


def test_a_table_with_one_point_a_method_is_drawn_too(points, tmp_path):
    assert len(draw(points.groupby("method").head(1), tmp_path)) == 4


def test_what_was_not_computed_is_said(points, tmp_path):
    draw(points.assign(fd_lite0=np.nan, n=1), tmp_path)
    assert "not computed" in words(tmp_path / "figure4b.svg")


def test_the_other_figures(points, per_class, recall, steps, tmp_path):
    for again in ("1", "2"):
        folder = tmp_path / again
        rate_split(points, folder / "rate_split")
        iou_per_class(points, per_class, folder / "iou_per_class")
        recall_by_size(points, recall, folder / "recall_by_size")
        steps_curves(steps, folder / "steps")
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(files) == 8
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    said = {name: words(tmp_path / "1" / f"{name}.svg") for name in ("rate_split", "iou_per_class", "recall_by_size")}
    assert "0.200, 25 % SSM" in said["rate_split"]
    assert not any(text in said["rate_split"] for text in ("BPG", "residual"))
    assert "road" in said["iou_per_class"] and "nowhere" not in said["iou_per_class"]
    assert "sign" in said["recall_by_size"] and "n = 4" in said["recall_by_size"]
    assert "published" in words(tmp_path / "1" / "steps.svg")


def test_the_residual_has_a_share_of_its_own(points, tmp_path):
    rate_split(points.assign(bpp=points["bpp"] + 0.5), tmp_path / "three")
    assert "residual" in words(tmp_path / "three.svg")


def test_figures_without_anything_to_show_say_so(points, recall, tmp_path):
    rate_split(points[points["method"] != "spic"], tmp_path / "rate_split")
    recall_by_size(points, recall.iloc[:0], tmp_path / "recall")
    assert "no method" in words(tmp_path / "rate_split.svg") and "no small objects" in words(tmp_path / "recall.svg")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_figures_without_a_number_are_drawn(points, per_class, recall, steps, tmp_path, value):
    numbers = {"miou": np.nan, "fd_lite0": np.nan, "psnr": value}
    draw(points.assign(**numbers), tmp_path)
    iou_per_class(points.assign(**numbers), per_class.assign(iou=np.nan), tmp_path / "iou_per_class")
    recall_by_size(points, recall.assign(recall=np.nan, total=0), tmp_path / "recall_by_size")
    steps_curves(steps.assign(**numbers), tmp_path / "steps")
    said = {"figure4a": "not computed", "figure4b": "not computed", "iou_per_class": "no class is in any map"}
    assert all(text in words(tmp_path / f"{name}.svg") for name, text in said.items())
    assert not any(re.search(r"\b(nan|inf)\b", words(path)) for path in tmp_path.glob("*.svg"))


def test_methods_are_told_apart_without_colour():
    styles = styles_of([*STYLES, "mine", "yours", "theirs", "ours", "his", "hers"]).values()
    assert len({style.marker for style in styles_of(STYLES).values()}) == len(STYLES)
    assert len({(style.marker, style.dash) for style in styles}) == len(styles)
    assert len({style.color for style in styles_of(STYLES).values()}) == len(STYLES)


def test_points_as_readers_call_them():
    points = ("coarse_qp35", "qp44", "bpp0.2", "coarse_factor4", "simplify16", "bpp1e-05", "coarse_qp35_residual_qp40")
    assert [point_label(point) for point in points] == [
        "QP 35",
        "QP 44",
        "bpp 0.2",
        "factor 4",
        "simplify 16",
        "bpp 1e-05",
        "QP 35, residual QP 40",
    ]


@pytest.mark.parametrize(("length", "columns"), [(10, 3), (30, 2), (70, 1)])
def test_a_legend_takes_fewer_columns_before_it_is_cut_off(points, monkeypatch, length, columns):
    drawn = []
    monkeypatch.setattr(figures_style, "save", lambda figure, stem: (figure.canvas.draw(), drawn.append(figure)))
    names = dict(zip(METHODS, (str(i) * length for i in range(3)), strict=True))
    rate_curves(points.assign(method=points["method"].map(names)), "miou", "unused")
    (legend,) = drawn[0].legends
    places = {round(text.get_window_extent().x0) for text in legend.get_texts()}
    assert len(places) == columns and legend.get_window_extent().width <= drawn[0].bbox.width


PSNR_FIGURE = '''
"""PSNR over rate: a figure in one file."""

from spic.report.figures import Figure
from spic.report.figures.curves import DETAILS, rate_curves

FIGURES = (
    Figure("psnr", DETAILS, "PSNR over rate", lambda tables, stem: rate_curves(tables["points"], "psnr", stem)),
)
'''


def test_one_file_adds_a_figure(points, tmp_path, monkeypatch):
    (tmp_path / "psnr_over_rate.py").write_text(PSNR_FIGURE)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    figures.cache_clear()
    try:
        assert "psnr" in plots({"judge": None, "steps_csv": None})
        figures()["psnr"].draw({"points": points}, tmp_path / "psnr")
    finally:
        monkeypatch.undo()
        figures.cache_clear()
    assert "PSNR (dB)" in words(tmp_path / "psnr.svg") and (tmp_path / "psnr.png").stat().st_size
    assert "psnr" not in plots({"judge": None, "steps_csv": None})
