"""What figures 2 and 3 show: chosen images, rebuilt from a run's coded files or without source compression.

Figure 2 decodes files that the run has coded, so it shows what its tables count, also where the decoded images were
dropped. Figure 3 is the paper's first approach, the coarse image without loss, which no point of a run has.

Which images, and which window of them, is chosen by the segmentation of the originals alone, so no method has a say in
what is shown: the images with the most small objects, and the window that holds them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from spic.benchmark.coding import BATCH, load_segmenter, method_settings, partner, png_files, read_coded
from spic.benchmark.method import Picture, Settings
from spic.benchmark.methods import get_method
from spic.benchmark.observations import label_space
from spic.errors import ConfigError, DataError
from spic.files import atomic_folder
from spic.machine import Machine
from spic.metrics import miou_of_maps
from spic.metrics.objects import MIN_PIXELS, person_classes, small_classes
from spic.pictures.labels import LabelSpace, get_label_space
from spic.pictures.reading import read_labels, read_picture, write_png
from spic.pictures.sizes import COARSE_FACTOR
from spic.report.comparison import equal_rate_pair
from spic.report.figures.pictures import ZOOM, Shown, Subject, figure2, figure3
from spic.report.figures.style import label_of
from spic.report.tables import write_csv

PICTURES = 3  # rows of figure 3
NO_SR = "Super-resolution without the SSM is left out: the run has no method sr (config/ablations.yaml brings it)."
UNCOMPRESSED = ("upsampled", "sr", "ldm", "spic")  # methods of figure 3, in its order


@dataclass(frozen=True)
class Chosen:
    """An image that is shown: name, pixels, the SSM that is sent, and the corner of its zoom."""

    name: str
    picture: Picture
    corner: tuple[int, int]


def seen(segmenter, pixels: np.ndarray, original: Shown | None = None, **labelled) -> Shown:
    """A version of an image with its mIoU against what `segmenter` sees in the original; by default that itself.

    Parameters
    ----------
    segmenter : object
        With `segment(uint8 (N, H, W, 3)) -> uint8 (N, H, W)` and `label_space`.
    pixels : numpy.ndarray
        uint8 (H, W, 3).
    original : Shown, optional
        The original, where this is another version.
    **labelled
        method, point, title and bpp of a `Shown`.
    """
    labels = segmenter.segment(pixels[None])[0]
    miou = 1.0 if original is None else miou_of_maps(original.labels, labels, segmenter.label_space)
    named = {"method": "original", "point": "", "title": "original"} | labelled
    return Shown(pixels=pixels, labels=labels, miou=miou, **named)


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
    settings, eye = method_settings(params.settings, machine), load_segmenter(**params.segmenter, machine=machine)
    figures = {"figure3": uncompressed_versions(chosen, params.methods, settings, eye)}
    figure3(figures["figure3"], "" if "sr" in params.methods else NO_SR, out.figure3_svg.removesuffix(".svg"))
    if hasattr(out, "figure2_svg"):
        table = pd.read_parquet(given.all_pictures, filters=[("protocol", "==", params.protocol)])
        coded = defaultdict(list)
        for point, folder in zip(params.coded, given.coded, strict=True):
            coded[tuple(point)].append(folder)
        figures["figure2"] = [coded_versions(chosen[0], table, coded, settings, eye)]
        figure2(figures["figure2"][0], eye.label_space, out.figure2_svg.removesuffix(".svg"))
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
    maps = {name: read_labels(partner(guides[where[name]], name)) for name in names or where}
    ids = zoom_classes(space, list(maps.values()))
    most = names or [list(maps)[i] for i in most_objects(list(maps.values()), ids, PICTURES)]

    def chosen(name, pixels, ssm):
        corner = zoom_box(maps[name], ids, tuple(side // ZOOM for side in maps[name].shape))
        return Chosen(name, Picture(read_picture(partner(pixels, name)), read_labels(partner(ssm, name))), corner)

    return [chosen(name, pictures[where[name]], sent[where[name]]) for name in most]


def coded_versions(chosen: Chosen, table: pd.DataFrame, coded: dict, settings: Settings, eye) -> Subject:
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
    eye : object
        The segmenter, as `seen` takes it.
    """
    versions = [seen(eye, chosen.picture.pixels)]
    for row in reversed(equal_rate_pair(table[table["name"] == chosen.name])):
        pixels = _decoded(get_method(row["method"], settings), coded[row["method"], row["point"]], chosen.name)
        versions.append(seen(eye, pixels, versions[0], title=label_of(row["method"], row["point"]), **row))
    return Subject(chosen.name, chosen.corner, versions)


def uncompressed_versions(chosen: list[Chosen], methods, settings: Settings, eye) -> list[Subject]:
    """Figure 3: original, then those of `UNCOMPRESSED` that are among `methods`, from the coarse image without loss."""
    settings = replace(settings, coarse_codec="lossless")
    subjects = [[seen(eye, one.picture.pixels)] for one in chosen]
    for method in (name for name in UNCOMPRESSED if name in methods):
        coder = get_method(method, settings)
        decoded = coder.decode(
            [coder.encode(one.picture, COARSE_FACTOR) for one in chosen], [one.name for one in chosen]
        )
        point, title = f"coarse_factor{COARSE_FACTOR}", label_of(method)
        for versions, pixels in zip(subjects, decoded, strict=True):
            versions.append(seen(eye, pixels, versions[0], method=method, point=point, title=title))
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
            batch = names[names.index(name) // BATCH * BATCH :][:BATCH]
            return coder.decode([coded[one] for one in batch], batch)[batch.index(name)]
    raise DataError(f"{folders[0]}: no coded file of {name}")


def zoom_classes(space: LabelSpace, maps: Sequence[np.ndarray]) -> list[int]:
    """Ids to zoom at: pedestrians and cyclists, as in the paper's figures; small objects if there is no person."""
    try:
        persons = person_classes(space)
        return persons if any(np.isin(labels, persons).any() for labels in maps) else small_classes(space)
    except ConfigError:  # a label space without streets' small objects
        return []


def zoom_box(labels: np.ndarray, ids: list[int], size: tuple[int, int]) -> tuple[int, int]:
    """Where to zoom: top left corner of the window of `size` with the most objects of `ids`, each counted once.

    Parameters
    ----------
    labels : numpy.ndarray
        uint8 (H, W), a label map.
    ids : list of int
        Classes of small objects.
    size : (int, int)
        Height and width of the window, at most those of the map.

    Returns
    -------
    (int, int)
        Row and column. Objects count by the share of their pixels inside, so a near car does not outweigh three far
        pedestrians; without any object the middle of the map.
    """
    return _best_window(labels, ids, size)[1]


def most_objects(maps: Sequence[np.ndarray], ids: list[int], count: int) -> list[int]:
    """Indices of the `count` images whose `zoom_box` holds the most objects of `ids`, the fullest first.

    The images are cut into `count` runs of neighbours and each gives its best, as neighbouring frames of a clip show
    the same objects. Fewer than `count` where there are fewer images.
    """
    size = tuple(side // ZOOM for side in maps[0].shape)
    found = [_best_window(labels, ids, size)[0] for labels in maps]
    runs = np.array_split(np.arange(len(maps)), count)
    best = [int(max(run, key=found.__getitem__)) for run in runs if len(run)]  # the first of equals
    return sorted(best, key=found.__getitem__, reverse=True)


def _best_window(labels, ids, size) -> tuple[float, tuple[int, int]]:
    """How many objects the best window holds, and its corner."""
    from scipy import ndimage

    weight = np.zeros(labels.shape)
    for class_id in ids:
        components, count = ndimage.label(labels == class_id, np.ones((3, 3)))
        sizes = np.bincount(components.ravel(), minlength=count + 1)
        share = np.where(sizes >= MIN_PIXELS, 1 / np.maximum(sizes, 1), 0)
        share[0] = 0
        weight += share[components]
    height, width = size
    if not weight.any():
        return 0.0, ((labels.shape[0] - height) // 2, (labels.shape[1] - width) // 2)
    sums = np.pad(weight.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    best = np.argwhere(inside > inside.max() - 1e-9).astype(float)
    distance = ((best + np.array(size) / 2 - ndimage.center_of_mass(weight)) ** 2).sum(
        1
    )  # among equals the one nearest to all objects
    return round(float(inside.max()), 6), tuple(int(k) for k in best[distance.argmin()])
