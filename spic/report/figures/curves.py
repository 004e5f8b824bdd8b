"""Figures from the tables of a run: rate against quality (figure 4), and where rate and quality come from."""

from contextlib import contextmanager

import numpy as np
import pandas as pd

from spic.metrics.columns import column
from spic.metrics.objects import SIZE_LIMITS, SIZE_NAMES
from spic.pictures.sizes import WORKING_SIZE
from spic.report.comparison import ANCHOR, at_one_rate
from spic.report.figures.style import drawing, point_label, save, styles_of
from spic.report.tables import with_intervals

RATE = "rate in bits per pixel (BPP)"
SIZES = dict(
    zip(
        SIZE_NAMES, (f"below {SIZE_LIMITS[0]}", "{} to {}".format(*SIZE_LIMITS), f"above {SIZE_LIMITS[1]}"), strict=True
    )
)


def figure4(
    points: pd.DataFrame,
    stems: dict[str, str],
    intervals: pd.DataFrame | None = None,
    frame_rate: float | None = None,
) -> None:
    """Draw figures 4a (mIoU over rate) and 4b (FID over rate, or `fd_lite0` where FID was not computed).

    Parameters
    ----------
    points : pandas.DataFrame
        The rows of one protocol of `points.csv`.
    stems : dict
        "4a" and "4b" to the files' paths without suffix; SVG and PNG are written.
    intervals : pandas.DataFrame, optional
        `intervals.csv`: draws the 95 % intervals as bars.
    frame_rate : float, optional
        Frames per second of a clip: adds an axis in kbit/s.
    """
    distance = "fid" if points["fid"].notna().all() else "fd_lite0"
    if intervals is not None:
        points = with_intervals(points, intervals[intervals["protocol"].isin(points["protocol"])])
    rate_curves(points, "miou", stems["4a"], frame_rate)
    rate_curves(points, distance, stems["4b"], frame_rate)


def rate_curves(points: pd.DataFrame, metric: str, stem, frame_rate: float | None = None) -> None:
    """One curve per method of `metric` over bits per pixel (and kbit/s); the SSM's rate is the dotted line."""
    with _sheet(stem, (6.4, 5.0), 3) as ((axes,),):
        for name, style in styles_of(points["method"]).items():
            rows = points[points["method"] == name].dropna(subset=[metric]).sort_values("bpp")
            if len(rows):
                _line(axes, rows["bpp"], rows[metric], style, _bars(rows, metric))
        ssm = points.loc[points["method"] == ANCHOR, "bpp_ssm"].dropna()
        if len(ssm):
            axes.axvline(ssm.mean(), color="0.35", linestyle=":", linewidth=1.2, label="rate of the SSM", zorder=1)
        if not points[metric].notna().any():
            _note(axes, f"not computed from {int(points['n'].iloc[0])} picture(s)")
        axes.set_xlim(left=0)
        axes.set_ylim(**({"top": 1.0} if metric == "miou" else {"bottom": 0}))
        axes.set_xlabel(RATE)
        if frame_rate:
            scale = WORKING_SIZE[0] * WORKING_SIZE[1] * frame_rate / 1000
            other = axes.secondary_xaxis("top", functions=(lambda bpp: bpp * scale, lambda kbps: kbps / scale))
            other.set_xlabel(f"kbit/s at {frame_rate:g} frames per second")
        axes.set_ylabel(column(metric).axis)
        _frame(axes)
        bars = ", bars: 95 % interval" if f"{metric}_low" in points and points[f"{metric}_low"].notna().any() else ""
        axes.set_title(f"{_set(points)}{bars}")


def rate_split(points: pd.DataFrame, stem) -> None:
    """Bars of what bits are spent on, SSM and coarse image: one bar per point, for methods that send an SSM."""
    rows = points[points["bpp_ssm"].notna()]
    shares = {
        "SSM": (rows["bpp_ssm"], "#0173b2", ""),
        "coarse image": (rows["bpp_coarse"].fillna(0), "#de8f05", "///"),
    }
    with _sheet(stem, (6.4, 1.3 + 0.3 * max(len(rows), 2))) as ((axes,),):
        styles = styles_of(points["method"])
        names = [f"{styles[m].label}, {point_label(p)}" for m, p in zip(rows["method"], rows["point"], strict=True)]
        left = np.zeros(len(rows))
        for what, (values, color, hatch) in shares.items():
            axes.barh(
                range(len(rows)), values, left=left, label=what, color=color, hatch=hatch, edgecolor="white", height=0.7
            )
            left = left + values.to_numpy()
        for i, (total, share) in enumerate(zip(left, rows["bpp_ssm"], strict=True)):
            axes.annotate(
                f"{total:.3f}, {100 * share / total:.0f} % SSM",
                (total, i),
                (4, 0),
                textcoords="offset points",
                va="center",
            )
        if not len(rows):
            _note(axes, "no method of this run sends an SSM")
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.45 * left.max() if len(rows) else 1)
        axes.set_xlabel(RATE)
        _frame(axes, "x")
        axes.set_title(_set(points))


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
    with _sheet(stem, (6.4, 1.8 + 0.36 * (len(classes) or 4))) as ((axes,),):
        for i, row in enumerate(chosen):
            style, values = styles[row["method"]], tables[row["method"]].reindex(classes)
            places = np.arange(len(classes)) + 0.12 * (i - (len(chosen) - 1) / 2)  # markers beside each other
            axes.plot(
                values, places, linestyle="", marker=style.marker, color=style.color,
                markeredgecolor="white", markersize=8, label=_at(row, style), clip_on=False,
            )  # fmt: skip
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlim(0, 1)
        for i in range(0, len(classes), 2):
            axes.axhspan(i - 0.5, i + 0.5, color="0.95", zorder=0)
        if not classes:
            _note(axes, "no class is in any map")
        axes.set_ylim((len(classes) or 4) - 0.5, -0.5)
        axes.set_xlabel("IoU to the segmented original")
        _frame(axes, "x")
        axes.set_title(f"{_set(points)}, at about the same rate")


def recall_by_size(points: pd.DataFrame, recall: pd.DataFrame, stem) -> None:
    """Share of the judge's small objects that survive, by size, at about the same rate: one panel per class."""
    chosen = at_one_rate(points)
    recall = recall[recall["size"].isin(SIZE_NAMES)]
    classes = list(dict.fromkeys(recall["class"])) or ["all"]
    styles = styles_of(points["method"])
    columns = min(3, len(classes))
    shape = (-(-len(classes) // columns), columns)
    with _sheet(stem, (1.2 + 2.6 * columns, 1.4 + 2.6 * shape[0]), shape=shape, sharey=True) as grid:
        for axes in grid.flat[len(classes) :]:
            axes.axis("off")
        for axes, name in zip(grid.flat, classes, strict=False):
            counts = None
            for row in chosen:
                rows = recall[(recall["method"] == row["method"]) & (recall["point"] == row["point"])]
                rows = rows[rows["class"] == name].set_index("size").reindex(SIZE_NAMES)
                if rows["total"].notna().any():
                    counts = rows["total"].fillna(0).astype(int)
                    style = styles[row["method"]]
                    _line(axes, range(len(SIZES)), rows["recall"], style, label=_at(row, style))
            if counts is None:
                _note(axes, "no small objects\nwere counted")
                counts = pd.Series(0, SIZE_NAMES)
            ticks = [f"{text}\nn = {n}" for text, n in zip(SIZES.values(), counts, strict=True)]
            axes.set_xticks(range(len(SIZES)), ticks, fontsize=8)
            axes.set_xlim(-0.3, len(SIZES) - 0.7)
            axes.set_ylim(0, 1)
            axes.set_title({"all": "all small objects"}.get(name, name))
            _frame(axes)
        for axes in grid[:, 0]:
            axes.set_ylabel("share still there")
        title = f"{_set(points)}, at about the same rate; sizes in pixels"
        grid.flat[0].figure.suptitle(title, fontsize=10, x=0.02, ha="left")


def steps_curves(steps: pd.DataFrame, stem) -> None:
    """Quality and time over the steps of the decoder, one line per sampler, from the file of `benchmarks/steps.py`."""
    marks = list(zip(["#0173b2", "#de8f05", "#029e73", "#cc78bc", "#949494", "#000000"], "os^DXv", strict=True))
    keys = [k for k in ("sampler", "frames", "start", "guidance") if k == "sampler" or steps[k].nunique() > 1]
    metrics = [
        name for name in ("miou", "miou_independent", "fd_lite0", "psnr", "seconds") if steps[name].notna().any()
    ]
    with _sheet(stem, (9.4, 5.6), 3, shape=(2, 3)) as grid:
        samplers = list(dict.fromkeys(steps["sampler"]))
        for axes in grid.flat[len(metrics) :]:
            axes.remove()
        for axes, metric in zip(grid.flat, metrics, strict=False):
            for i, (key, rows) in enumerate(steps.groupby(keys, sort=False)):
                rows = rows.sort_values("steps")
                color, marker = marks[samplers.index(key[0]) % len(marks)]
                dash = ["-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1))][i // len(samplers) % 4]
                words = [key[0], *(f"{k} {v}" for k, v in zip(keys[1:], key[1:], strict=True))]
                axes.plot(
                    rows["steps"], rows[metric], color=color, marker=marker, linestyle=dash, markeredgecolor="white",
                    label=", ".join(words),
                )  # fmt: skip
            axes.set_xscale("log")
            ticks = sorted(steps["steps"].unique())
            axes.set_xticks(ticks, [str(k) for k in ticks], fontsize=8)
            axes.set_xlabel("steps of the decoder")
            axes.minorticks_off()
            title = "seconds per image" if metric == "seconds" else column(metric).axis
            axes.set_title(title.replace(" (EfficientNet-Lite0 features)", ", fd_lite0"))
            _frame(axes)


def _line(axes, x, y, style, bars=None, label=None) -> None:
    axes.plot(
        x, y, label=label or style.label, color=style.color, marker=style.marker, linestyle=style.dash,
        markersize=7, markeredgecolor="white", linewidth=1.6,
    )  # fmt: skip
    if bars is not None:
        axes.errorbar(x, y, yerr=bars, fmt="none", ecolor=style.color, elinewidth=1, alpha=0.6, zorder=1.5)


def _bars(rows, metric):
    """Lengths below and above, for `errorbar`; None without intervals."""
    if f"{metric}_low" not in rows or rows[f"{metric}_low"].isna().all():
        return None
    bars = np.array([rows[metric] - rows[f"{metric}_low"], rows[f"{metric}_high"] - rows[metric]])
    return np.where(np.isfinite(bars), bars.clip(0), 0)


def _at(row: dict, style) -> str:
    return f"{style.label}, {point_label(row['point'])}: {row['bpp']:.3f} BPP"


def _set(points) -> str:
    n = int(points["n"].iloc[0])
    return f"{points['run'].iloc[0]}: {n} picture{'s' * (n > 1)}"


def _note(axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.35")


def _frame(axes, grid="both") -> None:
    axes.grid(False)
    axes.grid(axis=grid, color="0.88")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


@contextmanager
def _sheet(stem, size, columns=2, shape=(1, 1), **layout):
    """A figure of `size` inches: gives its axes to draw in; then gets a legend below all of it and is saved.

    The legend is that of the first axes, where it covers nothing; in fewer than `columns` if it would be cut off.
    """
    with drawing() as plt:
        figure, grid = plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False, **layout)
        yield grid
        handles, labels = grid.flat[0].get_legend_handles_labels()
        look = {"loc": "outside lower center", "frameon": False, "fontsize": 9, "handlelength": 3.2}
        for ncols in range(columns, 0, -1) if handles else ():
            legend = figure.legend(handles, labels, ncols=ncols, **look)
            if ncols == 1 or legend.get_window_extent().width <= figure.bbox.width:
                break
            legend.remove()
        save(figure, stem)
