"""The numbers of one point: from scores of pictures and features of sets to its rows in the tables."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from spic import metrics
from spic.errors import DataError
from spic.images import write_bytes
from spic.looks import check_names
from spic.metrics import intervals as blocks
from spic.metrics.objects import SIZE_NAMES, recall
from spic.metrics.rate import bpp
from spic.protocols import Protocol
from spic.scores import first_pictures
from spic.strict_json import to_json

NOT_COMPUTED = float("nan")  # an empty field in the CSV
PAYLOADS = ("ssm", "coarse", "picture")  # what the paper's rate adds up
IDENTITY = ["run", "protocol", "method", "point"]
METRICS = [
    "miou",
    "miou_all",
    "miou_image",
    "miou_gt",
    "miou_independent",
    "small_recall",
    "fd_lite0",
    "fid",
    "kid_lite0",
    "fd_patch",
    "psnr",
    "ms_ssim",
    "lpips",
]
RATES = ["bpp", "bpp_ssm", "bpp_coarse", "bpp_file"]
POINT_COLUMNS = [*IDENTITY, "n", *RATES, *METRICS, "pixel_accuracy", "ssm_source"]
MAX_GROUPS = 20  # of a distance's jackknife: each is one more evaluation


@dataclass(frozen=True)
class Reading:
    """How scores are read.

    Attributes
    ----------
    protocol : spic.protocols.Protocol
        Which pictures count, and what an absent class does.
    classes_of_interest : tuple of str
        Classes of `miou_image`; empty takes all.
    block : int
        Neighbouring pictures that an interval draws together.
    """

    protocol: Protocol
    classes_of_interest: tuple[str, ...] = ()
    block: int = 1


def summarize(identity: dict, scores: dict, features: dict, originals: dict, reading: Reading) -> dict:
    """All about one point.

    Parameters
    ----------
    identity : dict
        The columns run, protocol, method, point and ssm_source.
    scores : dict
        As `spic.scores.read_scores` gives them.
    features, originals : dict
        Features of the reconstructions and of the originals, as `spic.scores.read_features` gives them.
    reading : Reading
        Protocol and settings.

    Returns
    -------
    dict
        point (one row of points.csv), intervals, per_class, recall (lists of rows), pictures (table, a row a picture).

    Raises
    ------
    DataError
        The three are not of the same pictures, or a class of interest does not exist.
    """
    count = reading.protocol.pictures
    scores, features, originals = (first_pictures(arrays, count) for arrays in (scores, features, originals))
    what = f"{identity['method']} {identity['point']}"
    check_names(features["names"], scores["names"], f"{what}: scores and features")
    check_names(scores["names"], originals["names"], f"{what}: its pictures and the originals")
    interest = _interest(scores, reading.classes_of_interest)
    values, spread = _metrics(scores, features, originals, reading.protocol.absent, interest)
    keys = {key: identity[key] for key in IDENTITY}
    pictures = _pictures(scores, interest)
    return {
        "point": {**keys, "n": len(scores["names"]), **_rates(scores), **values, "ssm_source": identity["ssm_source"]},
        "intervals": [
            {**keys, "metric": name, "value": values[name], "low": low, "high": high, "spread": spread.get(name)}
            for name, (low, high) in _intervals(scores, features, originals, reading, interest).items()
        ],
        "per_class": [{**keys, **row} for row in class_rows(scores)],
        "recall": [{**keys, **row} for row in _recall_rows(scores)],
        "pictures": pd.DataFrame({**keys, **pictures}),
    }


def write_summary(summary: dict, path, pictures_path) -> None:
    """Write what `summarize` gives: JSON (null for NaN, "inf" for infinity), and a Parquet file of the pictures."""
    summary = dict(summary)
    write_parquet(summary.pop("pictures"), pictures_path)
    write_bytes(path, (to_json(summary, infinite="inf", indent=1) + "\n").encode())


def write_parquet(table: pd.DataFrame, path) -> None:
    """Write a table as Parquet; equal tables give equal bytes."""
    from spic.images import atomic_path

    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def class_rows(scores: dict) -> list[dict]:
    """IoU of every class of the segmenter, from the totals of the set: columns class, iou, iou_gt."""
    iou = metrics.iou_per_class(scores["confusion"].sum(axis=0))
    truth = scores.get("confusion_gt")
    iou_gt = metrics.iou_per_class(truth.sum(axis=0)) if truth is not None else np.full(len(iou), NOT_COMPUTED)
    return [
        {"class": str(name), "iou": a, "iou_gt": b} for name, a, b in zip(scores["classes"], iou, iou_gt, strict=True)
    ]


def _metrics(scores, features, originals, absent, interest) -> tuple[dict, dict]:
    """Value of each metric, and the spread of those that have one; NaN where a metric was not computed."""
    total = {key: scores[key].sum(axis=0) for key in scores if key.startswith("confusion")}
    values = dict.fromkeys(METRICS, NOT_COMPUTED)
    values["miou"] = metrics.mean_iou(total["confusion"], absent)
    values["miou_all"] = metrics.mean_iou(total["confusion"], "zero")
    values["miou_image"] = metrics.miou_image(scores["confusion"], interest)
    values["pixel_accuracy"] = metrics.pixel_accuracy(total["confusion"])
    for name, key in (("miou_gt", "confusion_gt"), ("miou_independent", "confusion_judge")):
        if key in total:
            values[name] = metrics.mean_iou(total[key], absent)
    if "objects" in scores:
        values["small_recall"] = float(recall(scores["objects"].sum(axis=(0, 1, 2))))
    n, spread = len(scores["names"]), {}
    if n > 1:
        for name, key in (("fd_lite0", "lite0"), ("fid", "inception"), ("fd_patch", "patches")):
            if key in features and key in originals:
                values[name] = metrics.frechet_distance(_flat(originals[key]), _flat(features[key]))
    if n > 3:
        distance = metrics.kid(originals["lite0"], features["lite0"])
        values["kid_lite0"], spread["kid_lite0"] = distance.mean, distance.std
    for name in ("psnr", "ms_ssim", "lpips"):
        if name in scores:
            values[name] = float(_averaged(scores, name).mean())
    return values, spread


def _intervals(scores, features, originals, reading: Reading, interest) -> dict:
    """95 % interval of each metric that was computed, {name: (low, high)}; NaN where it cannot be told."""
    absent, options = reading.protocol.absent, {"block": reading.block}
    found = {"miou": blocks.miou_interval(scores["confusion"], absent, **options)}
    found["miou_image"] = blocks.mean_interval(metrics.miou_per_picture(scores["confusion"], interest), **options)
    for name, key in (("miou_gt", "confusion_gt"), ("miou_independent", "confusion_judge")):
        if key in scores:
            found[name] = blocks.miou_interval(scores[key], absent, **options)
    if "objects" in scores:
        found["small_recall"] = blocks.recall_interval(scores["objects"].sum(axis=1), **options)
    groups = {"block": max(reading.block, -(-len(scores["names"]) // MAX_GROUPS))}
    for name, key, distance in (
        ("fd_lite0", "lite0", metrics.frechet_distance),
        ("fid", "inception", metrics.frechet_distance),
        ("kid_lite0", "lite0", metrics.squared_mmd),
    ):
        enough = len(scores["names"]) - groups["block"] > 1
        if key in features and key in originals and enough:
            found[name] = blocks.distance_interval(distance, originals[key], features[key], **groups)
    for name in ("psnr", "ms_ssim", "lpips"):
        if name in scores:
            found[name] = blocks.mean_interval(_averaged(scores, name), **options)
    return found


def _averaged(scores: dict, name: str) -> np.ndarray:
    """Values of a distortion, one per image, whose mean is the point's."""
    samples = 3 * int(scores["height"]) * int(scores["width"])
    return metrics.finite_psnr(scores[name], samples) if name == "psnr" else scores[name]


def _rates(scores: dict) -> dict:
    """Bits per pixel over the set; NaN for what a method does not send."""
    height, width = int(scores["height"]), int(scores["width"]) * len(scores["names"])
    spent = {key.removeprefix("bytes_"): int(scores[key].sum()) for key in scores if key.startswith("bytes_")}
    return {name: bpp(size, height, width) if size is not None else NOT_COMPUTED for name, size in _split(spent)}


def _split(spent: dict):
    """Bytes by purpose to (rate column, bytes or None)."""
    payloads = [spent[part] for part in PAYLOADS if part in spent]
    total = sum(payloads) if payloads else spent.get("file")
    yield from (("bpp", total), ("bpp_ssm", spent.get("ssm")), ("bpp_coarse", spent.get("coarse")))
    yield "bpp_file", spent.get("file", total)


def _pictures(scores: dict, interest) -> dict:
    """Columns of the per-picture table."""
    pixels = int(scores["height"]) * int(scores["width"])
    spent = {key.removeprefix("bytes_"): scores[key] for key in scores if key.startswith("bytes_")}
    columns = {"name": scores["names"].astype(str)}
    columns |= {name: NOT_COMPUTED if size is None else 8 * size / pixels for name, size in _split(spent)}
    for name, key, classes in (
        ("miou", "confusion", None),
        ("miou_image", "confusion", interest),
        ("miou_gt", "confusion_gt", None),
        ("miou_independent", "confusion_judge", None),
    ):
        columns[name] = metrics.miou_per_picture(scores[key], classes) if key in scores else NOT_COMPUTED
    objects = scores.get("objects")
    for name, chosen in (("small", slice(None)), ("persons", scores.get("persons"))):
        counts = objects[:, chosen].sum(axis=(1, 2)) if objects is not None else None
        columns[f"{name}_found"] = counts[:, 0].astype(float) if counts is not None else NOT_COMPUTED
        columns[f"{name}_total"] = counts[:, 1].astype(float) if counts is not None else NOT_COMPUTED
    return columns | {name: scores.get(name, NOT_COMPUTED) for name in ("psnr", "ms_ssim", "lpips")}


def _recall_rows(scores: dict) -> list[dict]:
    """Small objects by class and size, and over all of either: columns class, size, found, total, recall."""
    if "objects" not in scores:
        return []
    counts = scores["objects"].sum(axis=0)
    rows = []
    for name, of_class in [("all", counts.sum(axis=0)), *zip(scores["object_classes"], counts, strict=True)]:
        for size, (found, total) in [("all", of_class.sum(axis=0)), *zip(SIZE_NAMES, of_class, strict=True)]:
            share = float(recall(np.array([found, total])))
            rows.append({"class": str(name), "size": size, "found": int(found), "total": int(total), "recall": share})
    return rows


def _interest(scores: dict, names) -> list[int] | None:
    classes = list(map(str, scores["classes"]))
    for name in names:
        if name not in classes:
            raise DataError(f"classes_of_interest: {name!r} is none of {', '.join(classes)}")
    return [classes.index(name) for name in names] or None


def _flat(features: np.ndarray) -> np.ndarray:
    return features.reshape(-1, features.shape[-1])
