"""What docs/extending.md shows, installed beside the project: a run on its data, segmenter, classes, codec, method."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.workflow


@pytest.fixture
def overlay(extending, tmp_path):
    """Writes the page's settings with others over them."""

    def write(**changes):
        config = yaml.safe_load(extending["shapes.yaml"])
        methods = {**config["methods"], **changes.pop("methods", {})}
        path = tmp_path / "shapes.yaml"
        path.write_text(yaml.safe_dump({**config, "methods": methods, **changes}))
        return path

    return write


def on_path(monkeypatch, folder):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))


def test_its_points_are_in_the_table_and_its_options_count(extras, overlay, empty_run, monkeypatch):
    on_path(monkeypatch, extras)
    points = empty_run.folder / "results" / "shapes" / "tables" / "points.csv"
    changes = {"methods": {"upsampled": None, "posterize": {"step": [64]}}, "limit": 1}
    empty_run("--cores", 1, points.relative_to(empty_run.folder), overlay=overlay(**changes))
    table = pd.read_csv(points)
    assert table[["method", "point", "n"]].to_numpy().tolist() == [
        ["posterize", "step64", 1],
        ["thumbnail", "factor8", 1],
    ]
    (coded,) = (points.parents[1] / "posterize" / "step64" / "0000" / "coded").glob("[!.]*")
    assert coded.suffix == ".post" and np.isclose(table["bpp"][0], 8 * coded.stat().st_size / (256 * 512), rtol=1e-5)
    assert table[["miou", "miou_gt", "psnr"]].notna().all().all()
    per_class = pd.read_csv(points.with_name("per_class.csv"))
    assert set(per_class["class"]) == {"floor", "disc", "bar"}
    options = {"thumbnail": {"codec": "png"}}
    again = overlay(**changes, method_options=options)
    planned = empty_run("--dry-run", points.relative_to(empty_run.folder), overlay=again)
    lines = (planned.stdout + planned.stderr).splitlines()
    outputs = [line for line in lines if line.strip().startswith("output:")]
    assert any("thumbnail/factor8/0000/coded" in line for line in outputs)
    assert not any("posterize/" in line or "originals/" in line for line in outputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "shape"}, "config: unknown data set 'shape'; known: camvid"),
        ({"method_options": {"thumbnail": {"kodec": "png"}}}, "config: thumbnail: its one option is codec, not kodec"),
        ({"methods": {"spic": {"coarse_qp": [35]}}}, "nearest-colour has the label space shapes3"),
    ],
)
def test_what_does_not_fit_is_one_line(extras, overlay, empty_run, monkeypatch, changes, message):
    on_path(monkeypatch, extras)
    done = empty_run("--dry-run", check=False, overlay=overlay(**changes))
    assert done.returncode != 0 and message in done.stdout + done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_own_classes_get_to_the_report(extending, overlay, empty_run, monkeypatch, tmp_path, tiny_shapes_decoder):
    """Installed by pip as the page says, with SPIC and a decoder of these classes."""
    source = tmp_path / "package"
    source.mkdir()
    for name, text in extending.items():
        (source / name).write_text(text)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(tmp_path / "plugins"), str(source)], check=True, capture_output=True)
    on_path(monkeypatch, tmp_path / "plugins")
    methods = {"spic": {"coarse_qp": [35]}, "spic_labelmap": {"coarse_qp": [35]}, "bpg": {"qp": [40]}}
    methods["dsslic"] = [{"coarse_qp": 35, "residual_qp": qp} for qp in (20, 40)]
    weights = {"decoder_weights": str(tiny_shapes_decoder), "judge": "nearest-colour"}
    empty_run("--cores", 2, "--resources", "gpu=1", overlay=overlay(methods=methods, **weights))
    results = empty_run.folder / "results" / "shapes"
    table = pd.read_csv(results / "tables" / "points.csv")
    assert set(table["method"]) == {"spic", "spic_labelmap", "upsampled", "bpg", "posterize", "thumbnail", "dsslic"}
    layered = table[table["method"] == "dsslic"].set_index("point")
    assert list(layered.index) == ["coarse_qp35_residual_qp20", "coarse_qp35_residual_qp40"]
    assert (
        layered["psnr"].is_monotonic_decreasing and (layered["bpp"] > layered["bpp_ssm"] + layered["bpp_coarse"]).all()
    )
    assert table[["miou", "miou_gt", "miou_independent"]].notna().all().all() and (results / "report.html").exists()
    assert "shapes, split val" in (results / "overview.html").read_text()
    legend = (results / "gallery" / "index.html").read_text()
    assert all(name in legend for name in ("floor", "disc", "thumbnail"))
