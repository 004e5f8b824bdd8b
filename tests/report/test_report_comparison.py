"""The comparison at equal rate, worked out by hand and against numpy; the claims and the first page read the same."""

import math

import numpy as np
import pandas as pd
import pytest

from spic.report.claims import FAILS, HOLDS, UNKNOWN, judge_claims
from spic.report.comparison import (
    Curve,
    Duel,
    at_one_rate,
    distance,
    duel,
    equal_rate_pair,
    family,
    is_near,
    nearest,
    state,
    winners,
)
from spic.report.pages.gallery import choose_points
from spic.report.tables import matched_table


def test_a_curve_is_read_over_the_logarithm_of_the_rate_and_never_beyond_its_ends(curve):
    table = curve("bpg", [0.4, 0.1, 0.2, 0.3], miou=[0.9, 0.2, 0.5, math.nan], miou_low=[0.8, 0.1, math.nan, 0.1])
    found = Curve(table, "bpg", "miou")
    assert len(found) == 3 and found.points["bpp"].tolist() == [0.1, 0.2, 0.4]
    for rate in (0.1, 0.13, 0.2, 0.37, 0.4):
        read = np.interp(np.log(rate), np.log([0.1, 0.2, 0.4]), [0.2, 0.5, 0.9])
        assert found.at(rate) == pytest.approx(read) and found.rate_of(read) == pytest.approx(rate)
    assert found.at(0.2, "miou_low") == pytest.approx(0.45)  # between its neighbours, as it has no interval itself
    assert np.isnan([found.at(0.09), found.at(0.41), found.at(0.2, "miou_high"), found.rate_of(0.95)]).all()


@pytest.mark.parametrize(
    ("method", "rates", "columns"),
    [
        ("bpg", [0.1, 0.2], {"psnr": [1.0, 2.0]}),
        ("spic", [0.1, 0.2], {"miou": [0.1, 0.2]}),
        ("bpg", [0.1, 0.2], {"miou": [math.inf, math.nan]}),
        ("bpg", [0.0, math.nan], {"miou": [0.5, 0.6]}),
        ("bpg", [], {"miou": []}),
    ],
)
def test_without_a_rate_or_a_finite_value_there_is_no_curve(curve, method, rates, columns):
    table = curve(method, rates, **columns)
    found = Curve(table, "bpg", "miou")
    assert len(found) == 0 and np.isnan([found.at(0.1), found.rate_of(0.5)]).all()
    assert duel(table, "miou", "bpg") == Duel() and not winners(table.assign(method="bpg"), "psnr")


@pytest.mark.parametrize(
    ("metric", "value", "other", "interval", "expected"),
    [
        ("miou", 0.6, 0.5, {}, 1),
        ("miou", 0.5, 0.5, {}, -1),  # equal is not better
        ("miou", 0.4, 0.5, {}, -1),
        ("fd_lite0", 9.0, 10.0, {}, 1),
        ("fd_lite0", 10.0, 10.0, {}, -1),
        ("miou", 0.6, 0.5, {"miou_low": 0.5, "miou_high": 0.7}, 0),
        ("miou", 0.6, 0.5, {"miou_low": math.nan, "miou_high": 0.7}, 1),
        ("miou", 0.6, 0.5, {"psnr_low": 0.0, "psnr_high": 1.0}, 1),
    ],
)
def test_a_point_is_better_not_better_or_too_close(metric, value, other, interval, expected):
    assert state({metric: value, **interval}, metric, other) == expected


def test_a_duel_is_fought_at_shared_rates_and_knows_what_is_chance(points):
    found = duel(points, "miou", "bpg")
    assert found.rates == (0.1, 0.2)  # at 0.9 BPG has no point
    third = (0.7 - 0.4) / 3  # a third of BPG's way, in the logarithm of the rate
    assert found.margins == pytest.approx((0.6 - 0.4 - third, 0.7 - 0.4 - 2 * third)) and found.states == (1, 1)
    assert duel(points, "fd_lite0", "bpg").states == (1, 1)  # less is better
    assert duel(points, "psnr", "bpg").states == (-1, -1)
    assert duel(points.assign(miou_low=0.0, miou_high=1.0), "miou", "bpg").states == (0, 0)
    assert duel(points, "miou", "nobody") == Duel((), (), ())


def test_the_winner_is_measured_against_another_kind(points):
    first, second, last = winners(points, "miou")
    assert (first["method"], first["second"]) == ("spic_labelmap", "bpg") and first["margin"] == pytest.approx(
        0.7167 - 0.5, abs=1e-3
    )
    assert (first["sure"], second["sure"]) == (True, False)  # BPG's 0.6 is above 0.567
    assert (last["method"], last["second"], last["rate"]) == ("spic", None, 0.9) and np.isnan(last["margin"])
    assert [row["method"] for row in winners(points, "psnr")][:2] == ["bpg", "bpg"]
    assert winners(points, "fd_lite0")[0]["method"] == "spic_labelmap"
    assert winners(points[points["method"] == "bpg"], "miou") == []


def test_a_win_inside_the_interval_is_marked(points):
    wide = points.assign(miou_low=0.0, miou_high=1.0)
    assert [row["sure"] for row in winners(wide, "miou")] == [False, False, None]
    assert [row["sure"] for row in winners(points.drop(columns=["miou_low", "miou_high"]), "miou")] == [
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(("method", "best"), [("spic", "spic"), ("bpg", "bpg")])
def test_a_win_goes_by_the_paired_interval_where_there_is_one(points, method, best):
    """Wide intervals of their own do not hide a difference that is the same in every image, nor the other way round."""
    two = points[points["method"].isin(["spic", "bpg"])].assign(miou_low=0.0, miou_high=1.0)
    metric = two["miou"] + (0.3 if method == "spic" else -0.3) * (two["method"] == "spic")
    two = two.assign(miou=metric)
    sign = 1 if method == "spic" else -1
    sure = two.assign(over_bpg_miou_low=min(0.1 * sign, 0.3 * sign), over_bpg_miou_high=max(0.1 * sign, 0.3 * sign))
    first = winners(sure, "miou")[0]
    assert (first["method"], first["sure"]) == (best, True)
    assert winners(sure.assign(over_bpg_miou_low=-0.1, over_bpg_miou_high=0.1), "miou")[0]["sure"] is False
    narrow = two.assign(miou_low=two["miou"], miou_high=two["miou"])
    assert winners(narrow, "miou")[0]["sure"] is True
    unpaired = narrow.assign(over_bpg_miou_low=np.nan, over_bpg_miou_high=np.nan)
    assert winners(unpaired, "miou")[0]["sure"] is True


def test_points_of_one_rate_are_averaged(points):
    twice = pd.concat([points, points[points["method"] == "bpg"].assign(miou=0.5)], ignore_index=True)
    assert duel(twice, "miou", "bpg").margins[0] == pytest.approx(0.6 - (0.45 + 0.05))


@pytest.mark.parametrize("method", ["spic", "bpg"])
def test_infinite_values_are_no_part_of_a_curve(points, method):
    every = points.assign(psnr=points["psnr"].where(points["method"] != method, np.inf))
    assert duel(every, "psnr", "bpg") == Duel((), (), ())
    assert [row["method"] for row in winners(every, "psnr")] == {"spic": [], "bpg": ["spic"] * 3}[method]


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("gain", [0.0, -0.3, 0.3])
def test_the_claims_and_the_table_of_matched_rates_compare_as_a_duel_does(points, gain, low, high):
    both = pd.concat([points, points[points["method"] == "bpg"].assign(method="jpeg2000")], ignore_index=True)
    spic = both["method"] == "spic"
    both = both.assign(miou=both["miou"] + gain * spic, miou_low=low, miou_high=high)
    states = duel(both, "miou", "bpg").states
    verdict = FAILS if -1 in states else UNKNOWN if 0 in states else HOLDS
    assert judge_claims(both)["verdict"][0] == verdict
    matched = matched_table(both).set_index(["at", "method"])["miou"].unstack()
    margins = (matched["spic"] - matched["bpg"]).dropna()
    assert margins.tolist() == pytest.approx(list(duel(both, "miou", "bpg").margins))


def test_the_nearest_point_is_nearest_in_ratio(curve):
    table = pd.concat([curve("spic", [0.1, 0.3], miou=[1, 2]), curve("bpg", [0.0, math.nan, 5.0]), curve("x", [0.0])])
    found = nearest(table, 0.18)  # in difference 0.1 is nearer
    assert (
        {name: row["point"] for name, row in found.items()} == {"spic": "p1", "bpg": "p2"} == choose_points(table, 0.18)
    )
    assert found["spic"]["bpp"] == 0.3 and nearest(table.iloc[:0], 0.2) == {}
    assert distance(0.2, 0.1) == distance(0.1, 0.2) == pytest.approx(math.log(2))
    assert is_near(pd.Series([0.11, 0.12, 0.2, 0.24, 0.25]), 0.166).tolist() == [False, True, True, True, False]


def test_spic_with_another_coder_of_the_ssm_is_of_its_family():
    assert [family(name) for name in ("spic", "spic_labelmap", "spice", "bpg")] == ["spic", "spic", "spice", "bpg"]


def test_points_of_one_rate(curve):
    methods = ("spic", "bpg", "mine")
    points = pd.concat([curve(name, [0.1, 0.2, 0.3]) for name in methods], ignore_index=True)
    assert [(row["method"], row["point"]) for row in at_one_rate(points)] == [(name, "p1") for name in methods]
    table = points.assign(bpp=np.where(points["method"] == "mine", 2.9 * points["bpp"], points["bpp"]))
    assert "mine" in {row["method"] for row in at_one_rate(table)}  # 0.29 is within 1.5 of 0.2
    table = points.assign(bpp=np.where(points["method"] == "mine", 9 * points["bpp"], points["bpp"]))
    assert {row["method"] for row in at_one_rate(table)} == {"spic", "bpg"}
    assert at_one_rate(points[points["method"] == "bpg"])[0]["point"] == "p1"


def pairs(spic, bpg):
    rows = [{"method": "spic", "point": f"coarse_qp{k}", "bpp": v} for k, v in spic.items()]
    return pd.DataFrame(rows + [{"method": "bpg", "point": f"qp{k}", "bpp": v} for k, v in bpg.items()])


@pytest.mark.parametrize(
    ("spic", "bpg", "expected"),
    [
        ({30: 0.16}, {40: 0.15, 38: 0.2}, ("coarse_qp30", "qp38")),  # BPG has no fewer bits
        ({30: 0.16, 25: 0.2}, {40: 0.15, 38: 0.21}, ("coarse_qp25", "qp38")),  # nearest in rate
        ({45: 0.08, 30: 0.16}, {48: 0.08, 38: 0.2}, ("coarse_qp30", "qp38")),  # near the paper's rate
        ({45: 0.08}, {48: 0.085, 38: 0.2}, ("coarse_qp45", "qp48")),
        ({30: 0.16}, {48: 0.08, 46: 0.1}, ("coarse_qp30", "qp46")),  # BPG never has as many
    ],
)
def test_points_of_figure_2(spic, bpg, expected):
    found = equal_rate_pair(pairs(spic, bpg))
    assert tuple(row["point"] for row in found) == expected
    assert [row["method"] for row in found] == ["spic", "bpg"]
