"""Figures from the tables of a run: rate against quality (figure 4), and where rate and quality come from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spic.metrics.columns import column
from spic.metrics.objects import SIZE_LIMITS, SIZE_NAMES
from spic.metrics.rate import kbps
from spic.pictures.sizes import WORKING_SIZE
from spic.report.comparison import ANCHOR, at_one_rate
from spic.report.figures import Figure
from spic.report.figures.style import frame, label_of, line, point_label, sheet, styles_of
from spic.report.tables import with_intervals

_ROUNDING = 1e-4  # of rates in tables
RATE = "rate in bits per pixel (BPP)"
SIZES = dict(
    zip(
        SIZE_NAMES, (f"below {SIZE_LIMITS[0]}", "{} to {}".format(*SIZE_LIMITS), f"above {SIZE_LIMITS[1]}"), strict=True
    )
)


def distance_of(points: pd.DataFrame) -> str:
    """The distance of figure 4b: FID, or `fd_lite0` where FID was not computed."""
    return "fid" if points["fid"].notna().all() else "fd_lite0"


def rate_curves(
    points: pd.DataFrame, metric: str, stem, anchors: Sequence[dict] = (), frame_rate: float | None = None
) -> None:
    """One curve per method of `metric` over bits per pixel (figure 4): points of one protocol, with intervals if any.

    The SSM's rate is the dotted line. Anchors, published numbers of others (`spic.benchmark.anchors.read_anchor`), are
    thin and gray where they have the metric, each with its warning in the legend. `frame_rate`, frames per second of a
    clip, adds an axis in kbit/s.
    """
    with sheet(stem, (6.4, 5.0), 3) as ((axes,),):
        for name, style in styles_of(points["method"]).items():
            rows = points[points["method"] == name].dropna(subset=[metric]).sort_values("bpp")
            if len(rows):
                line(axes, rows["bpp"], rows[metric], style)
                _bars(axes, rows, metric, style)
        known = [anchor for anchor in anchors if metric in anchor["results"]]
        for anchor, marker in zip(known, "x+1234|_" * len(known), strict=False):
            results, warning = anchor["results"], f" ({anchor['warning']})" if anchor["warning"] else ""
            pairs = sorted(zip(results["bpp"], results[metric], strict=True))
            axes.plot(
                *zip(*pairs, strict=True), marker=marker, markersize=5, label=anchor["name"] + warning, color="0.6",
                linewidth=0.7, zorder=1,
            )  # fmt: skip
        ssm = points.loc[points["method"] == ANCHOR, "bpp_ssm"].dropna()
        if len(ssm):
            axes.axvline(ssm.mean(), color="0.35", linestyle=":", linewidth=1.2, label="rate of the SSM", zorder=1)
        if not points[metric].notna().any():
            _note(axes, f"not computed from {int(points['n'].iloc[0])} picture(s)")
        if frame_rate:
            scale = kbps(1, *WORKING_SIZE, frame_rate)
            other = axes.secondary_xaxis("top", functions=(lambda rate: rate * scale, lambda rate: rate / scale))
            other.set_xlabel(f"kbit/s at {frame_rate:g} frames per second")
        bars = ", bars: 95 % interval" if f"{metric}_low" in points and points[f"{metric}_low"].notna().any() else ""
        axes.set(
            xlim=(0, None),
            ylim=(None, 1.0) if metric == "miou" else (0, None),
            xlabel=RATE,
            ylabel=column(metric).axis,
            title=f"{_set(points)}{bars}",
        )
        frame(axes)


def rate_split(points: pd.DataFrame, stem) -> None:
    """Bars of what bits are spent on (SSM, coarse image, residual), one per point, for methods that send an SSM."""
    rows = points[points["bpp_ssm"].notna()]
    shares = {
        "SSM": (rows["bpp_ssm"], "#0173b2", ""),
        "coarse image": (rows["bpp_coarse"].fillna(0), "#de8f05", "///"),
    }
    residual = (rows["bpp"] - rows["bpp_ssm"] - shares["coarse image"][0]).clip(lower=0)
    if residual.gt(_ROUNDING).any():
        shares["residual"] = residual, "#029e73", "..."
    with sheet(stem, (6.4, 1.3 + 0.3 * max(len(rows), 2))) as ((axes,),):
        left = np.zeros(len(rows))
        for what, (values, color, hatch) in shares.items():
            bars = axes.barh(
                range(len(rows)), values, left=left, label=what, color=color, hatch=hatch, edgecolor="white", height=0.7
            )
            left = left + values.to_numpy()
        axes.bar_label(
            bars,
            [f"{n:.3f}, {100 * ssm / n:.0f} % SSM" for n, ssm in zip(left, rows["bpp_ssm"], strict=True)],
            padding=4,
        )
        if not len(rows):
            _note(axes, "no method of this run sends an SSM")
        axes.set_yticks(range(len(rows)), map(label_of, rows["method"], rows["point"]))
        axes.invert_yaxis()
        axes.set(xlim=(0, 1.45 * left.max() if len(rows) else 1), xlabel=RATE, title=_set(points))
        frame(axes, "x")


def iou_per_class(points: pd.DataFrame, per_class: pd.DataFrame, stem) -> None:
    """IoU of every class at about the same rate: one row per class, one marker per method."""
    chosen = at_one_rate(points)
    styles = styles_of(points["method"])
    tables = {
        row["method"]: per_class[(per_class["method"] == row["method"]) & (per_class["point"] == row["point"])]
        .set_index("class")["iou"]
        .dropna()
        for row in chosen
    }
    classes = list(tables[chosen[0]["method"]].sort_values(ascending=False).index)
    with sheet(stem, (6.4, 1.8 + 0.36 * (len(classes) or 4))) as ((axes,),):
        for i, row in enumerate(chosen):
            style, values = styles[row["method"]], tables[row["method"]].reindex(classes)
            beside = 0.12 * (i - (len(chosen) - 1) / 2)  # its markers are beside those of the others
            axes.plot(
                values, np.arange(len(classes)) + beside, linestyle="", marker=style.marker, color=style.color,
                markeredgecolor="white", markersize=8, label=_at(row, style), clip_on=False,
            )  # fmt: skip
        axes.set_yticks(range(len(classes)), classes)
        for i in range(0, len(classes), 2):
            axes.axhspan(i - 0.5, i + 0.5, color="0.95", zorder=0)
        if not classes:
            _note(axes, "no class is in any map")
        axes.set(
            xlim=(0, 1),
            ylim=((len(classes) or 4) - 0.5, -0.5),
            xlabel="IoU to the segmented original",
            title=f"{_set(points)}, at about the same rate",
        )
        frame(axes, "x")


def recall_by_size(points: pd.DataFrame, recall: pd.DataFrame, stem) -> None:
    """Share of the judge's small objects that survive, by size, at about the same rate: one panel per class."""
    chosen, styles = at_one_rate(points), styles_of(points["method"])
    found = dict(iter(recall[recall["size"].isin(SIZE_NAMES)].groupby(["class", "method", "point"], sort=False)))
    classes = list(dict.fromkeys(name for name, *_ in found)) or ["all"]
    columns = min(3, len(classes))
    shape = (-(-len(classes) // columns), columns)
    size = (1.2 + 2.6 * columns, 1.4 + 2.6 * shape[0])
    with sheet(stem, size, shape=shape, panels=len(classes), sharey=True) as grid:
        for axes, name in zip(grid.flat, classes, strict=False):
            counts = pd.Series(0, SIZE_NAMES)
            for row in chosen:
                rows, style = found.get((name, row["method"], row["point"])), styles[row["method"]]
                if rows is not None and rows["total"].notna().any():
                    rows = rows.set_index("size").reindex(SIZE_NAMES)
                    counts = rows["total"].fillna(0).astype(int)
                    line(axes, range(len(SIZES)), rows["recall"], style, label=_at(row, style))
            if not axes.lines:
                _note(axes, "no small objects\nwere counted")
            axes.set_xticks(
                range(len(SIZES)),
                [f"{text}\nn = {n}" for text, n in zip(SIZES.values(), counts, strict=True)],
                fontsize=8,
            )
            axes.set(xlim=(-0.3, len(SIZES) - 0.7), ylim=(0, 1), title="all small objects" if name == "all" else name)
            frame(axes)
        for axes in grid[:, 0]:
            axes.set_ylabel("share still there")
        grid.flat[0].figure.suptitle(
            f"{_set(points)}, at about the same rate; sizes in pixels", fontsize=10, x=0.02, ha="left"
        )


def steps_curves(steps: pd.DataFrame, stem) -> None:
    """Quality and time over the steps of the decoder, one line per sampler, from the file of `benchmarks/steps.py`."""
    marks = list(zip(["#0173b2", "#de8f05", "#029e73", "#cc78bc", "#949494", "#000000"], "os^DXv", strict=True))
    keys = [k for k in ("sampler", "frames", "start", "guidance") if k == "sampler" or steps[k].nunique() > 1]
    metrics = steps[["miou", "miou_independent", "fd_lite0", "psnr", "seconds"]].dropna(axis=1, how="all").columns
    samplers = list(steps["sampler"].unique())
    with sheet(stem, (9.4, 5.6), 3, shape=(2, 3)) as grid:
        for axes in grid.flat[len(metrics) :]:
            axes.remove()
        for axes, metric in zip(grid.flat, metrics, strict=False):
            for i, (key, rows) in enumerate(steps.groupby(keys, sort=False)):
                rows = rows.sort_values("steps")
                color, marker = marks[samplers.index(key[0]) % len(marks)]
                dash = ["-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1))][i // len(samplers) % 4]
                axes.plot(
                    rows["steps"], rows[metric], color=color, marker=marker, linestyle=dash, markeredgecolor="white",
                    label=", ".join([key[0], *(f"{k} {v}" for k, v in zip(keys[1:], key[1:], strict=True))]),
                )  # fmt: skip
            title = "seconds per image" if metric == "seconds" else column(metric).axis
            title = title.replace(" (EfficientNet-Lite0 features)", ", fd_lite0")
            axes.set(xscale="log", xlabel="steps of the decoder", title=title)
            ticks = sorted(steps["steps"].unique())
            axes.set_xticks(ticks, map(str, ticks), fontsize=8)
            axes.minorticks_off()
            frame(axes)


def _bars(axes, rows, metric, style) -> None:
    if f"{metric}_low" in rows and rows[f"{metric}_low"].notna().any():
        bars = np.array([rows[metric] - rows[f"{metric}_low"], rows[f"{metric}_high"] - rows[metric]])
        bars = np.where(np.isfinite(bars), bars.clip(0), 0)
        axes.errorbar(
            rows["bpp"], rows[metric], yerr=bars, fmt="none", ecolor=style.color, elinewidth=1, alpha=0.6, zorder=1.5
        )


def _at(row: dict, style) -> str:
    return f"{style.label}, {point_label(row['point'])}: {row['bpp']:.3f} BPP"


def _set(points) -> str:
    n = int(points["n"].iloc[0])
    return f"{points['run'].iloc[0]}: {n} picture{'s' * (n > 1)}"


def _note(axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.35")


def _spread(tables):
    return with_intervals(tables["points"], tables["intervals"])


RESULT, DETAILS = "1 Result", "3 Details"
FIGURES = (
    Figure(
        "figure4a", RESULT, "figure 4a: mIoU over rate",
        lambda tables, stem: rate_curves(_spread(tables), "miou", stem, tables["anchors"], tables["frame_rate"]),
    ),
    Figure(
        "figure4b", RESULT, "figure 4b: Fréchet distance over rate",
        lambda tables, stem: rate_curves(
            _spread(tables), distance_of(tables["points"]), stem, tables["anchors"], tables["frame_rate"]
        ),
    ),
    Figure(
        "rate_split", DETAILS, "rate: SSM and coarse image",
        lambda tables, stem: rate_split(tables["points"], stem),
    ),
    Figure(
        "iou_per_class", DETAILS, "IoU of every class",
        lambda tables, stem: iou_per_class(tables["points"], tables["per_class"], stem),
    ),
    Figure(
        "recall_by_size", DETAILS, "small objects kept, by size",
        lambda tables, stem: recall_by_size(tables["points"], tables["recall"], stem),
        wanted=lambda config: config["judge"] is not None,
    ),
    Figure(
        "steps", DETAILS, "steps of the decoder",
        lambda tables, stem: steps_curves(tables["steps"], stem),
        wanted=lambda config: config["steps_csv"] is not None,
    ),
)  # fmt: skip
