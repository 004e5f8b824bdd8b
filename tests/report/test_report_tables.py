"""Tables of a run from the summaries of its points."""

import numpy as np
import pandas as pd
import pytest

from spic.benchmark.summary import point_columns, write_parquet
from spic.errors import DataError
from spic.metrics.columns import columns_of
from spic.report.tables import (
    bd_table,
    identical_images,
    join_pictures,
    judge_table,
    matched_table,
    read_summaries,
    timing_table,
    with_intervals,
    with_kbps,
    with_originals,
    write_csv,
)

POINT_COLUMNS = point_columns()
COMPARED = [row.name for row in columns_of(()) if row.compared]


def curve(method, rates, protocol="corrected", **values):
    rows = [
        {"run": "r", "protocol": protocol, "method": method, "point": f"p{i}", "n": 3, "bpp": rate}
        | {name: value[i] for name, value in values.items()}
        for i, rate in enumerate(rates)
    ]
    return pd.DataFrame(rows, columns=POINT_COLUMNS)


def test_matched_rates_are_read_off_and_never_extrapolated():
    points = pd.concat(
        [
            curve("spic", [0.1, 0.4], miou=[0.6, 0.7], fd_lite0=[9.0, 5.0]),
            curve("bpg", [0.2, 0.8], miou=[0.5, 0.9]),
            curve("spic", [0.3], protocol="official", miou=[0.1]),
        ]
    )
    table = matched_table(points).set_index(["protocol", "at", "method"])
    assert list(table.columns) == ["run", "bpp", *COMPARED] and len(table) == 5
    assert table.loc[("corrected", "p1", "bpg"), "miou"] == pytest.approx(0.7)  # halfway in the logarithm of the rate
    assert np.isnan(table.loc[("corrected", "p0", "bpg"), "miou"])
    assert table.loc[("corrected", "p0", "spic"), "fd_lite0"] == 9 and table.loc["official", "bpp"].tolist() == [0.3]
    assert not len(matched_table(curve("bpg", [0.1])))


def test_two_points_of_one_rate_make_no_curve():
    points = pd.concat([curve("spic", [0.2], miou=[0.5]), curve("bpg", [0.1, 0.1, 0.3], miou=[0.1, 0.2, 0.3])])
    assert np.isnan(matched_table(points).set_index("method").loc["bpg", "miou"])


def test_bd_rate_of_half_the_rate_is_minus_50_percent_and_what_cannot_be_told_says_why():
    rates = np.array([0.1, 0.2, 0.4, 0.8])
    points = pd.concat(
        [
            curve("spic", rates / 2, miou=[0.5, 0.6, 0.7, 0.8], psnr=[20, 21, 22, 23], fd_lite0=[9, 7, 5, 3]),
            curve("bpg", rates, miou=[0.5, 0.6, 0.7, 0.8], psnr=[30, 31, 32, 33], fd_lite0=[9, 7, 8, 3]),
            curve("jpeg2000", rates * 100, miou=[0.5, 0.6, 0.7, 0.8]),
        ]
    )
    table = bd_table(points).set_index(["anchor", "metric"])
    assert table.loc[("bpg", "miou"), "bd_rate_percent"] == pytest.approx(-50, abs=0.1)
    assert table.loc[("bpg", "miou"), "bd_metric"] == pytest.approx(0.1, abs=1e-3)
    assert table.loc[("bpg", "miou"), "interpolation"] == "akima" and not table.loc[("bpg", "miou"), "remark"]
    assert np.isnan(table.loc[("bpg", "psnr"), "bd_rate_percent"]) and "overlap" in table.loc[("bpg", "psnr"), "remark"]
    assert np.isnan(table.loc[("bpg", "fd_lite0"), "bd_rate_percent"])
    assert np.isfinite(table.loc[("bpg", "fd_lite0"), "bd_metric"])
    assert np.isnan(table.loc[("jpeg2000", "miou"), "bd_metric"])
    assert not len(bd_table(points[points["method"] == "bpg"]))


def test_intervals_become_columns_of_the_points():
    points = curve("spic", [0.1, 0.2], miou=[0.5, 0.6])
    keys = {"run": "r", "protocol": "corrected", "method": "spic", "metric": "miou", "value": 0.6, "spread": np.nan}
    table = with_intervals(points, pd.DataFrame([{**keys, "point": "p1", "low": 0.55, "high": 0.65}]))
    assert np.isnan(table["miou_low"][0]) and table["miou_low"][1] == 0.55 and table["miou_high"][1] == 0.65


def test_per_class_table_starts_with_the_segmenter_itself():
    confusion = np.array([[[3, 1, 0], [0, 4, 0]]] * 2)
    originals = {"confusion": confusion, "confusion_gt": confusion, "classes": np.array(["road", "sky"])}
    point = pd.DataFrame([{"run": "r", "protocol": "corrected", "method": "bpg", "point": "p", "class": "road"}])
    table = with_originals("r", point, originals)
    assert list(table["method"]) == ["original", "original", "bpg"]
    assert table["iou_gt"].iloc[:2].tolist() == pytest.approx([3 / 4, 4 / 5])


def test_the_judge_is_judged_by_ground_truth():
    confusion = np.array([[[3, 1, 0], [0, 0, 0]]] * 2)
    originals = {"judge_classes": np.array(["road", "sky"]), "confusion_judge_gt": confusion}
    table = judge_table("r", "judge", originals).set_index("class")["iou_gt"]
    assert table["road"] == pytest.approx(3 / 4) and table["sky"] == 0 and table["mean"] == pytest.approx(3 / 8)
    assert judge_table("r", "judge", {"judge_classes": np.array(["road"])})["iou_gt"].isna().all()
    assert not len(judge_table("r", None, {})) and "iou_gt" in judge_table("r", None, {})


def test_timing_sums_over_chunks(tmp_path):
    for i, (n, total) in enumerate(((2, 1.0), (1, 0.2))):
        pd.DataFrame({"n": [n], "median_seconds": [0.5], "total_seconds": [total]}).to_csv(
            tmp_path / f"{i}", index=False
        )
    row = timing_table("r", {("corrected", "bpg", "p", "decode"): [tmp_path / "0", tmp_path / "1"]}).iloc[0]
    assert row["n"] == 3 and row["mean_seconds"] == pytest.approx(0.4) and row["protocol"] == "corrected"


def test_pictures_of_all_points_join(tmp_path):
    for i, lpips in enumerate((np.nan, 0.5)):
        write_parquet(pd.DataFrame({"point": [f"p{i}"], "lpips": [lpips]}), tmp_path / f"{i}.parquet")
    join_pictures([tmp_path / "0.parquet", tmp_path / "1.parquet"], tmp_path / "all.parquet")
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert table["point"].tolist() == ["p0", "p1"] and table["lpips"].iloc[1] == 0.5


def test_images_that_are_identical_are_counted():
    pictures = pd.DataFrame(
        {
            "method": ["bpg"] * 4 + ["spic"] * 2 + ["jpeg"] * 2,
            "point": ["a", "a", "b", "b"] + ["c"] * 4,
            "psnr": [np.inf, 1, np.inf, np.inf, 2, 3, 4, np.inf],
        }
    )
    assert identical_images(pictures).startswith("identical images, at most 2 of 2 by bpg, 1 of 2 by jpeg: in the mean")
    assert "jpeg" not in identical_images(pictures, ("spic", "bpg"))
    assert identical_images(pictures, ("spic",)) == identical_images(pictures.drop(columns="psnr")) == ""


def test_a_damaged_summary_is_named(tmp_path):
    (tmp_path / "summary.json").write_text('{"point": ')
    with pytest.raises(DataError, match=r"summary\.json: damaged"):
        read_summaries([tmp_path / "summary.json"])


def test_equal_tables_give_equal_bytes(tmp_path):
    table = pd.DataFrame({"x": [1 / 3, 2.0], "name": ["a", "b"]})
    write_csv(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"x,name\n0.333333,a\n2,b\n"


def test_a_clip_has_kbit_per_second_beside_bpp():
    points = curve("spic", [0.1, np.nan], miou=[0.6, 0.7])
    before = points.copy()
    assert with_kbps(points, None) is points
    found = with_kbps(points, 12.5)
    names = list(found)
    assert names[names.index("bpp") + 1] == "kbps" and names.count("kbps") == 1
    assert found["kbps"].tolist() == pytest.approx([0.1 * 256 * 512 * 12.5 / 1000, np.nan], nan_ok=True)
    pd.testing.assert_frame_equal(found.drop(columns="kbps"), before)
    pd.testing.assert_frame_equal(points, before)
