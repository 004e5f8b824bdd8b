"""How all figures look: one style per method, the same files each time."""

import re
from collections.abc import Iterable
from contextlib import contextmanager
from itertools import cycle
from typing import NamedTuple

from spic.files import atomic_path

DPI = 200  # of the PNG files, and of images in SVG files
LOOK = {
    "svg.hashsalt": "spic",  # else ids in the SVG are random
    "svg.fonttype": "none",  # text stays text
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "text.parse_math": False,  # names may hold a "$"
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.7,
}


class Style(NamedTuple):
    """A method's name for readers, its colour, and the marker and dashes that tell it apart without colour vision."""

    label: str
    color: str
    marker: str
    dash: object = "-"


STYLES = {  # the colours of seaborn's palette "colorblind"
    "spic": Style("SPIC", "#0173b2", "o"),
    "spic_labelmap": Style("SPIC, SSM by labelmap", "#56b4e9", "P", (0, (5, 1))),
    "spic_20": Style("SPIC, 20 steps", "#003f6b", ">", (0, (4, 2))),
    "sr": Style("super-resolution, no SSM", "#de8f05", "v", (0, (4, 1, 1, 1))),
    "ldm": Style("super-resolution, latent diffusion", "#5f3f8f", "<", (0, (5, 1, 1, 1))),
    "sdm": Style("SSM alone (SDM)", "#949494", "X", (0, (1, 1))),
    "upsampled": Style("coarse image, upsampled", "#029e73", "s", (0, (3, 1.5))),
    "dsslic": Style("DSSLIC", "#ca9161", "p", (0, (3, 1, 1, 1))),
    "bpg": Style("BPG", "#d55e00", "^", (0, (6, 1, 1, 1, 1, 1))),
    "jpeg2000": Style("JPEG 2000", "#cc78bc", "D", (0, (2, 1))),
}
SPARE = [
    (color, marker, dash)
    for dash in ("-", (0, (3, 1, 1, 1)))
    for color, marker in (("#000000", "*"), ("#fbafe4", "h"), ("#ece133", "d"))
]


def styles_of(methods: Iterable[str]) -> dict[str, Style]:
    """A style for every method, in their order; those that the project does not know take the spare ones in turn."""
    spare = cycle(SPARE)
    return {name: STYLES.get(name) or Style(name, *next(spare)) for name in dict.fromkeys(methods)}


def label_of(method: str, point: str = "") -> str:
    """What readers call a method, or a point of it: "SPIC, QP 30"."""
    name = styles_of([method])[method].label
    return f"{name}, {point_label(point)}" if point else name


def point_label(point: str) -> str:
    """A point as readers call it: "coarse_qp35" is "QP 35", "bpp0.2" is "bpp 0.2"; several are joined by commas."""
    parts = re.findall(r"([a-z_]+?)(-?[0-9][0-9.e+-]*)(?:_|$)", point.removeprefix("coarse_"))
    return ", ".join(f"{word.replace('_', ' ').replace('qp', 'QP')} {value}" for word, value in parts)


@contextmanager
def drawing():
    """Context for drawing, in which `save` is called: gives matplotlib's pyplot in the style of all figures."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    plt.switch_backend("Agg")
    with sns.axes_style("whitegrid"), plt.rc_context(LOOK):
        yield plt
    plt.close("all")


def save(figure, stem) -> None:
    """Write a figure as SVG and PNG; equal figures give equal bytes."""
    for suffix, varying in (("svg", "Date"), ("png", "Software")):
        with atomic_path(f"{stem}.{suffix}") as temporary:
            figure.savefig(temporary, format=suffix, dpi=DPI, metadata={varying: None})


@contextmanager
def sheet(stem, size, columns=2, shape=(1, 1), panels=None, **layout):
    """A figure of `size` inches: gives its axes to draw in; then gets a legend below all of it and is saved.

    The legend is that of the first axes, where it covers nothing; in fewer than `columns` if it would be cut off.
    Of the `shape` of axes only the first `panels` are shown, by default all.
    """
    with drawing() as plt:
        figure, grid = plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False, **layout)
        for axes in grid.flat[panels:] if panels is not None else ():
            axes.axis("off")
        yield grid
        handles, labels = grid.flat[0].get_legend_handles_labels()
        for ncols in range(columns, 0, -1) if handles else ():
            legend = figure.legend(
                handles, labels, ncols=ncols, loc="outside lower center", frameon=False, fontsize=9, handlelength=3.2
            )
            if ncols == 1 or legend.get_window_extent().width <= figure.bbox.width:
                break
            legend.remove()
        save(figure, stem)


def line(axes, x, y, style: Style, label=None) -> None:
    """One method's line with its markers; `label` in place of the method's name."""
    axes.plot(
        x, y, label=label or style.label, color=style.color, marker=style.marker, linestyle=style.dash,
        markersize=7, markeredgecolor="white", linewidth=1.6,
    )  # fmt: skip


def frame(axes, grid="both") -> None:
    """Thin lines behind the data, "both" ways or along "x" or "y" alone."""
    axes.grid(False)
    axes.grid(axis=grid, color="0.88")
