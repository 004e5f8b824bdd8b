"""Tables of a run, from the `scores.npz` of its points."""

import numpy as np
import pandas as pd

from spic.errors import DataError
from spic.metrics import frechet_distance, iou_per_class, mean_iou
from spic.metrics.rate import bpp

NOT_COMPUTED = float("nan")  # an empty field in the CSV
POINT_COLUMNS = [
    "run",
    "method",
    "point",
    "n",
    "bpp",
    "bpp_ssm",
    "bpp_coarse",
    "miou",
    "miou_gt",
    "fd_lite0",
    "fid",
    "psnr",
]


def read_scores(paths) -> dict[str, np.ndarray]:
    """Join the `scores.npz` of the chunks of one point along the pictures."""
    chunks = []
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            chunks.append(dict(file))
    constant = ("height", "width", "classes")
    keys = [set(chunk) for chunk in chunks]
    if any(key != keys[0] for key in keys):
        raise DataError(f"{paths[0]} and its neighbours hold different scores; remove them and run again")
    return {
        key: chunks[0][key] if key in constant else np.concatenate([chunk[key] for chunk in chunks])
        for key in chunks[0]
    }


def point_row(scores: dict, originals: dict) -> dict:
    """Numbers of one point; NaN where a number was not computed.

    bpp counts the bytes of all coded files over the pixels of all pictures; mIoU is from totals over the set, mean
    over present classes; psnr is the mean over pictures; distances compare the set with the set of originals.
    """
    pixels = (int(scores["height"]), int(scores["width"]))
    n = len(scores["names"])
    if list(scores["names"]) != list(originals["names"]):
        raise DataError("a point's pictures are not those of the originals")

    def rate(*parts):
        present = [scores[f"bytes_{part}"] for part in parts if f"bytes_{part}" in scores]
        return (
            bpp(int(sum(int(sizes.sum()) for sizes in present)), pixels[0], pixels[1] * n) if present else NOT_COMPUTED
        )

    row = {"n": n, "bpp": rate("ssm", "coarse", "picture"), "bpp_ssm": rate("ssm"), "bpp_coarse": rate("coarse")}
    row["miou"] = mean_iou(scores["confusion"].sum(axis=0))
    row["miou_gt"] = mean_iou(scores["confusion_gt"].sum(axis=0)) if "confusion_gt" in scores else NOT_COMPUTED
    for column, key in (("fd_lite0", "features_lite0"), ("fid", "features_fid")):
        known = key in scores and key in originals and n > 1
        row[column] = frechet_distance(originals[key], scores[key]) if known else NOT_COMPUTED
    row["psnr"] = float(scores["psnr"].mean()) if np.isfinite(scores["psnr"]).all() else float("inf")
    return row


def points_table(run: str, scores_of: dict, originals: dict) -> pd.DataFrame:
    """The table `points.csv`: one row a (method, point).

    Parameters
    ----------
    run : str
        Name of the run.
    scores_of : dict
        (method, point) to what `read_scores` gives.
    originals : dict
        Scores of the originals themselves.
    """
    rows = [
        {"run": run, "method": method, "point": point, **point_row(scores, originals)}
        for (method, point), scores in scores_of.items()
    ]
    return pd.DataFrame(rows, columns=POINT_COLUMNS)


def per_class_table(run: str, scores_of: dict, originals: dict) -> pd.DataFrame:
    """IoU of every class at every point, against the segmented originals (`iou`) and ground truth (`iou_gt`).

    The method "original" is the segmenter on the pictures themselves: its `iou_gt` is how good the segmenter is.
    """
    rows = []
    for (method, point), scores in {("original", ""): originals, **scores_of}.items():
        iou = iou_per_class(scores["confusion"].sum(axis=0))
        known = "confusion_gt" in scores
        iou_gt = iou_per_class(scores["confusion_gt"].sum(axis=0)) if known else np.full(len(iou), np.nan)
        for name, a, b in zip(scores["classes"], iou, iou_gt, strict=True):
            rows.append({"run": run, "method": method, "point": point, "class": name, "iou": a, "iou_gt": b})
    return pd.DataFrame(rows)


def timing_table(run: str, paths_of: dict) -> pd.DataFrame:
    """Seconds a picture, {(method, point, stage): paths of the chunks' timing files}; varies from run to run."""
    rows = []
    for (method, point, stage), paths in paths_of.items():
        parts = pd.concat([pd.read_csv(path) for path in paths])
        total = parts["total_seconds"].sum()
        rows.append(
            {
                "run": run,
                "method": method,
                "point": point,
                "stage": stage,
                "n": int(parts["n"].sum()),
                "mean_seconds": round(total / parts["n"].sum(), 5),
                "median_seconds": round(float(parts["median_seconds"].median()), 5),
            }
        )
    return pd.DataFrame(rows)


def write_csv(table: pd.DataFrame, path) -> None:
    """Write a table as CSV with 6 significant digits, so that equal runs give equal bytes."""
    from spic.images import write_bytes

    write_bytes(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())
