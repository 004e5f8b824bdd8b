"""Tables against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from spic.errors import DataError
from spic.report.tables import per_class_table, points_table, read_scores, timing_table, write_csv


def scores(names=("a", "b"), sizes=None, confusion=None, **more):
    n = len(names)
    confusion = np.zeros((n, 2, 3), np.int64) + np.eye(2, 3, dtype=np.int64) if confusion is None else confusion
    found = {
        "names": np.array(names),
        "height": np.array(4),
        "width": np.array(8),
        "classes": np.array(["road", "sky"]),
        "psnr": np.full(n, 30.0),
        "confusion": confusion,
        "features_lite0": np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32),
    }
    return found | {f"bytes_{part}": np.array(size) for part, size in (sizes or {}).items()} | more


def test_rates_sum_parts_over_the_pixels_of_the_set():
    table = points_table("r", {("spic", "p"): scores(sizes={"ssm": [3, 5], "coarse": [2, 2]})}, scores())
    row = table.iloc[0]
    assert row["bpp"] == pytest.approx(8 * 12 / 64)
    assert row["bpp_ssm"] == pytest.approx(1.0) and row["bpp_coarse"] == pytest.approx(0.5)
    assert row["fd_lite0"] == pytest.approx(0, abs=1e-5)
    assert np.isnan(row["miou_gt"]) and np.isnan(row["fid"])


def test_one_part_methods_leave_the_other_rates_empty():
    row = points_table("r", {("bpg", "p"): scores(sizes={"picture": [4, 4]})}, scores()).iloc[0]
    assert row["bpp"] == pytest.approx(1.0) and np.isnan(row["bpp_ssm"]) and np.isnan(row["bpp_coarse"])


def test_miou_is_of_the_totals_not_the_mean_over_pictures():
    confusion = np.array([[[8, 0, 0], [0, 2, 0]], [[0, 4, 0], [0, 6, 0]]])
    row = points_table("r", {("bpg", "p"): scores(sizes={"picture": [1, 1]}, confusion=confusion)}, scores()).iloc[0]
    assert row["miou"] == pytest.approx((8 / 12 + 8 / 12) / 2)


def test_one_picture_has_no_distance_and_identity_has_infinite_psnr():
    one = scores(names=("a",), sizes={"picture": [1]}, psnr=np.array([np.inf]))
    row = points_table("r", {("bpg", "p"): one}, scores(names=("a",))).iloc[0]
    assert np.isnan(row["fd_lite0"]) and row["psnr"] == np.inf


def test_other_pictures_than_the_originals_are_refused():
    with pytest.raises(DataError, match="originals"):
        points_table("r", {("bpg", "p"): scores(names=("a", "c"), sizes={"picture": [1, 1]})}, scores())


def test_per_class_table_starts_with_the_segmenter_itself():
    confusion = np.array([[[3, 1, 0], [0, 4, 0]]] * 2)
    originals = scores(confusion_gt=confusion)
    table = per_class_table("r", {("bpg", "p"): scores(confusion=confusion)}, originals)
    assert list(table["method"]) == ["original", "original", "bpg", "bpg"]
    assert table["iou_gt"].iloc[:2].tolist() == pytest.approx([3 / 4, 4 / 5])
    assert table["iou"].iloc[2:].tolist() == pytest.approx([3 / 4, 4 / 5])
    assert table["iou_gt"].iloc[2:].isna().all()


def test_chunks_join_in_order_and_must_agree(tmp_path):
    for i, part in enumerate((scores(names=("a",)), scores(names=("b", "c")))):
        np.savez(tmp_path / f"{i}.npz", **part)
    joined = read_scores([tmp_path / "0.npz", tmp_path / "1.npz"])
    assert list(joined["names"]) == ["a", "b", "c"] and joined["confusion"].shape == (3, 2, 3)
    assert int(joined["height"]) == 4
    np.savez(tmp_path / "2.npz", **scores(names=("d",), confusion_gt=np.zeros((1, 2, 3))))
    with pytest.raises(DataError):
        read_scores([tmp_path / "0.npz", tmp_path / "2.npz"])


def test_timing_sums_over_chunks(tmp_path):
    for i, (n, total) in enumerate(((2, 1.0), (1, 0.2))):
        pd.DataFrame({"n": [n], "median_seconds": [0.5], "total_seconds": [total]}).to_csv(
            tmp_path / f"{i}", index=False
        )
    row = timing_table("r", {("bpg", "p", "decode"): [tmp_path / "0", tmp_path / "1"]}).iloc[0]
    assert row["n"] == 3 and row["mean_seconds"] == pytest.approx(0.4)


def test_equal_tables_give_equal_bytes(tmp_path):
    table = pd.DataFrame({"x": [1 / 3, 2.0], "name": ["a", "b"]})
    write_csv(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"x,name\n0.333333,a\n2,b\n"
