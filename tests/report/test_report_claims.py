import numpy as np
import pandas as pd
import pytest

from spic.errors import ConfigError, DataError
from spic.report.claims import FAILS, HOLDS, TEXTS, UNKNOWN, judge_claims
from spic.report.compare import claims_markdown

RATES = {"spic": [0.12, 0.17, 0.22], "bpg": [0.1, 0.2, 0.4, 1.2], "jpeg2000": [0.1, 0.2, 0.4, 1.2]}


def table(**values):
    """Points of SPIC, BPG and JPEG 2000; `bpg_miou=[...]` gives the column miou of BPG."""
    rows = []
    for method, rates in RATES.items():
        own = {key: column for key, column in values.items() if key.startswith(f"{method}_")}
        columns = {key.removeprefix(f"{method}_"): column for key, column in own.items()}
        for i, rate in enumerate(rates):
            numbers = {key: column[i] for key, column in columns.items()}
            rows.append({"method": method, "point": f"p{i}", "bpp": rate, "miou": np.nan, **numbers})
    return pd.DataFrame(rows)


def judged(number, points, **facts):
    row = judge_claims(points, **facts).set_index("claim").loc[number]
    return row["verdict"], row["numbers"]


LOW, HIGH = [0.2, 0.3, 0.5, 0.9], [0.5, 0.7, 0.8, 0.95]


def test_nine_claims_come_out_of_a_bare_table_and_none_of_them_can_be_judged():
    bare = judge_claims(table())
    assert list(bare.columns) == ["protocol", "claim", "text", "verdict", "numbers"]
    assert list(bare["claim"]) == list(range(1, 10)) and list(bare["text"]) == list(TEXTS.values())
    assert set(bare["verdict"]) == {UNKNOWN} and bare["numbers"].str.len().min() > 10
    assert set(judge_claims(table().iloc[:0])["verdict"]) == {UNKNOWN}


def test_claim_1_above_both_at_every_shared_rate():
    spic = [0.5, 0.6, 0.7]
    verdict, numbers = judged(1, table(spic_miou=spic, bpg_miou=LOW, jpeg2000_miou=LOW))
    assert verdict == HOLDS and "3 points from 0.12 to 0.22 BPP" in numbers and "jpeg2000" in numbers
    assert judged(1, table(spic_miou=spic, bpg_miou=LOW, jpeg2000_miou=HIGH))[0] == FAILS
    crossing = [0.2, 0.3, 0.95, 0.99]
    assert judged(1, table(spic_miou=[0.5, 0.6, 0.34], bpg_miou=crossing, jpeg2000_miou=LOW))[0] == FAILS
    equal = table(spic_miou=[0.2] * 3, bpg_miou=[0.2] * 4, jpeg2000_miou=[0.1] * 4)
    assert judged(1, equal)[0] == FAILS


def test_claim_1_needs_shared_rates_with_both():
    points = table(spic_miou=[0.5, 0.6, 0.7], bpg_miou=LOW, jpeg2000_miou=LOW)
    verdict, numbers = judged(1, points[points["method"] != "jpeg2000"])
    assert verdict == UNKNOWN and "no rate shared with jpeg2000" in numbers
    assert judged(1, points[(points["method"] != "bpg") | (points["bpp"] > 0.3)])[0] == UNKNOWN


def test_claim_1_does_not_take_a_difference_inside_the_interval_for_one():
    interval = {"spic_miou_low": [0.1, 0.5, 0.6], "spic_miou_high": [0.6, 0.7, 0.8]}
    points = table(spic_miou=[0.5, 0.6, 0.7], bpg_miou=LOW, jpeg2000_miou=LOW, **interval)
    verdict, numbers = judged(1, points)
    assert verdict == UNKNOWN and "1 inside the confidence interval" in numbers
    unknown = points.assign(miou_low=np.nan, miou_high=np.nan)
    assert judged(1, unknown)[0] == HOLDS
    assert judged(1, table(spic_miou=[0.1, 0.6, 0.7], bpg_miou=LOW, jpeg2000_miou=HIGH))[0] == FAILS


def test_points_of_one_rate_and_repeated_row_numbers():
    good = table(spic_miou=[0.5, 0.6, 0.7], bpg_miou=LOW, jpeg2000_miou=LOW, spic_small_recall=[0.5, 0.6, 0.7])
    twin = good[good["method"] == "bpg"].assign(point="twin")
    verdict, numbers = judged(1, pd.concat([good, twin]), pictures=pictures([3], [1]))
    assert verdict == HOLDS and numbers == judged(1, good)[1]
    assert judged(2, pd.concat([good, twin]))[1] == judged(2, good)[1]
    no_rate = good.assign(bpp=good["bpp"].where(good["point"] != "p2"))
    assert "2 points from 0.12 to 0.17 BPP" in judged(1, no_rate)[1]


def test_claim_1_adds_the_independent_judge():
    points = table(
        spic_miou=[0.5, 0.6, 0.7],
        bpg_miou=LOW,
        jpeg2000_miou=LOW,
        spic_miou_independent=[0.1, 0.1, 0.1],
        bpg_miou_independent=LOW,
        jpeg2000_miou_independent=LOW,
    )
    verdict, numbers = judged(1, points)
    assert "formula" not in numbers
    assert verdict == HOLDS and "by the independent judge it does not hold: against bpg -" in numbers


@pytest.mark.parametrize(
    ("bpg", "verdict", "words"),
    [
        ([0.2, 0.3, 0.5, 0.8], HOLDS, "BPG has it at 0.83"),
        ([0.5, 0.72, 0.8, 0.9], FAILS, "BPG has it at 0.18"),
        ([0.2, 0.3, 0.4, 0.5], HOLDS, "does not reach it up to 1.2"),
        ([0.75, 0.8, 0.85, 0.9], FAILS, "already at 0.1 BPP"),
        ([0.2, 0.3, 0.4, np.nan], UNKNOWN, "does not reach it up to 0.4"),
        ([np.nan] * 4, UNKNOWN, "missing"),
    ],
)
def test_claim_2(bpg, verdict, words):
    found, numbers = judged(2, table(spic_miou=[0.5, 0.6, 0.7], bpg_miou=bpg))
    assert found == verdict and words in numbers


def test_claim_2_can_not_be_judged_where_bpgs_lowest_rate_is_high():
    points = table(spic_miou=[0.5, 0.6, 0.7], bpg_miou=[0.75, 0.8, 0.85, 0.9])
    assert judged(2, points[(points["method"] != "bpg") | (points["bpp"] > 0.35)])[0] == UNKNOWN


def test_claim_3_takes_fid_where_there_is_one():
    worse = {"bpg_fid": [90, 80, 70, 60], "jpeg2000_fid": [95, 85, 75, 65]}
    verdict, numbers = judged(3, table(spic_fid=[50, 40, 30], **worse))
    assert verdict == HOLDS and "not computed" not in numbers and "-" in numbers
    assert judged(3, table(spic_fid=[50, 40, 79], **worse))[0] == FAILS
    assert judged(3, table(spic_fid=[50, 40, 30], bpg_fid=worse["bpg_fid"]))[0] == UNKNOWN


def test_claim_3_names_its_stand_ins_and_wants_them_to_agree():
    worse, better = [90, 80, 70, 60], [9, 8, 7, 6]
    stand_in = {"spic_fd_lite0": [50, 40, 30], "bpg_fd_lite0": worse, "jpeg2000_fd_lite0": worse}
    verdict, numbers = judged(3, table(**stand_in))
    assert verdict == HOLDS and "FID was not computed, in its place fd_lite0" in numbers
    agree = {"spic_fd_patch": [50, 40, 30], "bpg_fd_patch": worse, "jpeg2000_fd_patch": worse}
    assert judged(3, table(**stand_in, **agree))[0] == HOLDS
    verdict, numbers = judged(3, table(**stand_in, **{**agree, "bpg_fd_patch": better}))
    assert verdict == UNKNOWN and "fd_patch" in numbers


def test_claim_4():
    for rate, expected in ((0.112, HOLDS), (0.102, HOLDS), (0.122, HOLDS), (0.0844, FAILS), (0.13, FAILS)):
        verdict, numbers = judged(4, table(spic_bpp_ssm=[rate] * 3), ssm_source="ground_truth")
        assert verdict == expected and f"{rate:.3g} BPP by flif for ground truth" in numbers
    assert judged(4, table(spic_bpp_ssm=[0.112] * 3), ssm_codec="png")[0] == UNKNOWN
    assert judged(4, table(bpg_bpp_ssm=[0.112] * 4))[0] == UNKNOWN


def pictures(spic, bpg, total=3, kind="persons"):
    """One picture a pair; BPG's three points have its count, but too few bits at the first."""
    rows = []
    for i, (ours, theirs) in enumerate(zip(spic, bpg, strict=True)):
        facts = {"name": f"frame{i}", f"{kind}_total": total}
        rows.append({"method": "spic", "point": "p1", "bpp": 0.17, f"{kind}_found": ours, **facts})
        for point, rate, found in (("q0", 0.1, 0), ("q1", 0.18, theirs), ("q2", 0.5, total)):
            rows.append({"method": "bpg", "point": point, "bpp": rate, f"{kind}_found": found, **facts})
    return pd.DataFrame(rows)


def test_claim_5():
    verdict, numbers = judged(5, table(), pictures=pictures([3, 3, 2], [1, 3, 2]))
    assert verdict == HOLDS and "persons more than BPG" in numbers and "1 of 3 pictures" in numbers
    assert judged(5, table(), pictures=pictures([3, 2], [2, 2]))[0] == FAILS  # one person more is not two
    assert judged(5, table(), pictures=pictures([3, 0, 0], [1, 2, 2]))[0] == FAILS  # the reverse is more frequent
    assert judged(5, table(), pictures=pictures([2], [0], kind="small"))[0] == HOLDS


def test_claim_5_lacks():
    assert judged(5, table())[0] == UNKNOWN
    assert judged(5, table(), pictures=pictures([1], [0], total=1))[0] == UNKNOWN
    no_counts = pictures([3], [1]).drop(columns="persons_found")
    assert "not counted" in judged(5, table(), pictures=no_counts)[1]
    lone = pictures([3], [1])
    assert judged(5, table(), pictures=lone[lone["point"] != "q2"].query("bpp != 0.18"))[0] == UNKNOWN
    far = table().query("method != 'spic' or bpp < 0.1")
    assert judged(5, far, pictures=lone)[0] == UNKNOWN
    far = table().assign(bpp=lambda t: t["bpp"] * 3)
    assert "nearest to 0.166" in judged(5, far, pictures=lone)[1]


def test_claim_6():
    sr = pd.DataFrame({"method": "sr", "point": ["p0", "p2"], "bpp": [0.05, 0.1], "small_recall": [0.2, 0.3]})
    points = pd.concat([table(spic_small_recall=[0.5, 0.6, 0.7]), sr])
    verdict, numbers = judged(6, points)
    assert verdict == HOLDS and "20 % against 50 % with the SSM at p0" in numbers
    assert (
        judged(6, points.assign(small_recall=points["small_recall"].where(points["method"] != "sr", 0.5)))[0] == FAILS
    )
    assert judged(6, pd.concat([table(), sr]))[0] == UNKNOWN
    wide = points.assign(small_recall_low=0.1, small_recall_high=0.9)
    assert judged(6, wide)[0] == UNKNOWN


@pytest.mark.parametrize(
    ("margin", "verdict"), [(-0.3, HOLDS), (-0.99, HOLDS), (-1.1, FAILS), (0.2, FAILS), (np.nan, UNKNOWN)]
)
def test_claim_7(margin, verdict):
    found, numbers = judged(7, table(spic_psnr=[30 + margin] * 3, bpg_psnr=[30] * 4))
    assert found == verdict
    if verdict == FAILS:
        assert f"{margin:+.3g} to {margin:+.3g} dB" in numbers


def test_claim_8():
    points = table(spic_miou=[0.5, 0.6, 0.7])
    other = table(spic_miou=[0.5, 0.55, 0.7])
    verdict, numbers = judged(8, points, other_segmenter=other)
    assert verdict == HOLDS and "92 %" in numbers and "0.55 against 0.6 at p1" in numbers
    assert judged(8, points, other_segmenter=table(spic_miou=[0.5, 0.5, 0.7]))[0] == FAILS
    independent = {"spic_miou_independent": [0.5, 0.6, 0.7]}
    verdict, numbers = judged(
        8,
        table(spic_miou=[0.5, 0.6, 0.7], **independent),
        other_segmenter=table(spic_miou=[0.1, 0.1, 0.1], **independent),
    )
    assert verdict == HOLDS and "independent" in numbers
    assert judged(8, points)[0] == judged(8, points, other_segmenter=table())[0] == UNKNOWN
    assert judged(8, points, other_segmenter=other.assign(point="elsewhere"))[0] == UNKNOWN


def test_claim_9():
    def steps(**columns):
        return pd.DataFrame({"steps": [1, 20, 1000], **columns})

    verdict, numbers = judged(9, table(), steps=steps(seconds=[0.1, 1.5, 75.0]))
    assert verdict == HOLDS and "1.5 s against 75 s" in numbers and "energy was not measured" in numbers
    assert judged(9, table(), steps=steps(seconds=[0.1, 80.0, 75.0]))[0] == FAILS
    both = steps(seconds=[0.1, 1.5, 75.0], joules=[1.0, 20.0, 900.0])
    assert judged(9, table(), steps=both)[1].endswith("20 J against 900 J")
    assert judged(9, table(), steps=both.assign(joules=[1.0, 20.0, 10.0]))[0] == FAILS
    assert judged(9, table(), steps=both[both["steps"] < 1000])[0] == UNKNOWN
    with pytest.raises(DataError, match="steps and seconds"):
        judged(9, table(), steps=steps())


def test_one_protocol_is_judged_at_a_time():
    good = table(spic_miou=[0.5, 0.6, 0.7], bpg_miou=LOW, jpeg2000_miou=LOW).assign(protocol="official")
    bad = table(spic_miou=[0.1, 0.1, 0.1], bpg_miou=LOW, jpeg2000_miou=LOW).assign(protocol="corrected")
    both = pd.concat([good, bad])
    assert judged(1, both)[0] == FAILS and judged(1, both, protocol="official")[0] == HOLDS
    assert set(judge_claims(both, protocol="official")["protocol"]) == {"official"}
    with pytest.raises(ConfigError, match="official, corrected"):
        judge_claims(both, protocol="mine")
    with pytest.raises(DataError, match="no column bpp"):
        judge_claims(both.drop(columns="bpp"))


def test_markdown_has_a_row_a_claim():
    text = claims_markdown(judge_claims(table(spic_miou=[0.5, 0.6, 0.7], bpg_miou=LOW, jpeg2000_miou=LOW)))
    lines = text.splitlines()
    assert len(lines) == 11 and lines[2].startswith("| 1 | mIoU of SPIC") and "**holds**" in lines[2]
    assert all(line.count(" | ") == 3 for line in lines[2:])


def judges(**means):
    return pd.DataFrame([{"run": "r", "judge": n, "class": "mean", "iou_gt": v} for n, v in means.items()])


def test_the_least_favourable_judge_that_can_see_is_quoted():
    kinds = {"miou_independent": [0.6, 0.7, 0.8], "miou_judge_a": [0.6, 0.7, 0.8], "miou_judge_b": [0.2, 0.2, 0.2]}
    values = {f"spic_{metric}": column for metric, column in kinds.items()}
    for other in ("bpg", "jpeg2000"):
        values |= {f"{other}_{metric}": [0.3, 0.4, 0.5, 0.55] for metric in kinds}
    points = table(spic_miou=[0.6, 0.7, 0.8], bpg_miou=LOW, jpeg2000_miou=LOW, **values)

    def said(**means):
        return judge_claims(points, judges=judges(**means)).loc[0, "numbers"]

    assert "the least favourable of 3 judges, b, it does not hold" in said(judge=0.7, a=0.6, b=0.5)
    assert "b, it" not in (blind := said(judge=0.7, a=0.6, b=0.49)) and "of 2 judges" in blind
    assert "by the independent judge it holds" in said(judge=0.7, a=0.4, b=0.4)
    assert "judge" not in said(judge=0.1, a=0.1, b=0.1)
    assert "of 3 judges" in said(judge=np.nan, a=np.nan, b=np.nan)  # no ground truth to go by
