"""What figures 2 and 3 show: chosen pictures, rebuilt from a run's coded files or without source compression.

Figure 2 decodes files that the run has coded, so it shows what its tables count, also where the decoded pictures were
dropped. Figure 3 is the paper's first approach, the coarse image without loss, which no point of a run has.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from spic.benchmark.coding import BATCH, partner, png_files, read_coded
from spic.benchmark.methods import Picture, Settings, get_method
from spic.errors import DataError
from spic.files import atomic_folder
from spic.metrics import miou_of_maps
from spic.pictures.labels import LabelSpace
from spic.pictures.reading import read_labels, read_picture, write_png
from spic.pictures.sizes import COARSE_FACTOR
from spic.report.claims import FIGURE2_BPP, FIGURE2_NEAR
from spic.report.figures.pictures import Shown, Subject
from spic.report.figures.style import point_label, styles_of
from spic.report.zoom import ZOOM, most_objects, zoom_box, zoom_classes

PICTURES = 3  # rows of figure 3
UNCOMPRESSED = ("upsampled", "sr", "spic")  # methods of figure 3, in its order


@dataclass(frozen=True)
class Chosen:
    """A picture that is shown: name, pixels, the SSM that is sent, and the corner of its zoom."""

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


def choose(pictures, guides, space: LabelSpace, sent, limits, names=None) -> list[Chosen]:
    """The pictures to show and where to zoom, by what is in the originals.

    Parameters
    ----------
    pictures, guides, sent : list of path-like
        A folder a chunk: originals, label maps to go by (ground truth knows best where persons are, else what the
        segmenter sees), and the label maps that are sent.
    space : LabelSpace
        Of the guides.
    limits : list of int or None
        How many of each folder's first pictures count; None is all.
    names : list of str, optional
        Exactly these; else the pictures with the most small objects in one window (`most_objects`), at most three.

    Raises
    ------
    DataError
        A named picture is not in the folders.
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


def equal_rate_pair(table: pd.DataFrame) -> tuple[dict, dict]:
    """Rows of SPIC and BPG to compare on one picture: of the pairs in which BPG has no fewer bits the nearest in rate.

    SPIC's points within a factor of 1.5 of the paper's 0.166 BPP come first, then the others. Where BPG always has
    fewer bits it is the pair nearest in rate.

    Parameters
    ----------
    table : pandas.DataFrame
        The rows of the picture in the per-picture table: method, point, bpp.
    """
    pairs = table[table["method"] == "spic"].merge(table[table["method"] == "bpg"], how="cross", suffixes=("", "_bpg"))
    ratio = np.log(pairs["bpp_bpg"] / pairs["bpp"])
    far = np.log(pairs["bpp"] / FIGURE2_BPP).abs() > np.log(FIGURE2_NEAR)
    order = pd.DataFrame({"fewer": ratio < 0, "far": far, "ratio": ratio.abs()}).sort_values(["fewer", "far", "ratio"])
    best = pairs.loc[order.index[0]]
    return tuple(
        {"method": method, "point": best[f"point{end}"], "bpp": float(best[f"bpp{end}"])}
        for method, end in (("spic", ""), ("bpg", "_bpg"))
    )


def coded_versions(chosen: Chosen, table: pd.DataFrame, coded: dict, settings: Settings, eye: Eye) -> Subject:
    """Figure 2: original, BPG, SPIC.

    Parameters
    ----------
    chosen : Chosen
        The picture.
    table : pandas.DataFrame
        The per-picture table of one protocol.
    coded : dict
        (method, point) to the folders of its coded files, one a chunk.
    settings : Settings
        As the run decodes.
    eye : Eye
        The segmenter.
    """
    rows = equal_rate_pair(table[table["name"] == chosen.name])
    original = eye.original(chosen.picture.pixels)
    versions = [original]
    for row in reversed(rows):
        method, point = row["method"], row["point"]
        pixels = _decoded(get_method(method, settings), coded[method, point], chosen.name)
        title = f"{styles_of([method])[method].label}, {point_label(point)}"
        versions.append(eye.version(original, method, point, title, pixels, row["bpp"]))
    return Subject(chosen.name, chosen.corner, versions)


def uncompressed_versions(chosen: list[Chosen], methods, settings: Settings, eye: Eye) -> list[Subject]:
    """Figure 3: original, then those of `UNCOMPRESSED` that are among `methods`, from the coarse image without loss."""
    settings = replace(settings, coarse_codec="lossless")
    subjects = [[eye.original(one.picture.pixels)] for one in chosen]
    for method in UNCOMPRESSED:
        if method not in methods:
            continue
        coder, title = get_method(method, settings), styles_of([method])[method].label
        parts = [coder.encode(one.picture, COARSE_FACTOR) for one in chosen]
        decoded = coder.decode(parts, [one.name for one in chosen])
        for versions, pixels in zip(subjects, decoded, strict=True):
            versions.append(eye.version(versions[0], method, f"coarse_factor{COARSE_FACTOR}", title, pixels))
    return [Subject(one.name, one.corner, versions) for one, versions in zip(chosen, subjects, strict=True)]


def write_pictures(figures: dict[str, list[Subject]], out) -> None:
    """Every picture of the figures as a PNG file, <figure>_<name>_<method>.png, into the folder `out`."""
    with atomic_folder(out) as folder:
        for figure, subjects in figures.items():
            for subject in subjects:
                for one in subject.versions:
                    write_png(folder / f"{figure}_{subject.name}_{one.method}.png", one.pixels)


def numbers(figures: dict[str, list[Subject]]) -> pd.DataFrame:
    """All that is written in figures, {name: subjects}: a row a picture and version."""
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
    """One picture of coded files, decoded with the same neighbours as in the run: networks round by the batch."""
    for folder in folders:
        coded = read_coded(folder)
        names = list(coded)
        if name in coded:
            first = names.index(name) // BATCH * BATCH
            batch = names[first : first + BATCH]
            return coder.decode([coded[one] for one in batch], batch)[batch.index(name)]
    raise DataError(f"{folders[0]}: no coded file of {name}")
