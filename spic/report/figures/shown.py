"""What figures 2 and 3 show: chosen images, rebuilt from a run's coded files or without source compression.

Figure 2 decodes files that the run has coded, so it shows what its tables count, also where the decoded images were
dropped. Figure 3 is the paper's first approach, the coarse image without loss, which no point of a run has.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from spic.benchmark.coding import BATCH, load_segmenter, method_settings, partner, png_files, read_coded
from spic.benchmark.method import Picture, Settings
from spic.benchmark.methods import get_method
from spic.benchmark.observations import label_space
from spic.errors import DataError
from spic.files import atomic_folder
from spic.machine import Machine
from spic.metrics import miou_of_maps
from spic.pictures.labels import LabelSpace, get_label_space
from spic.pictures.reading import read_labels, read_picture, write_png
from spic.pictures.sizes import COARSE_FACTOR
from spic.report.comparison import equal_rate_pair
from spic.report.figures.pictures import Shown, Subject, figure2, figure3
from spic.report.figures.style import label_of
from spic.report.tables import write_csv
from spic.report.zoom import ZOOM, most_objects, zoom_box, zoom_classes

PICTURES = 3  # rows of figure 3
NO_SR = "Super-resolution without the SSM (method sr) is left out: the run has no such method, which needs sr_weights."
UNCOMPRESSED = ("upsampled", "sr", "ldm", "spic")  # methods of figure 3, in its order


@dataclass(frozen=True)
class Chosen:
    """An image that is shown: name, pixels, the SSM that is sent, and the corner of its zoom."""

    name: str
    picture: Picture
    corner: tuple[int, int]


class Eye:
    """The segmenter of a run; remembers nothing.

    Parameters
    ----------
    segmenter : object
        With `segment(uint8 (N, H, W, 3)) -> uint8 (N, H, W)` and `label_space`.
    """

    def __init__(self, segmenter):
        self.segmenter = segmenter
        self.space: LabelSpace = segmenter.label_space

    def original(self, pixels: np.ndarray) -> Shown:
        """The original as a version of itself."""
        return Shown("original", "", "original", pixels, self._see(pixels), 1.0)

    def version(self, original: Shown, method: str, point: str, title: str, pixels, bpp=None) -> Shown:
        """A version with its mIoU against what is seen in the original."""
        labels = self._see(pixels)
        return Shown(method, point, title, pixels, labels, miou_of_maps(original.labels, labels, self.space), bpp)

    def _see(self, pixels):
        return self.segmenter.segment(pixels[None])[0]


def draw_run(given, params, out, machine: Machine) -> None:
    """Draw figures 2 and 3 of a run and write what stands in them.

    Parameters
    ----------
    given, params, out : object
        Inputs, parameters and outputs of the rule `figure_pictures`, as attributes. Without outputs of figure 2 it is
        left out.
    machine : Machine
        Where the networks run.
    """
    labelled = all(png_files(folder) for folder in given.labels)
    space = get_label_space(params.truth_space) if labelled else label_space(Path(given.space).read_text())
    chosen = choose(
        given.pictures, given.labels if labelled else given.ssm, space, given.sent, params.limits, params.names
    )
    settings, eye = method_settings(params.settings, machine), Eye(load_segmenter(**params.segmenter, machine=machine))
    figures = {"figure3": uncompressed_versions(chosen, params.methods, settings, eye)}
    figure3(figures["figure3"], "" if "sr" in params.methods else NO_SR, out.figure3_svg.removesuffix(".svg"))
    if hasattr(out, "figure2_svg"):
        table, coded = pd.read_parquet(given.all_pictures), {}
        for (method, point), folder in zip(params.coded, given.coded, strict=True):
            coded.setdefault((method, point), []).append(folder)
        table = table[table["protocol"] == params.protocol]
        figures["figure2"] = [coded_versions(chosen[0], table, coded, settings, eye)]
        figure2(figures["figure2"][0], eye.space, out.figure2_svg.removesuffix(".svg"))
    write_csv(numbers(figures), out.numbers)
    write_pictures(figures, out.pictures)


def choose(pictures, guides, space: LabelSpace, sent, limits, names=None) -> list[Chosen]:
    """The images to show and where to zoom, by what is in the originals.

    Parameters
    ----------
    pictures, guides, sent : list of path-like
        One folder per chunk: originals, label maps to go by (ground truth knows best where persons are, else what the
        segmenter sees), and the label maps that are sent.
    space : LabelSpace
        Of the guides.
    limits : list of int or None
        How many of each folder's first images count; None is all.
    names : list of str, optional
        Exactly these; else the images with the most small objects in one window (`most_objects`), at most three.

    Raises
    ------
    DataError
        A named image is not in the folders.
    """
    where = {
        name: i
        for i, (folder, limit) in enumerate(zip(guides, limits, strict=True))
        for name in list(png_files(folder))[:limit]
    }
    for name in names or []:
        if name not in where:
            raise DataError(f"figure_pictures: {name} is not among the pictures that the first protocol looks at")
    candidates = list(names or where)
    maps = [read_labels(partner(guides[where[name]], name)) for name in candidates]
    ids = zoom_classes(space, maps)
    found = []
    for i in range(len(maps)) if names else most_objects(maps, ids, PICTURES):
        name, labels = candidates[i], maps[i]
        pixels, ssm = partner(pictures[where[name]], name), partner(sent[where[name]], name)
        corner = zoom_box(labels, ids, tuple(side // ZOOM for side in labels.shape))
        found.append(Chosen(name, Picture(read_picture(pixels), read_labels(ssm)), corner))
    return found


def coded_versions(chosen: Chosen, table: pd.DataFrame, coded: dict, settings: Settings, eye: Eye) -> Subject:
    """Figure 2: original, BPG, SPIC.

    Parameters
    ----------
    chosen : Chosen
        The image.
    table : pandas.DataFrame
        The per-picture table of one protocol.
    coded : dict
        (method, point) to the folders of its coded files, one per chunk.
    settings : Settings
        As the run decodes.
    eye : Eye
        The segmenter.
    """
    rows = equal_rate_pair(table[table["name"] == chosen.name])
    original = eye.original(chosen.picture.pixels)
    versions = [original]
    for row in reversed(rows):
        at = row["method"], row["point"]
        pixels = _decoded(get_method(at[0], settings), coded[at], chosen.name)
        versions.append(eye.version(original, *at, label_of(*at), pixels, row["bpp"]))
    return Subject(chosen.name, chosen.corner, versions)


def uncompressed_versions(chosen: list[Chosen], methods, settings: Settings, eye: Eye) -> list[Subject]:
    """Figure 3: original, then those of `UNCOMPRESSED` that are among `methods`, from the coarse image without loss."""
    settings = replace(settings, coarse_codec="lossless")
    subjects = [[eye.original(one.picture.pixels)] for one in chosen]
    for method in (name for name in UNCOMPRESSED if name in methods):
        coder, title = get_method(method, settings), label_of(method)
        parts = [coder.encode(one.picture, COARSE_FACTOR) for one in chosen]
        decoded = coder.decode(parts, [one.name for one in chosen])
        for versions, pixels in zip(subjects, decoded, strict=True):
            versions.append(eye.version(versions[0], method, f"coarse_factor{COARSE_FACTOR}", title, pixels))
    return [Subject(one.name, one.corner, versions) for one, versions in zip(chosen, subjects, strict=True)]


def write_pictures(figures: dict[str, list[Subject]], out) -> None:
    """Every image of the figures as a PNG file, <figure>_<name>_<method>.png, into the folder `out`."""
    with atomic_folder(out) as folder:
        for figure, subjects in figures.items():
            for subject in subjects:
                for one in subject.versions:
                    write_png(folder / f"{figure}_{subject.name}_{one.method}.png", one.pixels)


def numbers(figures: dict[str, list[Subject]]) -> pd.DataFrame:
    """All that is written in figures, {name: subjects}: one row per image and version."""
    return pd.DataFrame(
        [
            {"figure": name, "name": subject.name, "top": subject.corner[0], "left": subject.corner[1]}
            | {"method": one.method, "point": one.point, "bpp": one.bpp, "miou": one.miou}
            for name, subjects in figures.items()
            for subject in subjects
            for one in subject.versions
        ]
    )


def _decoded(coder, folders, name: str) -> np.ndarray:
    """One image of coded files, decoded with the same neighbours as in the run: networks round by the batch."""
    for folder in folders:
        coded = read_coded(folder)
        names = list(coded)
        if name in coded:
            first = names.index(name) // BATCH * BATCH
            batch = names[first : first + BATCH]
            return coder.decode([coded[one] for one in batch], batch)[batch.index(name)]
    raise DataError(f"{folders[0]}: no coded file of {name}")
