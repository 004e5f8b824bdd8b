"""How all figures look: one style per method, the same files each time."""

import re
from collections.abc import Iterable
from contextlib import contextmanager
from itertools import product
from pathlib import Path
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
    "sr": Style("super-resolution, no SSM", "#de8f05", "v", (0, (4, 1, 1, 1))),
    "sdm": Style("SSM alone (SDM)", "#949494", "X", (0, (1, 1))),
    "upsampled": Style("coarse image, upsampled", "#029e73", "s", (0, (3, 1.5))),
    "dsslic": Style("DSSLIC", "#ca9161", "p", (0, (3, 1, 1, 1))),
    "bpg": Style("BPG", "#d55e00", "^", (0, (6, 1, 1, 1, 1, 1))),
    "jpeg2000": Style("JPEG 2000", "#cc78bc", "D", (0, (2, 1))),
}
SPARE = list(product(["-", (0, (3, 1, 1, 1))], [("#000000", "*"), ("#fbafe4", "h"), ("#ece133", "d")]))


def styles_of(methods: Iterable[str]) -> dict[str, Style]:
    """A style for every method, in their order; those that the project does not know take the spare ones in turn."""
    names = list(dict.fromkeys(methods))
    unknown = [name for name in names if name not in STYLES]
    spare = {
        name: Style(name, color, marker, dash)
        for name, (dash, (color, marker)) in zip(unknown, SPARE * len(unknown), strict=False)
    }
    return {name: STYLES.get(name) or spare[name] for name in names}


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
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    with sns.axes_style("whitegrid"), plt.rc_context(LOOK):
        yield plt


def save(figure, stem) -> None:
    """Write a figure as SVG and PNG and close it; equal figures give equal bytes."""
    import matplotlib.pyplot as plt

    for suffix in ("svg", "png"):
        with atomic_path(Path(f"{stem}.{suffix}")) as temporary:
            metadata = {"Date": None} if suffix == "svg" else {"Software": None}
            figure.savefig(temporary, format=suffix, dpi=DPI, metadata=metadata)
    plt.close(figure)
