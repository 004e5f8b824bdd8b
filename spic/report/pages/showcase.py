"""What a run's gallery shows: which images, which point of each method, and what stands under them."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from spic.benchmark.observations import label_space
from spic.bitstream import read_spic
from spic.codecs import get_codec
from spic.errors import ConfigError
from spic.metrics.columns import column, columns_in
from spic.pictures.labels import LabelSpace, get_label_space
from spic.pictures.reading import as_pixels, read_labels, read_picture
from spic.pictures.sizes import upscale
from spic.report.comparison import BASELINES, nearest
from spic.report.figures.style import label_of
from spic.report.pages.gallery import Page, Version, write_gallery, write_preview
from spic.report.tables import read_csv

ORIGINAL, SSM, COARSE = "original", "SSM", "coarse picture"
PREVIEWED = 3  # images in the report
SMALL = ("persons", "small")  # kinds of small objects; the first that an image has stands under it


def choose_pictures(names: list[str], chunks: dict[str, int | None], size: int, wanted) -> dict[str, list[str]]:
    """The images of a gallery, {chunk: names}.

    Parameters
    ----------
    names : list of str
        All images of the data set, in their order.
    chunks : dict
        Chunks that take part, in their order, each with how many of its first images do (None: all of them).
    size : int
        Images of a chunk; the last one may hold fewer.
    wanted : int or "all"
        How many.

    Returns
    -------
    dict
        Spread evenly over the fewest chunks, from the first on, that have as many.

    Raises
    ------
    ConfigError
        `wanted` is neither.
    """
    if wanted != "all" and (not isinstance(wanted, int) or wanted < 1):
        raise ConfigError(f"gallery: pictures {wanted!r}, expected a number or all")
    pool = []
    for chunk, limit in chunks.items():
        first = int(chunk) * size
        pool += [(chunk, name) for name in names[first : first + size][:limit]]
        if wanted != "all" and len(pool) >= wanted:
            break
    count = len(pool) if wanted == "all" else min(wanted, len(pool))
    chosen = {}
    for i in range(count):  # the middle of each of `count` equal parts
        chunk, name = pool[(2 * i + 1) * len(pool) // (2 * count)]
        chosen.setdefault(chunk, []).append(name)
    return chosen


def choose_points(points: pd.DataFrame, bpp: float) -> dict[str, str]:
    """The point of each method whose mean rate is nearest to `bpp` in ratio, {method: point}, in the table's order."""
    return {method: row["point"] for method, row in nearest(points, bpp).items()}


@dataclass(frozen=True)
class Showcase:
    """Where the images of one protocol of a run lie.

    Attributes
    ----------
    originals : dict of str to path-like
        Folder of original images of each chunk.
    ssm : dict of str to path-like
        Folder of the label maps that are sent, of each chunk.
    space : spic.pictures.labels.LabelSpace
        Of those maps.
    decoded : dict
        {(method, point): {chunk: folder}} of rebuilt images.
    coded : dict
        {(method, point): {chunk: folder}} of coded files, of methods that write `.spic` files; may be empty.
    pictures : pandas.DataFrame
        The per-picture table.
    """

    originals: dict
    ssm: dict
    space: LabelSpace
    decoded: dict
    coded: dict
    pictures: pd.DataFrame

    def versions(self, chosen: dict[str, list[str]], at: dict[str, str]):
        """Yield (name, versions) of the images that `choose_pictures` gave, at the points of `choose_points`."""
        table = self.pictures.set_index(["method", "point", "name"]).sort_index()
        sender = next((key for key in at.items() if key in self.coded), None)
        for chunk, names in chosen.items():
            for name in names:
                yield name, self._versions(chunk, name, at, table, sender)

    def _versions(self, chunk, name, at, table, sender) -> list[Version]:
        original = read_picture(Path(self.originals[chunk]) / f"{name}.png")
        spent = table.loc[(*sender, name)] if sender else {}
        ssm = self.space.colorize(read_labels(Path(self.ssm[chunk]) / f"{name}.png"))
        found = [Version(ORIGINAL, original), Version(SSM, ssm, _rate(spent.get("bpp_ssm")))]
        if sender:
            file = read_spic(Path(self.coded[sender][chunk], f"{name}.picture.spic").read_bytes())
            coarse = as_pixels(get_codec(file.coarse_codec).decode(file.coarse))
            found.append(Version(COARSE, enlarged(coarse, ssm.shape), _rate(spent["bpp_coarse"])))
        for point in at.items():
            pixels = read_picture(Path(self.decoded[point][chunk]) / f"{name}.png")
            found.append(Version(label_of(*point), pixels, under(table.loc[(*point, name)])))
        return found


def show_run(given, params, out) -> None:
    """Write the gallery of a run, and a preview of it for Snakemake's report.

    Parameters
    ----------
    given, params, out : object
        Inputs, parameters and outputs of the rule `gallery`, as attributes.
    """
    points, pictures = read_csv(given.points), pd.read_parquet(given.all_pictures)
    at = choose_points(points[points["protocol"] == params.protocol], params.bpp)
    # `truth_space` is set where ground truth is sent
    space = get_label_space(params.truth_space) if params.truth_space else label_space(Path(given.space).read_text())
    pictures = pictures[pictures["protocol"] == params.protocol]
    decoded, coded = _by_point(params.decoded), _by_point(params.coded)
    showcase = Showcase(params.originals, params.ssm, space, decoded, coded, pictures)
    first = next((label_of(method, at[method]) for method in BASELINES if method in at), ORIGINAL)
    page = Page(
        title=f"{params.run}: every method at about {params.bpp} bits per pixel",
        notes=f"Each method at the point whose mean rate over the run is nearest to {params.bpp} bpp; the numbers are "
        "those of the picture alone. mIoU compares segmentations of the original and of the rebuilt picture; the "
        f"judge's mIoU is by a network that no other part uses. Protocol {params.protocol}.",
        start=(first, label_of(*next(iter(at.items())))),
        legend=tuple(zip(space.classes, space.palette, strict=True)),
    )
    write_gallery(out.gallery, page, showcase.versions(params.chosen, at))
    write_preview(out.preview, page, islice(showcase.versions(params.chosen, at), PREVIEWED))


def under(row) -> dict:
    """The numbers under a rebuilt image, from its row of the per-picture table; what was not computed is left out."""
    numbers = [one for one in columns_in(row.keys()) if one.place is not None and one.each]
    numbers = [column("bpp"), *sorted(numbers, key=lambda one: one.place)]
    shown = {one.short: one.form.format(row[one.name]) for one in numbers if _known(row.get(one.name))}
    for kind in SMALL:
        total = row.get(f"{kind}_total")
        if _known(total) and total > 0:
            found = column(f"{kind}_found")
            shown[found.label] = f"{found.form.format(row[found.name])} of {total:.0f}"
            break
    return shown


def enlarged(coarse: np.ndarray, shape) -> np.ndarray:
    """A coarse image at the size of `shape`, each sample a square, so that one sees what is sent."""
    height, width = shape[:2]
    if height % coarse.shape[0] or width % coarse.shape[1]:
        return upscale(coarse, (height, width))
    return coarse.repeat(height // coarse.shape[0], 0).repeat(width // coarse.shape[1], 1)


def _by_point(rows) -> dict:
    """Rows of (method, point, chunk, folder) as {(method, point): {chunk: folder}}."""
    folders = {}
    for method, point, chunk, folder in rows:
        folders.setdefault((method, point), {})[chunk] = folder
    return folders


def _rate(value) -> dict:
    return {"bpp": f"{value:.3f}"} if _known(value) else {}


def _known(value) -> bool:
    return value is not None and not np.isnan(value)
