"""Figure 4: what it shows, and that it is the same file each time."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from spic.images import read_picture
from spic.report.figures import figure4
from spic.report.tables import POINT_COLUMNS


@pytest.fixture
def points():
    rows = [
        {
            "run": "r",
            "method": method,
            "point": f"p{i}",
            "n": 3,
            "bpp": 0.1 * i,
            "miou": 0.2 * i,
            "fd_lite0": 50.0 / i,
            "psnr": 20 + i,
        }
        for method in ("spic", "bpg", "mine")
        for i in (1, 2, 3)
    ]
    return pd.DataFrame(rows, columns=POINT_COLUMNS).assign(
        bpp_ssm=lambda t: np.where(t["method"] == "spic", 0.05, np.nan)
    )


def draw(points, folder):
    figure4(points, {name: folder / f"figure{name}" for name in ("4a", "4b")})
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_both_figures_in_both_formats_and_the_same_each_time(points, tmp_path):
    (tmp_path / "1").mkdir(), (tmp_path / "2").mkdir()
    first, second = draw(points, tmp_path / "1"), draw(points, tmp_path / "2")
    assert set(first) == {"figure4a.svg", "figure4a.png", "figure4b.svg", "figure4b.png"}
    assert first == second
    ET.fromstring(first["figure4a.svg"])
    assert read_picture(tmp_path / "1" / "figure4a.png").shape == (880, 1280, 3)


@pytest.mark.parametrize(("fid", "said"), [(np.nan, "EfficientNet-Lite0"), (30.0, "FID")])
def test_the_distance_is_called_by_its_name(points, tmp_path, fid, said):
    svg = draw(points.assign(fid=fid), tmp_path)["figure4b.svg"].decode()
    assert said in svg
    assert ("FID" in svg) == (said == "FID")


def test_methods_and_the_rate_of_the_ssm_are_in_the_legend(points, tmp_path):
    svg = draw(points, tmp_path)["figure4a.svg"].decode()
    for text in ("SPIC", "BPG", "mine", "rate of the SSM"):
        assert text in svg


def test_a_table_with_one_point_a_method_is_drawn_too(points, tmp_path):
    assert len(draw(points.groupby("method").head(1), tmp_path)) == 4
