"""Figures of a run, drawn with seaborn from its tables."""

from pathlib import Path

import pandas as pd

from spic.images import atomic_path

# Okabe and Ito's colours, told apart without colour vision by their markers as well.
STYLES = {
    "spic": ("SPIC", "#0072B2", "o"),
    "spic_labelmap": ("SPIC, SSM by labelmap", "#56B4E9", "P"),
    "upsampled": ("coarse image, upsampled", "#009E73", "s"),
    "bpg": ("BPG", "#D55E00", "^"),
    "jpeg2000": ("JPEG 2000", "#CC79A7", "D"),
}
SPARE = [("#E69F00", "v"), ("#F0E442", "p"), ("#000000", "X"), ("#999999", "*")]
AXES = {
    "miou": "mIoU to the segmented original",
    "fd_lite0": "Fréchet distance (EfficientNet-Lite0 features)",
    "fid": "FID",
}


def figure4(points: pd.DataFrame, stems: dict[str, str]) -> None:
    """Draw figures 4a (mIoU over rate) and 4b (FID over rate, or `fd_lite0` where FID was not computed).

    Parameters
    ----------
    points : pandas.DataFrame
        The table `points.csv`.
    stems : dict
        "4a" and "4b" to the files' paths without suffix; SVG and PNG are written.
    """
    distance = "fid" if points["fid"].notna().all() else "fd_lite0"
    rate_curves(points, "miou", stems["4a"])
    rate_curves(points, distance, stems["4b"])


def rate_curves(points: pd.DataFrame, metric: str, stem) -> None:
    """One curve a method of `metric` over bits per pixel; the SSM's rate is the dotted line."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    names = list(dict.fromkeys(points["method"]))
    spare = iter(SPARE * len(names))
    styles = {name: STYLES[name] if name in STYLES else (name, *next(spare)) for name in names}
    shown = points.dropna(subset=[metric]).sort_values("bpp")
    shown = shown.assign(label=[styles[name][0] for name in shown["method"]])
    with sns.axes_style("whitegrid"), plt.rc_context({"svg.hashsalt": "spic", "svg.fonttype": "none", "font.size": 10}):
        figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
        if len(shown):
            sns.lineplot(
                shown,
                x="bpp",
                y=metric,
                hue="label",
                style="label",
                hue_order=[styles[name][0] for name in names],
                style_order=[styles[name][0] for name in names],
                palette={label: color for label, color, _ in styles.values()},
                markers={label: marker for label, _, marker in styles.values()},
                dashes=False,
                markersize=8,
                estimator=None,
                ax=axes,
            )
        ssm = points.loc[points["method"] == "spic", "bpp_ssm"].dropna()
        if len(ssm):
            axes.axvline(ssm.mean(), color="0.35", linestyle=":", linewidth=1.4, label="rate of the SSM")
        axes.set_xlim(left=0)
        if metric == "miou":
            axes.set_ylim(top=1.0)
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel("rate (bits per pixel)")
        axes.set_ylabel(AXES[metric])
        axes.legend(title=None, frameon=True)
        run, n = points["run"].iloc[0], int(points["n"].iloc[0])
        axes.set_title(f"{run}: {n} pictures", fontsize=10, loc="left")
        for suffix in ("svg", "png"):
            with atomic_path(Path(f"{stem}.{suffix}")) as temporary:
                metadata = {"Date": None} if suffix == "svg" else {"Software": None}
                figure.savefig(temporary, format=suffix, dpi=200, metadata=metadata)
        plt.close(figure)
