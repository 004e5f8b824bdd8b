"""Numbers of a point against numbers worked out by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from spic.benchmark.protocols import CORRECTED, OFFICIAL
from spic.benchmark.scores import first_pictures, read_scores
from spic.benchmark.summary import point_columns, summarize, write_summary
from spic.errors import DataError
from spic.report.tables import read_csv, read_summaries, write_csv

IDENTITY = {"run": "r", "protocol": "corrected", "method": "spic", "point": "p1", "ssm_source": "segmenter"}


def made_up(n=2, sizes=None, confusion=None, **more):
    confusion = np.zeros((n, 2, 3), np.int64) + np.eye(2, 3, dtype=np.int64) if confusion is None else confusion
    found = {
        "names": np.array([f"{i:03}" for i in range(n)]),
        "height": np.array(4),
        "width": np.array(8),
        "classes": np.array(["road", "sky"]),
        "psnr": np.full(n, 30.0),
        "confusion": confusion,
    }
    return found | {f"bytes_{part}": np.array(size) for part, size in (sizes or {"picture": [4] * n}).items()} | more


def features(n=2, seed=0):
    rng = np.random.default_rng(seed)
    names = np.array([f"{i:03}" for i in range(n)])
    return {"names": names, "lite0": rng.standard_normal((n, 3)), "patches": rng.standard_normal((n, 2, 3))}


def point(scores, protocol=CORRECTED):
    n = len(scores["names"])
    return summarize(IDENTITY, scores, features(n), features(n), protocol)["point"]


def test_rates_sum_parts_over_the_pixels_of_the_set():
    row = point(made_up(sizes={"ssm": [3, 5], "coarse": [2, 2]}))
    assert list(row) == point_columns() and row["bpp_file"] == row["bpp"] == pytest.approx(8 * 12 / 64)
    assert row["bpp_ssm"] == pytest.approx(1.0) and row["bpp_coarse"] == pytest.approx(0.5)
    assert row["fd_lite0"] == pytest.approx(0, abs=1e-5) and row["n"] == 2
    assert np.isnan(row["miou_gt"]) and np.isnan(row["fid"])


def test_one_part_methods_leave_the_other_rates_empty():
    row = point(made_up())
    assert row["bpp"] == pytest.approx(1.0) and np.isnan(row["bpp_ssm"]) and np.isnan(row["bpp_coarse"])


def test_a_file_may_cost_more_than_its_payloads():
    row = point(made_up(sizes={"ssm": [3, 5], "coarse": [2, 2], "file": [10, 10]}))
    assert row["bpp"] == pytest.approx(8 * 12 / 64) and row["bpp_file"] == pytest.approx(8 * 20 / 64)
    row = point(made_up(sizes={"file": [10, 10]}))
    assert row["bpp"] == row["bpp_file"]


def test_miou_is_of_the_totals_and_miou_image_is_the_mean_over_pictures():
    confusion = np.array([[[8, 0, 0], [0, 2, 0]], [[0, 4, 0], [0, 6, 0]]])
    row = point(made_up(confusion=confusion))
    assert row["miou"] == pytest.approx((8 / 12 + 8 / 12) / 2)
    assert row["miou_image"] == pytest.approx((1 + (0 + 6 / 10) / 2) / 2)
    assert row["pixel_accuracy"] == pytest.approx(16 / 20)


def test_one_picture_has_no_distance_and_identity_has_infinite_psnr():
    row = point(made_up(n=1, psnr=np.array([np.inf])))
    assert np.isnan(row["fd_lite0"]) and np.isnan(row["fd_patch"]) and row["psnr"] == np.inf


def test_one_identical_picture_does_not_hide_the_others(tmp_path):
    """A black frame, which many codecs code without loss."""
    scores = made_up(n=4, psnr=np.array([30.0, np.inf, 31.0, 33.0]))
    summary = summarize(IDENTITY, scores, features(4), features(4, seed=1), CORRECTED)
    highest = 10 * np.log10(255**2 * 4 * 8 * 3)  # of a picture of 4x8 pixels with one sample off by one
    assert summary["point"]["psnr"] == pytest.approx((30 + highest + 31 + 33) / 4)
    (row,) = (row for row in summary["intervals"] if row["metric"] == "psnr")
    assert row["low"] < row["value"] == summary["point"]["psnr"] < row["high"] < np.inf
    assert summary["pictures"]["psnr"].tolist() == [30, np.inf, 31, 33]
    alone = dict(summary["point"], method="exact", psnr=np.inf, fid=-np.inf)  # all pictures identical
    exact = summary | {"point": alone, "intervals": [row | {"value": np.inf, "low": np.nan}], "recall": []}
    for name, one in (("one", summary), ("exact", exact)):
        write_summary(one, tmp_path / f"{name}.json", tmp_path / f"{name}.parquet")
        json.loads((tmp_path / f"{name}.json").read_text(), parse_constant=pytest.fail)
    tables = read_summaries([tmp_path / "one.json", tmp_path / "exact.json"])
    assert tables["points"]["psnr"].tolist() == [summary["point"]["psnr"], np.inf]
    assert tables["points"]["fid"].tolist()[1] == -np.inf and tables["points"]["fid"].isna()[0]
    assert tables["points"]["n"].dtype == int and tables["intervals"]["value"].iloc[-1] == np.inf
    write_csv(tables["points"], tmp_path / "points.csv")
    assert read_csv(tmp_path / "points.csv")["psnr"].tolist() == pytest.approx(tables["points"]["psnr"].tolist(), 1e-5)


def test_summaries_in_the_json_of_python_are_read_too(tmp_path):
    """As version 0.1.0 wrote them."""
    summary = summarize(IDENTITY, made_up(psnr=np.array([np.inf, np.inf])), features(), features(), CORRECTED)
    table = pd.DataFrame([summary["point"]])
    del summary["pictures"], summary["replicates"]
    (tmp_path / "old.json").write_text(json.dumps(summary, default=float))
    assert "NaN" in (tmp_path / "old.json").read_text() and "Infinity" in (tmp_path / "old.json").read_text()
    points = read_summaries([tmp_path / "old.json"])["points"]
    write_csv(points, tmp_path / "new.csv")
    write_csv(table, tmp_path / "expected.csv")
    assert (tmp_path / "new.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_official_stops_after_62_pictures():
    sizes = {"picture": [4] * 62 + [400] * 8}
    row = point(made_up(n=70, sizes=sizes), OFFICIAL)
    assert row["n"] == 62 and row["bpp"] == pytest.approx(1.0)
    assert point(made_up(n=70, sizes=sizes))["n"] == 70
    assert len(first_pictures(made_up(n=3), 2)["confusion"]) == 2 and first_pictures(made_up(), 2)["classes"].size == 2


def test_other_pictures_than_the_originals_are_refused():
    others = features() | {"names": np.array(["000", "other"])}
    with pytest.raises(DataError, match="originals: 001 is in only one"):
        summarize(IDENTITY, made_up(), features(), others, CORRECTED)


def test_intervals_hold_the_value_and_need_two_blocks():
    rng = np.random.default_rng(1)
    scores = made_up(n=12, confusion=rng.integers(0, 9, (12, 2, 3)), psnr=rng.uniform(20, 30, 12))
    for block, known in ((1, True), (6, True), (7, False)):
        summary = summarize(IDENTITY, scores, features(12), features(12, seed=1), CORRECTED, block=block)
        table = pd.DataFrame(summary["intervals"]).set_index("metric")
        assert {"miou", "miou_image", "psnr", "fd_lite0", "kid_lite0"} == set(table.index)
        assert table["low"].notna().all() == known
        if known:
            assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()
            assert table.loc["kid_lite0", "spread"] > 0 and np.isnan(table.loc["psnr", "spread"])


def test_summaries_are_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        summary = summarize(IDENTITY, made_up(), features(), features(seed=1), CORRECTED)
        write_summary(summary, tmp_path / f"{name}.json", tmp_path / f"{name}.parquet")
    for suffix in ("json", "parquet"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    pictures = pd.read_parquet(tmp_path / "one.parquet")
    assert pictures["name"].tolist() == ["000", "001"] and pictures["bpp"].tolist() == [1.0, 1.0]


def test_chunks_join_in_order_and_must_agree(tmp_path):
    for i, part in enumerate((made_up(n=1), made_up(n=2))):
        np.savez(tmp_path / f"{i}.npz", **part)
    joined = read_scores([tmp_path / "0.npz", tmp_path / "1.npz"])
    assert list(joined["names"]) == ["000", "000", "001"] and joined["confusion"].shape == (3, 2, 3)
    assert int(joined["height"]) == 4
    np.savez(tmp_path / "2.npz", **made_up(n=1, confusion_gt=np.zeros((1, 2, 3))))
    with pytest.raises(DataError):
        read_scores([tmp_path / "0.npz", tmp_path / "2.npz"])
