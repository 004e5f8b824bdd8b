"""The paper's nine claims, each judged on the data at hand: holds, does not hold, cannot be judged, with the numbers.

Every verdict follows from numbers by the rule in the docstring of the claim's function; the thresholds are the
constants below. Rates are compared only where both methods have points around them: nothing is extrapolated. Where a
difference has a confidence interval (`spic.report.comparison.state`) and that holds 0, it is no difference, and a claim
that depends on it cannot be judged.
"""

import math
from typing import NamedTuple

import pandas as pd

from spic.errors import ConfigError, DataError
from spic.report.comparison import (
    ANCHOR,
    BASELINES,
    FIGURE2_BPP,
    Curve,
    Duel,
    duel,
    is_near,
    nearest,
    speaking_judges,
    state,
)
from spic.report.tables import identical_images

HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be judged"
TEXTS = {
    1: "mIoU of SPIC is above that of BPG and JPEG 2000 at the same BPP (figure 4a)",
    2: "BPG needs a rate in the order of 1 BPP for SPIC's mIoU",
    3: "FID of SPIC is below that of BPG and JPEG 2000 at the same BPP (figure 4b)",
    4: "The SSM coded by FLIF costs about 0.112 BPP",
    5: "BPG at 0.176 BPP loses the cyclist and the pedestrian that SPIC at 0.166 BPP keeps (figure 2)",
    6: "Super-resolution without the SSM loses small pedestrians and signs (figure 3)",
    7: "SPIC is slightly suboptimal in the ordinary rate-distortion sense",
    8: "The segmenter can be replaced without retraining the rest",
    9: "20 iterations at inference instead of 1000 save time and energy",
}
ORDER_OF_ONE = (10**-0.5, 10**0.5)  # BPP that round to 1 on a logarithmic scale of decades
SSM_BPP, ABOUT = 0.112, 0.1  # claim 4: "about" is within 10 %
SLIGHTLY_DB = 1.0  # claim 7: about a quarter of BPG's rate, where CamVid has SPIC's rates
REPLACED_SHARE = 0.9  # claim 8: share of the mIoU that has to remain
FEW_STEPS, MANY_STEPS = 20, 1000


class Verdict(NamedTuple):
    """A verdict and the sentence with its numbers."""

    verdict: str
    numbers: str


def judge_claims(
    points: pd.DataFrame,
    *,
    protocol: str = "corrected",
    pictures: pd.DataFrame | None = None,
    other_segmenter: pd.DataFrame | None = None,
    steps: pd.DataFrame | None = None,
    judges: pd.DataFrame | None = None,
    ssm_codec: str = "flif",
    ssm_source: str = "segmenter",
) -> pd.DataFrame:
    """Judge the nine claims.

    Parameters
    ----------
    points : pandas.DataFrame
        The table `points.csv`. Where it has a column `protocol`, the rows of `protocol` are taken.
    protocol : str
        "corrected" or "official".
    pictures : pandas.DataFrame, optional
        The per-picture table: method, point, name, bpp, and persons_found, persons_total (pedestrians and cyclists) or
        small_found, small_total (small objects of any kind). For claim 5.
    other_segmenter : pandas.DataFrame, optional
        Points of SPIC with another segmenter at the transmitter and the same decoder. For claim 8.
    steps : pandas.DataFrame, optional
        steps (network evaluations per image), seconds (per image), and joules where measured. For claim 9.
    judges : pandas.DataFrame, optional
        The table judge.csv: how well the judges see the originals. For claim 1.
    ssm_codec, ssm_source : str
        What coded the SSM and where it came from ("segmenter", "ground_truth"). For claim 4.

    Returns
    -------
    pandas.DataFrame
        protocol, claim (1 to 9), text, verdict, numbers; nine rows. What a claim needs and the data lack makes it
        "cannot be judged", and `numbers` says what is lacking.

    Raises
    ------
    DataError
        A table lacks a column that every such table has.
    ConfigError
        The points hold no row of the protocol.
    """
    points, pictures, other = (
        None if table is None else _rows_of(table, protocol) for table in (points, pictures, other_segmenter)
    )
    verdicts = [
        _judged(claim_1, points, judges),
        _judged(claim_2, points),
        _judged(claim_3, points),
        _judged(claim_4, points, ssm_codec, ssm_source),
        _judged(claim_5, points, pictures),
        _judged(claim_6, points),
        _judged(claim_7, points, pictures),
        _judged(claim_8, points, other),
        _judged(claim_9, steps),
    ]
    table = pd.DataFrame(verdicts).assign(protocol=protocol, claim=list(TEXTS), text=list(TEXTS.values()))
    return table[["protocol", "claim", "text", "verdict", "numbers"]]


class _Lacking(Exception):
    """The data lack what a claim needs: it cannot be judged."""


def _judged(claim, *tables) -> Verdict:
    try:
        return claim(*tables)
    except _Lacking as lack:
        return Verdict(UNKNOWN, str(lack))


def _need(there, else_: str) -> None:
    if not there:
        raise _Lacking(else_)


def claim_1(points: pd.DataFrame, judges: pd.DataFrame | None = None) -> Verdict:
    """Holds if at every point of SPIC between two rates of a baseline its mIoU is above the baseline's, for both.

    Does not hold if it is below at one of them; cannot be judged where a baseline shares no rate, or a difference
    lies inside its confidence interval. The verdict is that of `miou`; the numbers add those by the paper's formula
    and by the least favourable of the judges that can see: at least 0.50 to ground truth on the originals.
    """
    verdict, numbers = _against_baselines(points, "miou")
    if _has(points, "miou_image"):
        other = _against_baselines(points, "miou_image")
        numbers += f"; by the paper's formula it {other.verdict}: {other.numbers}"
    spoken = speaking_judges(points, judges)
    if spoken:
        metric, name = min(spoken.items(), key=lambda one: _least_margin(points, one[0]))
        other = _against_baselines(points, metric)
        who = "the independent judge" if len(spoken) == 1 else f"the least favourable of {len(spoken)} judges, {name},"
        numbers += f"; by {who} it {other.verdict}: {other.numbers}"
    return Verdict(verdict, numbers)


def _least_margin(points: pd.DataFrame, metric: str) -> float:
    return min((margin for other in BASELINES for margin in duel(points, metric, other).margins), default=math.inf)


def claim_2(points: pd.DataFrame) -> Verdict:
    """Holds if BPG's curve reaches the mIoU of SPIC's best point at 0.32 to 3.2 BPP, or not up to 1 BPP or more.

    Does not hold if it reaches it elsewhere, or already at its lowest rate and that is below 0.32 BPP.
    """
    spic, curve = Curve(points, ANCHOR, "miou").points, Curve(points, "bpg", "miou")
    _need(len(spic) and len(curve), "mIoU of SPIC or of BPG is missing")
    best = spic.iloc[spic["miou"].argmax()]
    start = f"SPIC's best mIoU is {best['miou']:.3g} at {best['bpp']:.3g} BPP"
    needed = curve.rate_of(best["miou"])
    low, high = ORDER_OF_ONE
    if not math.isnan(needed):
        return Verdict(HOLDS if low <= needed <= high else FAILS, f"{start}, BPG has it at {needed:.3g} BPP")
    first, last = curve.points.iloc[0], curve.points.iloc[-1]
    if curve.points["miou"].min() > best["miou"]:
        verdict = FAILS if first["bpp"] < low else UNKNOWN
        return Verdict(verdict, f"{start}, BPG has {first['miou']:.3g} already at {first['bpp']:.3g} BPP, its lowest")
    verdict = HOLDS if last["bpp"] >= 1 else UNKNOWN
    return Verdict(verdict, f"{start}, BPG does not reach it up to {last['bpp']:.3g} BPP, its highest")


def claim_3(points: pd.DataFrame) -> Verdict:
    """As claim 1 for FID, where lower is better.

    Without FID the distances at hand stand in for it, `fd_lite0` and `fd_patch`, and the numbers say so; the
    claim is judged only if all of them lead to one verdict.
    """
    if _has(points, "fid"):
        return _against_baselines(points, "fid")
    judged = {name: _against_baselines(points, name) for name in ("fd_lite0", "fd_patch") if _has(points, name)}
    _need(judged, "neither FID nor another distance was computed")
    verdicts = {verdict for verdict, _ in judged.values()}
    numbers = "; ".join(f"{metric}: {numbers}" for metric, (_, numbers) in judged.items())
    return Verdict(verdicts.pop() if len(verdicts) == 1 else UNKNOWN, f"FID was not computed, in its place {numbers}")


def claim_4(points: pd.DataFrame, ssm_codec: str = "flif", ssm_source: str = "segmenter") -> Verdict:
    """Holds if the mean rate of the SSM lies within 10 % of 0.112 BPP; cannot be judged for another codec than FLIF."""
    rates = points.loc[points["method"] == "spic", "bpp_ssm"].dropna() if "bpp_ssm" in points else []
    _need(len(rates), "the rate of the SSM is missing")
    rate = float(rates.mean())
    source = {"segmenter": "the segmenter's maps", "ground_truth": "ground truth"}.get(ssm_source, ssm_source)
    numbers = f"{rate:.3g} BPP by {ssm_codec} for {source}, {100 * (rate / SSM_BPP - 1):+.0f} % of 0.112"
    _need(ssm_codec == "flif", numbers)
    return Verdict(HOLDS if abs(rate / SSM_BPP - 1) <= ABOUT else FAILS, numbers)


def claim_5(points: pd.DataFrame, pictures: pd.DataFrame | None) -> Verdict:
    """Holds if SPIC finds two persons more than BPG in some images, and in more of them than the other way round.

    SPIC's point is the one nearest to 0.166 BPP, if within a factor of 1.5; BPG's is, image by image, its lowest
    rate that is not below SPIC's, so BPG never has fewer bits. Two persons, as figure 2 shows a cyclist and a
    pedestrian; a person is found if the judge finds half of its pixels again.
    """
    _need(pictures is not None and len(pictures), "no table of single pictures")
    kinds = {"persons": "persons", "small": "small objects"}
    kind = next((k for k in kinds if {f"{k}_found", f"{k}_total"} <= set(pictures)), None)
    _need(kind, "objects were not counted in single pictures")
    spic = nearest(points, FIGURE2_BPP).get(ANCHOR)
    _need(spic, "the run has no points of SPIC")
    point, rate = spic["point"], spic["bpp"]
    _need(is_near(rate, FIGURE2_BPP), f"SPIC's point nearest to {FIGURE2_BPP} BPP has {rate:.3g} BPP")
    ours = pictures[(pictures["method"] == "spic") & (pictures["point"] == point) & (pictures[f"{kind}_total"] >= 2)]
    pairs = ours.merge(pictures[pictures["method"] == "bpg"], on="name", suffixes=("", "_bpg"))
    pairs = pairs[pairs["bpp_bpg"] >= pairs["bpp"]].sort_values("bpp_bpg").drop_duplicates("name")
    _need(len(pairs), "no picture with two such objects has a point of BPG at SPIC's rate or above")
    gain = pairs[f"{kind}_found"] - pairs[f"{kind}_found_bpg"]
    more, fewer = (gain >= 2).sum(), (gain <= -2).sum()
    return Verdict(
        HOLDS if more > fewer else FAILS,
        f"at {rate:.3g} BPP SPIC finds two or more {kinds[kind]} more than BPG at no lower rate in {more} of "
        f"{len(pairs)} pictures with two or more, and BPG more than SPIC in {fewer}",
    )


def claim_6(points: pd.DataFrame) -> Verdict:
    """Holds if super-resolution without the SSM (`sr`) finds fewer small objects than SPIC at every shared point.

    Points are paired by name, so both start from the same coarse image. Does not hold if it finds as many or more at
    one of them.
    """
    spic, sr = (Curve(points, method, "small_recall").points for method in (ANCHOR, "sr"))
    _need(len(sr), "the run has no super-resolution without the SSM (method sr)")
    pairs = spic.merge(sr[["point", "small_recall"]], on="point", suffixes=("", "_sr")).to_dict("records")
    _need(pairs, "SPIC and sr share no point with a count of small objects")
    numbers = ", ".join(
        f"{100 * row['small_recall_sr']:.0f} % against {100 * row['small_recall']:.0f} % with the SSM at {row['point']}"
        for row in pairs
    )
    verdict = _verdict([state(row, "small_recall", row["small_recall_sr"]) for row in pairs])
    return Verdict(verdict, f"small objects found: {numbers}")


def claim_7(points: pd.DataFrame, pictures: pd.DataFrame | None = None) -> Verdict:
    """Holds if SPIC's PSNR is below BPG's at the same rate, by 1 dB at most, at every shared rate.

    The numbers say how many images are identical to their originals, where `pictures` tells.
    """
    shared = duel(points, "psnr", "bpg")
    _need(shared.rates, "SPIC and BPG share no rate with a PSNR")
    verdict = HOLDS if all(-SLIGHTLY_DB <= margin < 0 for margin in shared.margins) else FAILS
    numbers = [f"PSNR against BPG's {_margins(shared, 'dB')}"]
    if pictures is not None:
        numbers.append(identical_images(pictures, ("spic", "bpg")))
    return Verdict(verdict, "; ".join(filter(None, numbers)))


def claim_8(points: pd.DataFrame, other: pd.DataFrame | None) -> Verdict:
    """Holds if with another segmenter and the same decoder 90 % of SPIC's mIoU remain at every shared point.

    mIoU is the independent judge's where both tables have it, else that of each run's own segmenter.
    """
    _need(other is not None and len(other), "no run with a second segmenter")
    metric, by = "miou_independent", "the independent judge's mIoU"
    if not (_has(points, metric) and _has(other, metric)):
        metric, by = "miou", "mIoU"
    ours, theirs = (Curve(table, ANCHOR, metric).points for table in (points, other))
    pairs = ours[ours[metric] > 0].merge(theirs[["point", metric]], on="point", suffixes=("", "_other"))
    _need(len(pairs), "the two segmenters share no point with an mIoU")
    shares = pairs[f"{metric}_other"] / pairs[metric]
    row = pairs.loc[shares.idxmin()]
    where = f" (run {other['run'].iloc[0]})" if "run" in other else ""
    return Verdict(
        HOLDS if shares.min() >= REPLACED_SHARE else FAILS,
        f"{by} with the other segmenter{where} is at least {100 * shares.min():.0f} % of that with the first at "
        f"{len(pairs)} points ({row[f'{metric}_other']:.3g} against {row[metric]:.3g} at {row['point']})",
    )


def claim_9(steps: pd.DataFrame | None) -> Verdict:
    """Holds if 20 steps take less time than 1000, and less energy where it was measured.

    Energy that was not measured is left out of the verdict, and the numbers say so. Quality at 20 steps is not part
    of the claim.
    """
    _need(steps is not None and len(steps), "no table of steps")
    if not {"steps", "seconds"} <= set(steps):
        raise DataError("the table of steps needs the columns steps and seconds")
    few, many = (steps[steps["steps"] == count].mean(numeric_only=True) for count in (FEW_STEPS, MANY_STEPS))
    _need(
        not math.isnan(few["seconds"] + many["seconds"]), f"times of {FEW_STEPS} and of {MANY_STEPS} steps are needed"
    )
    saved = few["seconds"] < many["seconds"]
    numbers = f"{few['seconds']:.3g} s against {many['seconds']:.3g} s per image"
    if "joules" not in steps or math.isnan(few["joules"] + many["joules"]):
        return Verdict(HOLDS if saved else FAILS, f"{numbers}; energy was not measured")
    saved = saved and few["joules"] < many["joules"]
    return Verdict(HOLDS if saved else FAILS, f"{numbers}, {few['joules']:.3g} J against {many['joules']:.3g} J")


def _against_baselines(points: pd.DataFrame, metric: str) -> Verdict:
    """SPIC against both baselines at its own rates: worse at one point fails; no shared rate leaves it open."""
    duels = {baseline: duel(points, metric, baseline) for baseline in BASELINES}
    verdicts = [_verdict(shared.states) for shared in duels.values()]
    numbers = [
        f"against {baseline} {_margins(shared)}" if shared.rates else f"no rate shared with {baseline}"
        for baseline, shared in duels.items()
    ]
    return Verdict(next((v for v in (FAILS, UNKNOWN) if v in verdicts), HOLDS), ", ".join(numbers))


def _verdict(states) -> str:
    if -1 in states:
        return FAILS
    return HOLDS if states and 0 not in states else UNKNOWN


def _margins(shared: Duel, unit: str = "") -> str:
    """ "-0.12 to -0.05 at 3 points from 0.1 to 0.2 BPP"."""
    rates, margins, states = shared
    span = f"{min(margins):+.3g} to {max(margins):+.3g}"
    where = f"{len(rates)} points from {min(rates):.3g} to {max(rates):.3g} BPP"
    if len(rates) == 1:
        span, where = f"{margins[0]:+.3g}", f"{rates[0]:.3g} BPP"
    unsure = f" ({states.count(0)} inside the confidence interval)" if 0 in states else ""
    return f"{span} {unit}".rstrip() + f" at {where}{unsure}"


def _has(points: pd.DataFrame, metric: str) -> bool:
    return len(Curve(points, ANCHOR, metric)) > 0


def _rows_of(table: pd.DataFrame, protocol: str) -> pd.DataFrame:
    missing = {"method", "point", "bpp"} - set(table)
    if missing:
        raise DataError(f"the table has no column {', '.join(sorted(missing))}")
    if "protocol" not in table:
        return table
    rows = table[table["protocol"] == protocol]
    if not len(rows):
        raise ConfigError(
            f"no row of the protocol {protocol!r}; there are {', '.join(map(str, table['protocol'].unique()))}"
        )
    return rows
