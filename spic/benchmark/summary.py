"""The numbers of one point: from scores of images and features of sets to its rows in the tables."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from spic import metrics
from spic.benchmark.observations import check_names, load_arrays, save_arrays
from spic.benchmark.protocols import Protocol
from spic.benchmark.scores import first_pictures
from spic.errors import DataError
from spic.files import atomic_path, write_bytes
from spic.metrics.columns import Metric, columns_in, columns_of
from spic.metrics.intervals import DrawnInterval, Replicates
from spic.metrics.objects import SIZE_NAMES, recall
from spic.metrics.statistics import Evidence
from spic.strict_json import to_json

NOT_COMPUTED = float("nan")  # an empty field in the CSV
IDENTITY = ["run", "protocol", "method", "point"]


def point_columns(found: Iterable[str] = ()) -> list[str]:
    """Columns of points.csv: every metric with a value; of families the members among the columns in `found`."""
    metrics_of = dict.fromkeys(row.name for row in (*columns_of(()), *columns_in(found)) if row.value)
    return [*IDENTITY, "n", *metrics_of, "ssm_source"]


def summarize(
    identity: dict,
    scores: dict,
    features: dict,
    originals: dict,
    protocol: Protocol,
    classes_of_interest: Iterable[str] = (),
    block: int = 1,
) -> dict:
    """All about one point.

    Parameters
    ----------
    identity : dict
        The columns run, protocol, method, point and ssm_source.
    scores : dict
        As `spic.benchmark.scores.read_scores` gives them.
    features, originals : dict
        Features of the reconstructions and of the originals, as `spic.benchmark.scores.read_features` gives them.
    protocol : spic.benchmark.protocols.Protocol
        Which images count, and what an absent class does.
    classes_of_interest : iterable of str
        Classes of `miou_image`; empty takes all.
    block : int
        Neighbouring images that an interval draws together.

    Returns
    -------
    dict
        point (one row of points.csv), intervals, per_class, recall (lists of rows), pictures (one row per image),
        replicates (`spic.metrics.intervals.Replicates` of each metric that has an interval made by drawing).

    Raises
    ------
    DataError
        The three are not of the same images, or a class of interest does not exist.
    """
    parts = (scores, features, originals)
    scores, features, originals = (first_pictures(arrays, protocol.pictures) for arrays in parts)
    what = f"{identity['method']} {identity['point']}"
    check_names(features["names"], scores["names"], f"{what}: scores and features")
    check_names(scores["names"], originals["names"], f"{what}: its pictures and the originals")
    classes = list(map(str, scores["classes"]))
    for name in classes_of_interest:
        if name not in classes:
            raise DataError(f"classes_of_interest: {name!r} is none of {', '.join(classes)}")
    interest = [classes.index(name) for name in classes_of_interest] or None
    evidence = Evidence(scores, features, originals, protocol.absent, interest, block)
    rows = columns_of(evidence.arrays)
    values, spread = _computed(evidence, rows, "value"), {}
    for name, value in values.items():
        if isinstance(value, tuple):
            values[name], spread[name] = value
    measured = [row for row in rows if row.value and row.needs in evidence.arrays]
    intervals = {name: ends for name, ends in _computed(evidence, measured, "interval").items() if ends is not None}
    keys = {key: identity[key] for key in IDENTITY}
    drawn = {name: ends for name, ends in intervals.items() if isinstance(ends, DrawnInterval)}
    return {
        "replicates": {name: ends.replicates for name, ends in drawn.items()},
        "point": {**keys, "n": evidence.count, **values, "ssm_source": identity["ssm_source"]},
        "intervals": [
            {**keys, "metric": name, "value": values[name], "low": low, "high": high, "spread": spread.get(name)}
            for name, (low, high) in intervals.items()
        ],
        "per_class": [{**keys, **row} for row in class_rows(scores)],
        "recall": [{**keys, **row} for row in _recall_rows(scores)],
        "pictures": pd.DataFrame(
            {**keys, "name": evidence.scores["names"].astype(str), **_computed(evidence, rows, "each")}
        ),
    }


def write_summary(summary: dict, path, pictures_path) -> None:
    """Write what `summarize` gives: JSON (null for NaN, "inf" for infinity), and a Parquet file of the images."""
    write_parquet(summary["pictures"], pictures_path)
    rest = {name: rows for name, rows in summary.items() if name not in ("pictures", "replicates")}
    write_bytes(path, (to_json(rest, infinite="inf", indent=1) + "\n").encode())


def write_replicates(replicates: dict[str, Replicates], path) -> None:
    """Write what was drawn for the intervals of a point, as NPZ."""
    save_arrays(path, {name: np.array([x.value, x.blocks, x.jackknife, *x.drawn]) for name, x in replicates.items()})


def read_replicates(path) -> dict[str, Replicates]:
    """What `write_replicates` wrote, by metric."""
    return {
        name: Replicates(value, np.array(drawn), int(blocks), bool(jackknife))
        for name, (value, blocks, jackknife, *drawn) in load_arrays(path).items()
    }


def write_parquet(table: pd.DataFrame, path) -> None:
    """Write a table as Parquet; equal tables give equal bytes."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def class_rows(scores: dict) -> list[dict]:
    """IoU of every class of the segmenter, from the totals of the set: columns class, iou, iou_gt."""
    iou = metrics.iou_per_class(scores["confusion"].sum(axis=0))
    truth = scores.get("confusion_gt")
    iou_gt = metrics.iou_per_class(truth.sum(axis=0)) if truth is not None else NOT_COMPUTED
    return pd.DataFrame({"class": scores["classes"].astype(str), "iou": iou, "iou_gt": iou_gt}).to_dict("records")


def _computed(evidence: Evidence, rows: list[Metric], what: str) -> dict:
    """The "value", "each" or "interval" of each column that has one, NaN where it was not computed."""
    return {
        row.name: getattr(row, what)(evidence, row.needs) if row.needs in evidence.arrays else NOT_COMPUTED
        for row in rows
        if getattr(row, what) is not None
    }


def _recall_rows(scores: dict) -> list[dict]:
    """Small objects by class and size, and over all of either: columns class, size, found, total, recall."""
    if "objects" not in scores:
        return []
    counts = scores["objects"].sum(axis=0)
    rows = []
    for name, of_class in [("all", counts.sum(axis=0)), *zip(scores["object_classes"], counts, strict=True)]:
        for size, (found, total) in [("all", of_class.sum(axis=0)), *zip(SIZE_NAMES, of_class, strict=True)]:
            rows.append(
                {
                    "class": str(name),
                    "size": size,
                    "found": int(found),
                    "total": int(total),
                    "recall": float(recall(np.array([found, total]))),
                }
            )
    return rows
