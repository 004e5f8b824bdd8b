"""Tables of a run, from the summaries of its points. docs/metrics.md says what the numbers mean."""

import json
from collections.abc import Iterable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from spic.benchmark.summary import IDENTITY, class_rows, point_columns
from spic.errors import DataError
from spic.files import atomic_path, write_bytes
from spic.metrics import bjontegaard, iou_per_class
from spic.metrics.columns import Metric
from spic.metrics.rate import kbps
from spic.pictures.sizes import WORKING_SIZE
from spic.report.comparison import ANCHOR, Curve, compared_metrics

CLASS_COLUMNS = [*IDENTITY, "class", "iou", "iou_gt"]
RECALL_COLUMNS = [*IDENTITY, "class", "size", "found", "total", "recall"]
INTERVAL_COLUMNS = [*IDENTITY, "metric", "value", "low", "high", "spread"]
BD_COLUMNS = (
    "run protocol anchor method metric bd_rate_percent bd_metric rate_overlap metric_overlap interpolation remark"
).split()
TEXT_COLUMNS = {
    *IDENTITY,
    *("ssm_source class size metric at anchor against interpolation remark stage".split()),
    *("judge text verdict numbers figure name sampler frames".split()),
}


def read_summaries(paths) -> dict[str, pd.DataFrame]:
    """Join the summaries of all points: points, intervals, per_class, recall, in the order of `paths`."""
    rows = {"points": [], "intervals": [], "per_class": [], "recall": []}
    for path in paths:
        try:
            summary = json.loads(Path(path).read_text())
        except ValueError as error:
            raise DataError(f"{path}: damaged ({error}); remove it and run again") from None
        for name, found in rows.items():
            found += [summary["point"]] if name == "points" else summary[name]
    columns = {"intervals": INTERVAL_COLUMNS, "per_class": CLASS_COLUMNS, "recall": RECALL_COLUMNS}
    columns["points"] = point_columns(name for point in rows["points"] for name in point)
    tables = {name: pd.DataFrame(found, columns=columns[name]) for name, found in rows.items()}
    for table in tables.values():
        numbers = table.columns.difference(TEXT_COLUMNS)
        table[numbers] = table[numbers].apply(pd.to_numeric)
    return tables


def with_kbps(points: pd.DataFrame, frame_rate: float | None) -> pd.DataFrame:
    """Points with the column `kbps`, in kbit/s, behind `bpp`; as they are where the images are no clip (None)."""
    if frame_rate is None:
        return points
    points = points.copy()
    points.insert(points.columns.get_loc("bpp") + 1, "kbps", kbps(points["bpp"], *WORKING_SIZE, frame_rate))
    return points


def join_pictures(paths, out) -> None:
    """Join the per-picture tables of all points into one Parquet file, one row per image and point."""
    import pyarrow.parquet as parquet

    first = parquet.read_schema(paths[0])
    with atomic_path(out) as temporary, parquet.ParquetWriter(temporary, first) as writer:
        for path in paths:
            writer.write_table(parquet.read_table(path).cast(first))


def with_originals(run: str, per_class: pd.DataFrame, originals: dict) -> pd.DataFrame:
    """Put the method "original" first: its `iou_gt` is how good the segmenter is, class by class."""
    own = pd.DataFrame(class_rows(originals)).assign(run=run, protocol="", method="original", point="")
    return pd.concat([own[CLASS_COLUMNS], per_class], ignore_index=True)


def judge_table(run: str, judge: str | None, originals: dict, judges: Iterable[str] = ()) -> pd.DataFrame:
    """How good the judges are, and what they make of the SSMs; of further judges the mean alone.

    `iou_gt` is the IoU of a judge's maps of the originals to ground truth, class by class, and the mean. `iou_ssm` is
    that of the SSMs to the judge's maps: what a perfect image drawn from the SSM would reach, the ceiling of `spic`.
    Without a judge the table has no rows; what was not to be had is empty.
    """
    rows = []
    names = {"_judge": judge} if judge is not None else {}
    for by, name in (names | {f"_by_{other}": other for other in judges}).items():
        truth = "confusion_judge_gt" if by == "_judge" else f"confusion_gt{by}"
        totals = [originals[key].sum(axis=0) if key in originals else None for key in (truth, f"confusion_ssm{by}")]
        found = [None if total is None else iou_per_class(total) for total in totals]
        classes = list(map(str, originals["judge_classes"])) if by == "_judge" else []
        for i, label in enumerate(classes):
            rows.append([run, name, label, *(np.nan if iou is None else iou[i] for iou in found)])
        rows.append([run, name, "mean", *(np.nan if iou is None else np.nanmean(iou) for iou in found)])
    return pd.DataFrame(rows, columns=["run", "judge", "class", "iou_gt", "iou_ssm"])


def timing_table(run: str, paths_of: dict) -> pd.DataFrame:
    """Seconds per image, {(protocol, method, point, stage): the chunks' timing files}; varies from run to run."""
    rows = []
    for point, paths in paths_of.items():
        parts = pd.concat([read_csv(path) for path in paths])
        n = parts["n"].sum()
        rows.append([run, *point, n, parts["total_seconds"].sum() / n, parts["median_seconds"].median()])
    table = pd.DataFrame(rows, columns=[*IDENTITY, "stage", "n", "mean_seconds", "median_seconds"])
    return table.round({"mean_seconds": 5, "median_seconds": 5})


def matched_table(points: pd.DataFrame) -> pd.DataFrame:
    """Every method's metrics at the rates of SPIC's points, one row per rate and method.

    A metric is read off the method's curve (linear over the logarithm of the rate) and is empty where the curve does
    not reach that rate: nothing is extrapolated. Without SPIC the table is empty.
    """
    rows, compared = [], [metric.name for metric in compared_metrics(points)]
    for keys, group in points.groupby(["run", "protocol"], sort=False):
        methods = group["method"].unique()
        curves = {method: [Curve(group, method, metric) for metric in compared] for method in methods}
        for at in group[group["method"] == ANCHOR].sort_values("bpp").itertuples():
            for method in methods:
                # NaN where two points of a curve have one rate, as this table takes no mean of them
                read = [one.at(at.bpp) if one.points["bpp"].is_unique else np.nan for one in curves[method]]
                rows.append([*keys, at.point, at.bpp, method, *read])
    return pd.DataFrame(rows, columns=["run", "protocol", "at", "bpp", "method", *compared])


def bd_table(points: pd.DataFrame, interpolation: str = "akima") -> pd.DataFrame:
    """Bjøntegaard deltas of SPIC against every other method and metric.

    `bd_rate_percent` is the rate that SPIC needs beyond the anchor's for the same value; `bd_metric` is its mean
    advantage in the metric's unit at the same rate (below 0 is good where lower is better). Empty with the reason in
    `remark` where the curves do not overlap or do not rise.
    """
    rows = []
    for (run, protocol), group in points.groupby(["run", "protocol"], sort=False):
        test = group[group["method"] == ANCHOR]
        for (method, anchor), metric in product(group.groupby("method", sort=False), compared_metrics(points)):
            if method != ANCHOR and anchor[metric.name].notna().any() and test[metric.name].notna().any():
                rows.append(
                    {"run": run, "protocol": protocol, "anchor": method, "method": ANCHOR, "metric": metric.name}
                    | _deltas(anchor, test, metric, interpolation)
                )
    return pd.DataFrame(rows, columns=BD_COLUMNS)


def with_intervals(points: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """Points with the columns `<metric>_low` and `<metric>_high`, as the claims and figures read them."""
    table = points.set_index(IDENTITY)
    for metric, rows in intervals.groupby("metric", sort=False):
        found = rows.set_index(IDENTITY)
        table[f"{metric}_low"], table[f"{metric}_high"] = found["low"], found["high"]
    return table.reset_index()


def identical_images(pictures: pd.DataFrame, methods=None) -> str:
    """How many images are identical to their originals, and how the mean PSNR takes them; "" where there are none.

    Parameters
    ----------
    pictures : pandas.DataFrame
        The per-picture table of one protocol: method, point, psnr.
    methods : list of str, optional
        These alone.
    """
    found = []
    for method, rows in pictures.groupby("method", sort=False) if "psnr" in pictures else ():
        counts = np.isinf(rows["psnr"]).groupby(rows["point"], sort=False).agg(["sum", "size"])
        if counts["sum"].any() and (methods is None or method in methods):
            found.append(f"{counts['sum'].max()} of {counts['size'].max()} by {method}")
    if not found:
        return ""
    return f"identical images, at most {', '.join(found)}: in the mean PSNR each counts as the highest finite value"


def write_csv(table: pd.DataFrame, path) -> None:
    """Write a table as CSV with 6 significant digits, so that equal runs give equal bytes."""
    write_bytes(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())


def read_csv(path) -> pd.DataFrame:
    """Read a table of a run, what `write_csv` wrote: a run called "007", "1e5", "NA" or "true" keeps its name.

    The columns in `TEXT_COLUMNS` are str, whatever they look like. Only an empty cell is missing (NaN).
    """
    return pd.read_csv(
        path, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False, na_values=[""], encoding="utf-8"
    )


def _deltas(anchor, test, metric: Metric, interpolation: str) -> dict:
    curves = (anchor["bpp"], anchor[metric.name], test["bpp"], test[metric.name])
    rate = partial(bjontegaard.bd_rate, lower_is_better=metric.lower_is_better)
    deltas = {("bd_rate_percent", "metric_overlap"): rate, ("bd_metric", "rate_overlap"): bjontegaard.bd_metric}
    found, remarks = {"interpolation": interpolation}, []
    for (value, overlap), delta_of in deltas.items():
        try:
            delta = delta_of(*curves, interpolation=interpolation)
            found |= {value: delta.value, overlap: delta.overlap}
        except DataError as error:
            remarks.append(str(error))
    return found | {"remark": "; ".join(dict.fromkeys(remarks))}
