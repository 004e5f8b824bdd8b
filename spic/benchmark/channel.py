"""A noisy channel around every point of a run: how often which parts of an image arrive, and what that is worth.

Every image of a point is sent as messages (`Method.messages`). What a receiver shows for each *pattern* of messages
that arrive was decoded and looked at once: the point itself where all arrive, the stand-in of `Method.stand_ins`, or
the mean image where the image is lost. Realisations of the channel only say how often each pattern occurs, so their
number costs nothing.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from spic.benchmark.coding import read_coded
from spic.benchmark.method import Method, Settings
from spic.benchmark.methods import get_method, point_name
from spic.benchmark.observations import check_names
from spic.benchmark.protocols import Protocol
from spic.benchmark.scores import first_pictures, of_set, read_scores
from spic.benchmark.symbols import SymbolMethod
from spic.channel.losses import check_known
from spic.channel.realisations import Realisations, channel_uses, schemes, shares
from spic.errors import ConfigError, DataError
from spic.metrics import finite_psnr
from spic.metrics import statistics as of
from spic.metrics.columns import Metric, columns_of
from spic.metrics.statistics import Evidence

LOST = "mean image"  # in the tables' column "method": what is shown of a lost image
KEYS = ["run", "protocol", "method", "point", "n", "modulation", "code_rate", "fading", "realisations", "snr_db"]
KEYS += ["cbr", "outage", "complete"]


@dataclass(frozen=True)
class Reading:
    """How scores are read: by which protocol, and how many neighbouring images an interval draws together."""

    protocol: Protocol
    block: int = 1


@dataclass(frozen=True)
class Files:
    """Where a point of a method lies.

    Attributes
    ----------
    method, point : str
        Names in the tables.
    parameters : dict
        The point itself, {parameter: value}.
    settings : spic.benchmark.method.Settings
        Of the method.
    scores, coded : list of path-like
        `scores.npz` and folder of coded files of each chunk.
    """

    method: str
    point: str
    parameters: dict
    settings: Settings
    scores: list
    coded: list


@dataclass(frozen=True)
class Sent:
    """What the channel needs of a point of a method.

    Attributes
    ----------
    method, point : str
        Names in the tables.
    sizes : dict of str to numpy.ndarray
        Bytes of each message, int64 (N,), as `message_sizes` gives them.
    scores : dict
        Of the images of which all messages arrive, as `spic.benchmark.scores.read_scores` gives them.
    stand_ins : dict
        Messages that arrived to the scores of what is shown then; the mean image where an entry is missing.
    """

    method: str
    point: str
    sizes: dict[str, np.ndarray]
    scores: dict
    stand_ins: dict[tuple[str, ...], dict] = field(default_factory=dict)


def check_channel(channel: dict, methods: dict[str, Method]) -> None:
    """`ConfigError` unless every code exists and can be simulated, every method has one, and every one has a method.

    Parameters
    ----------
    channel : dict
        As the config has it.
    methods : dict
        The methods of the run by name.
    """
    sent = {name: one.message_names for name, one in methods.items() if not isinstance(one, SymbolMethod)}
    fitting = dict.fromkeys(sent, 0)
    for scheme in schemes(channel):
        found = {name: codes for name, messages in sent.items() if (codes := scheme.codes(messages))}
        if not found:
            raise ConfigError(f"channel.code_rate: no method sends {' and '.join(scheme.rate)} alone")
        for name, codes in found.items():
            fitting[name] += 1
            for code in codes.values():
                check_known(code)
    for name, count in fitting.items():
        if not count:
            raise ConfigError(f"channel.code_rate: none of them is for what {name} sends, {' and '.join(sent[name])}")


def channel_table(identity: dict, points: list[Files], lost: list, channel: dict, reading: Reading) -> pd.DataFrame:
    """All rows of channel.csv.

    Parameters
    ----------
    identity : dict
        The columns run and protocol.
    points : list of Files
        All points of the run.
    lost : list of path-like
        `scores.npz` of the mean images, one file per chunk.
    channel : dict
        As the config has it.
    reading : Reading
        As for `summarize`.
    """
    count = reading.protocol.pictures
    scores = {(one.method, one.point): first_pictures(read_scores(one.scores), count) for one in points}
    nothing = first_pictures(read_scores(lost), count)
    draws = Realisations(nothing["names"], channel)
    rows = []
    for one in points:
        method, own = get_method(one.method, one.settings), scores[one.method, one.point]
        coded = {name: parts for folder in one.coded for name, parts in read_coded(folder).items()}
        value = one.parameters if len(one.parameters) > 1 else next(iter(one.parameters.values()))
        if isinstance(method, SymbolMethod):
            uses = np.mean([method.channel_uses(coded[str(name)]) for name in own["names"]])
            rows.append(symbol_row(one, own, float(uses), reading))
            continue
        shown = {}
        for came, candidates in method.stand_ins(value).items():
            found = [(name, point_name(point)) for name, point in candidates]
            at = next((at for at in found if at in scores), None)
            if at is not None:
                shown[came] = scores[at]
        sent = Sent(one.method, one.point, message_sizes(method, coded, own["names"]), own, shown)
        rows += point_rows(sent, nothing, channel, reading, draws)
    rows = [{**identity, **row} for row in [*rows, lost_row(nothing, reading)]]
    return pd.DataFrame(rows, columns=[*KEYS, *dict.fromkeys(key for row in rows for key in row if key not in KEYS)])


def message_sizes(method: Method, coded: dict[str, dict[str, bytes]], names) -> dict[str, np.ndarray]:
    """Bytes of each message of the images `names`, int64 (N,), of files as `read_coded` gives them.

    `DataError` where an image is sent as other messages than the method's `message_names`.
    """
    rows = []
    for image in map(str, names):
        sent = method.messages(coded[image])
        if tuple(sent) != method.message_names:
            raise DataError(f"{image} is sent as {', '.join(sent)}, not as {', '.join(method.message_names)}")
        rows.append([len(data) for data in sent.values()])
    return dict(zip(method.message_names, np.array(rows, np.int64).T, strict=True))


def point_rows(sent: Sent, lost: dict, channel: dict, reading: Reading, draws: Realisations) -> list[dict]:
    """Rows of one point in channel.csv, for all schemes that fit it and all SNRs, without run and protocol.

    Parameters
    ----------
    sent : Sent
        The point.
    lost : dict
        Scores of the mean image in place of each image.
    channel : dict
        As the config has it.
    reading : Reading
        As for `summarize`.
    draws : Realisations
        Of the same images.
    """
    patterns = [tuple(sent.sizes), *sent.stand_ins]
    sources = [sent.scores, *sent.stand_ins.values(), lost]
    for other in sources[1:]:
        check_names(other["names"], sent.scores["names"], f"{sent.method} {sent.point} and its stand-ins")
    pixels = 3 * int(sent.scores["height"]) * int(sent.scores["width"])
    rows, known = [], {}
    for scheme in schemes(channel):
        codes = scheme.codes(sent.sizes)
        for snr_db in channel["snr_db"] if codes else ():
            weights = shares(draws.arrive(sent.sizes, codes, snr_db), patterns)
            key = weights.tobytes()
            known[key] = known.get(key) or averaged(sources, weights, reading)
            row = {"method": sent.method, "point": sent.point, "n": len(sent.scores["names"])}
            row |= {"modulation": scheme.modulation, "code_rate": scheme.spelled(sent.sizes)}
            row |= {name: channel[name] for name in ("fading", "realisations")}
            row |= {"snr_db": snr_db, "cbr": float(channel_uses(sent.sizes, codes).mean() / pixels)}
            row |= {"outage": float(weights[-1].mean()), "complete": float(weights[0].mean())}
            rows.append(row | known[key])
    return rows


def symbol_row(at: Files, scores: dict, uses: float, reading: Reading) -> dict:
    """The row of a point of a method that makes symbols by itself: its SNR is its point."""
    n, pixels = len(scores["names"]), 3 * int(scores["height"]) * int(scores["width"])
    row = {"method": at.method, "point": at.point, "n": n, "modulation": "symbols", "realisations": 1}
    row |= {"snr_db": at.parameters["snr_db"], "cbr": uses / pixels, "outage": 0.0, "complete": 1.0}
    return row | averaged([scores], np.ones((1, n)), reading)


def lost_row(lost: dict, reading: Reading) -> dict:
    """The row of channel.csv that says what the mean image is worth."""
    weights = np.ones((1, len(lost["names"])))
    return {"method": LOST, "point": "", "n": len(lost["names"]), "cbr": 0.0, "outage": 1.0, "complete": 0.0} | (
        averaged([lost], weights, reading)
    )


def averaged(sources: list[dict], weights: np.ndarray, reading: Reading) -> dict:
    """Every metric of images that look like each source in some share of the realisations, with its interval.

    Parameters
    ----------
    sources : list of dict
        Scores of the same N images.
    weights : numpy.ndarray
        float64 (sources, N), columns with the sum 1.
    reading : Reading
        As for `summarize`.

    Returns
    -------
    dict
        {name: value, name_low, name_high}. A mean over images is the mean over images and realisations; an IoU or
        recall is that of the totals over both. Numbers of sets (Fréchet distances) are not among them.
    """
    arrays = {}
    for key, own in sources[0].items():
        if of_set(key) or own.dtype.kind not in "biuf" or not all(key in other for other in sources):
            arrays[key] = own
        else:
            found = [_finite(key, source) for source in sources]
            arrays[key] = sum(_times(share, values) for share, values in zip(weights, found, strict=True))
    evidence = Evidence(arrays, {}, {}, reading.protocol.absent, None, reading.block)
    row = {}
    for metric in _metrics(sources):
        value = metric.value(evidence, metric.needs)
        row[metric.name] = value[0] if isinstance(value, tuple) else value
        ends = metric.interval(evidence, metric.needs) if metric.interval else None
        row |= dict(zip((f"{metric.name}_low", f"{metric.name}_high"), ends or (np.nan, np.nan), strict=True))
    return row


def _metrics(sources: list[dict]) -> list[Metric]:
    """Metrics that add up over images and that all sources have. The paper's mIoU averages a ratio of each image."""
    common = set.intersection(*map(set, sources)) - {"names"}
    known = [row for row in columns_of(common) if row.needs in common and row.value is not None]
    return [row for row in known if row.each is not of.miou_of_interest_each]


def _finite(key: str, scores: dict) -> np.ndarray:
    """What adds up; identical images have a finite PSNR, as in the mean over a set."""
    if key != "psnr":
        return scores[key]
    return finite_psnr(scores[key], 3 * int(scores["height"]) * int(scores["width"]))


def _times(share: np.ndarray, values: np.ndarray) -> np.ndarray:
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return np.where(share > 0, share * values, 0.0)
