"""Figures 2 and 3 of the paper, drawn: images, their zooms and what the segmenter sees, pixel for pixel."""

from dataclasses import dataclass
from functools import partial
from textwrap import wrap

import numpy as np

from spic.pictures.labels import LabelSpace
from spic.pictures.sizes import upscale
from spic.report.figures import Figure
from spic.report.figures.style import DPI, drawing, save

ZOOM = 4  # a window has a quarter of the image's height and width
GAP = 10  # between panels, in pixels of the PNG file
LINE = 34  # height of a line of text
SMALL = 13  # width of a letter of small text, on the safe side
LEGEND = 190  # width of a class in the legend
BOX = "#ffd500"


@dataclass(frozen=True)
class Shown:
    """One version of an image.

    Attributes
    ----------
    method, point : str
        As in the tables; "original" has no point.
    title : str
        What stands above it.
    pixels : numpy.ndarray
        uint8 (H, W, 3).
    labels : numpy.ndarray
        uint8 (H, W), what the segmenter sees in `pixels`.
    miou : float
        Against what it sees in the original; 1 for the original.
    bpp : float or None
        Rate of this image; None where nothing was coded.
    """

    method: str
    point: str
    title: str
    pixels: np.ndarray
    labels: np.ndarray
    miou: float
    bpp: float | None = None


@dataclass(frozen=True)
class Subject:
    """An image in all its versions, the original first, and the top left corner of the window to zoom at."""

    name: str
    corner: tuple[int, int]
    versions: list[Shown]


def figure2(subject: Subject, space: LabelSpace, stem) -> None:
    """BPG against SPIC at about the same rate: whole image, zoom, and the zoom as the segmenter sees it.

    Parameters
    ----------
    subject : Subject
        Original, BPG and SPIC.
    space : LabelSpace
        Of the maps.
    stem : path-like
        Path without suffix; SVG and PNG are written.
    """
    height, width = subject.versions[0].pixels.shape[:2]
    canvas = _Canvas(len(subject.versions), width)
    maps = [_window(version.labels, subject.corner) for version in subject.versions]
    canvas.texts([version.title for version in subject.versions], fontweight="bold")
    canvas.row([version.pixels for version in subject.versions], box=(*subject.corner, height // ZOOM, width // ZOOM))
    canvas.row([_enlarged(_window(version.pixels, subject.corner)) for version in subject.versions])
    canvas.row([space.colorize(labels).repeat(ZOOM, 0).repeat(ZOOM, 1) for labels in maps])
    canvas.texts([_numbers(version) for version in subject.versions])
    canvas.legend([(space.classes[k], space.palette[k]) for k in np.unique(maps) if k < space.num_classes])
    canvas.note(
        f"Picture {subject.name}. Middle: the frame {ZOOM} times as large; bottom: what the segmenter sees there. "
        "mIoU is that of the whole picture against what the segmenter sees in the original."
    )
    canvas.draw(stem)


def figure3(subjects: list[Subject], note: str, stem) -> None:
    """Super-resolution without source compression, one row per image: the original, then the zooms of all versions.

    Parameters
    ----------
    subjects : list of Subject
        All with the same versions.
    note : str
        Added to what is said below the images: what is left out, and why.
    stem : path-like
        Path without suffix; SVG and PNG are written.
    """
    height, width = subjects[0].versions[0].pixels.shape[:2]
    canvas = _Canvas(len(subjects[0].versions) + 1, width)
    canvas.texts(["whole picture", *(version.title for version in subjects[0].versions)], fontweight="bold")
    for subject in subjects:
        zooms = [_enlarged(_window(version.pixels, subject.corner)) for version in subject.versions]
        canvas.row([subject.versions[0].pixels, *zooms], box=(*subject.corner, height // ZOOM, width // ZOOM), boxed=1)
        canvas.texts([subject.name, *(_numbers(version) for version in subject.versions)])
    canvas.note(
        "The coarse image without source compression. mIoU of the whole picture, against the segmented original. "
        f"{note}"
    )
    canvas.draw(stem)


def _numbers(shown: Shown) -> str:
    if shown.method == "original":
        return ""
    return (f"{shown.bpp:.3f} BPP, " if shown.bpp is not None else "") + f"mIoU {shown.miou:.3f}"


def _window(array: np.ndarray, corner) -> np.ndarray:
    height, width = array.shape[:2]
    return array[corner[0] :, corner[1] :][: height // ZOOM, : width // ZOOM]


def _enlarged(pixels: np.ndarray) -> np.ndarray:
    return upscale(pixels, (pixels.shape[0] * ZOOM, pixels.shape[1] * ZOOM))


class _Canvas:
    """Rows of panels `width` pixels wide, and lines of text, from top to bottom."""

    def __init__(self, columns: int, width: int):
        self.column, self.width, self.height = width, columns * (width + GAP) + GAP, GAP
        self.marks = []  # what to draw: called with (pyplot, figure)

    def row(self, pictures, box=None, boxed=None):
        """Add images side by side; the first `boxed` of them (all by default) with the frame `box`."""
        boxed = len(pictures) if boxed is None else boxed
        for i, picture in enumerate(pictures):
            self.marks.append(partial(self._panel, self._left(i), self.height, picture, box if i < boxed else None))
        self.height += max(picture.shape[0] for picture in pictures) + GAP

    def texts(self, texts, **look):
        """Add a line of text, one text per column."""
        for i, text in enumerate(texts):
            self.marks.append(partial(self._text, self._left(i), self.height, text, **look))
        self.height += LINE + GAP

    def note(self, text: str):
        """Add small text over the whole width, in as many lines as it takes."""
        for line in wrap(text.strip(), (self.width - 2 * GAP) // SMALL):
            self.marks.append(partial(self._text, GAP, self.height, line, fontsize=8, color="0.3"))
            self.height += LINE - 6
        self.height += GAP

    def legend(self, entries):
        """Add coloured squares with names, (name, sRGB) each."""
        columns = max(1, self.width // LEGEND)
        self.marks.append(partial(self._legend, self.height, entries, columns))
        self.height += (LINE - 4) * -(-len(entries) // columns) + GAP

    def draw(self, stem):
        """Write the files, every pixel of an image one pixel of the PNG."""
        with drawing() as plt:
            figure = plt.figure(figsize=(self.width / DPI, self.height / DPI))
            for mark in self.marks:
                mark(plt, figure)
            save(figure, stem)

    def _left(self, column: int) -> int:
        return GAP + column * (self.column + GAP)

    def _text(self, left, top, text, plt, figure, **look):
        figure.text(left / self.width, 1 - (top + 4) / self.height, text, va="top", **{"fontsize": 9.5, **look})

    def _panel(self, left, top, picture, box, plt, figure):
        rows, columns = picture.shape[:2]
        axes = figure.add_axes(
            np.divide((left, self.height - top - rows, columns, rows), (self.width, self.height) * 2)
        )
        axes.imshow(picture, interpolation="none", aspect="auto")
        axes.set_axis_off()
        for color, line in (("black", 2.4), (BOX, 1.2)) if box else ():
            top, left, height, width = box
            axes.add_patch(
                plt.Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=color, linewidth=line)
            )

    def _legend(self, top, entries, columns, plt, figure):
        figure.legend(
            [plt.Rectangle((0, 0), 1, 1, color=np.array(color) / 255) for _, color in entries],
            [name for name, _ in entries], ncols=columns, frameon=False, fontsize=8, loc="upper left",
            bbox_to_anchor=(GAP / self.width, 1 - top / self.height), borderpad=0, borderaxespad=0,
            handlelength=1, columnspacing=1.5, labelspacing=0.3,
        )  # fmt: skip


FIGURES = (
    Figure("figure2", "2 Pictures", "figure 2: BPG and SPIC at one rate"),
    Figure("figure3", "2 Pictures", "figure 3: super-resolution, nothing compressed"),
)
