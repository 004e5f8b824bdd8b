"""Margins at equal rate and the intervals of paired differences."""

import math

import numpy as np
import pandas as pd
import pytest

from spic.benchmark.summary import read_replicates, write_replicates
from spic.errors import DataError
from spic.metrics import mean_interval
from spic.metrics.columns import columns_in
from spic.metrics.intervals import Replicates, sum_interval
from spic.report.comparison import duel
from spic.report.margins import margins_table, with_margins

N, BLOCK = 40, 4


@pytest.fixture
def values():
    """Numbers of 40 images by two points of BPG and one of SPIC; the image matters far more than the point."""
    rng = np.random.default_rng(3)
    images = rng.normal(0, 5, N)
    return {key: images + offset + rng.normal(0, 0.1, N) for key, offset in (("a", 20), ("b", 22), ("spic", 21.6))}


@pytest.fixture
def points(values):
    rows = [("bpg", "a", 0.1), ("bpg", "b", 0.2), ("spic", "p", 0.15)]
    return pd.DataFrame(
        [
            {
                "run": "r",
                "protocol": "corrected",
                "method": method,
                "point": point,
                "bpp": bpp,
                "psnr": values[key].mean(),
            }
            for (method, point, bpp), key in zip(rows, values, strict=True)
        ]
    ).assign(run="r", protocol="corrected")


def drawn(values):
    return {
        ("corrected", "spic" if key == "spic" else "bpg", "p" if key == "spic" else key): {
            "psnr": mean_interval(one, block=BLOCK).replicates
        }
        for key, one in values.items()
    }


def test_the_paired_interval_is_that_of_the_differences(points, values):
    (row,) = margins_table(points, drawn(values)).to_dict("records")
    share = math.log(1.5) / math.log(2)
    difference = values["spic"] - (1 - share) * values["a"] - share * values["b"]
    assert row["difference"] == pytest.approx(difference.mean())
    assert (row["low"], row["high"]) == pytest.approx(mean_interval(difference, block=BLOCK))
    own = mean_interval(values["spic"], block=BLOCK)
    assert own.low < row["other"] < own.high  # the value's own interval could not tell them apart


def test_what_the_paired_interval_tells_decides(points, values):
    def judged(shift):
        moved = {**values, "spic": values["spic"] + shift}
        table = points.assign(psnr=[moved[key].mean() for key in moved])
        return duel(with_margins(table, margins_table(table, drawn(moved))), "psnr", "bpg").states

    assert (judged(2), judged(-2)) == ((1,), (-1,))
    difference = margins_table(points, drawn(values))["difference"].item()
    assert judged(-difference) == (0,)


def test_the_columns_of_margins_are_no_metrics(points, values):
    """Nor members of a family, as miou_gt_* is one: pages take the metrics from a table's columns."""
    table = points.assign(miou_gt=points["psnr"])
    margins = margins_table(table, drawn(values))
    assert {"psnr", "miou_gt"} == set(margins["metric"])
    assert columns_in(with_margins(table, margins)) == columns_in(table)


def test_without_replicates_there_is_no_interval(points, values):
    table = margins_table(points, {})
    assert table["difference"].notna().all() and table[["low", "high"]].isna().all(axis=None)
    assert not len(margins_table(points[points["method"] == "bpg"], drawn(values)))


def test_replicates_come_back_from_their_file(values, tmp_path):
    kept = {"psnr": mean_interval(values["a"], block=BLOCK).replicates, "fd": Replicates(1.5, np.arange(5.0), 5, True)}
    write_replicates(kept, tmp_path / "r.npz")
    for name, one in read_replicates(tmp_path / "r.npz").items():
        assert one.interval() == kept[name].interval() and one.jackknife == kept[name].jackknife


def test_a_difference_of_what_was_drawn_otherwise_is_refused(values):
    own = mean_interval(values["a"], block=BLOCK).replicates
    for other in (mean_interval(values["b"], block=BLOCK + 1), mean_interval(values["b"][:20], block=BLOCK)):
        with pytest.raises(DataError, match="same pictures"):
            own.less([(1.0, other.replicates)])


def test_a_difference_is_what_both_methods_together_give():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, (N, 2, 2)).astype(float)

    def ratio(totals):
        return totals[..., 0] / totals[..., 1]

    together = sum_interval(lambda totals: ratio(totals[:, 0]) - ratio(totals[:, 1]), counts, block=BLOCK)
    first, second = (sum_interval(ratio, counts[:, i], block=BLOCK).replicates for i in (0, 1))
    assert first.less([(1.0, second)]).interval() == pytest.approx(together)
