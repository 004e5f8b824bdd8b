"""A gallery: one folder with `index.html` and lossless WebP images that opens from disk, without a network.

For each image all versions side by side (original, SSM, coarse image, every method), zoomed together, and two of
them under a slider. The page knows nothing but the JSON that is written into it.
"""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from spic.benchmark.observations import label_space
from spic.bitstream import read_spic
from spic.codecs import get_codec
from spic.errors import ConfigError, DataError
from spic.files import atomic_folder, write_bytes
from spic.metrics.columns import column, columns_in
from spic.pictures.labels import LabelSpace, get_label_space
from spic.pictures.reading import as_pixels, read_labels, read_picture
from spic.pictures.sizes import upscale
from spic.report.comparison import BASELINES, nearest
from spic.report.figures.style import label_of
from spic.report.pages import render
from spic.report.pages.player import player
from spic.report.tables import read_csv

MAX_PAGE = 3_000_000  # bytes of index.html
PREVIEW_QUALITY = 80  # WebP, of the images inside `write_preview`'s page
ORIGINAL, SSM, COARSE = "original", "SSM", "coarse picture"
PREVIEWED = 3  # images in the report
SMALL = ("persons", "small")  # kinds of small objects; the first that an image has stands under it


@dataclass(frozen=True)
class Version:
    """One way an image looks.

    Attributes
    ----------
    label : str
        What the page calls it; the same for the same method at every image.
    pixels : numpy.ndarray
        uint8 (h, w, 3); any size of the image's aspect, shown at the image's size.
    numbers : dict of str to float or str
        Shown under it, in this order: {"bpp": 0.16, "mIoU": 0.71}.
    """

    label: str
    pixels: np.ndarray
    numbers: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """What a gallery says beside its images.

    Attributes
    ----------
    title : str
        Heading of the page.
    notes : str
        One line under the heading: protocol, rate, what the numbers are.
    start : (str, str)
        Labels of the versions that are under the slider at first; the first and the last where there are none such.
    legend : tuple of (str, (int, int, int))
        Names and sRGB colours of the classes of the SSM.
    clip : dict, optional
        What `spic.report.pages.player.player` gives: the page plays it. `write_preview`, whose page may lie anywhere,
        leaves it out.
    """

    title: str
    notes: str = ""
    start: tuple[str, str] = ("", "")
    legend: tuple = ()
    clip: dict | None = None

    def render(self, entries: list[dict]) -> bytes:
        """The HTML for entries made by `entry`; `DataError` if it would exceed `MAX_PAGE`."""
        if not entries:
            raise DataError("gallery: no picture to show")
        data = render(
            "gallery.html.j2",
            pictures=entries,
            legend=[[name, "#{:02x}{:02x}{:02x}".format(*colour)] for name, colour in self.legend],
            title=self.title,
            notes=self.notes,
            start=self.start,
            clip=self.clip,
        ).encode()
        if len(data) > MAX_PAGE:
            raise DataError(f"gallery: a page of {len(data)} bytes for {len(entries)} pictures; show fewer")
        return data


def entry(name: str, size: tuple[int, int], shown: list[tuple[str, str, dict]], remark: str = "") -> dict:
    """One image as the page wants it: its name, its height and width, and (label, file, numbers) of each version."""
    versions = [{"label": label, "file": file, "numbers": _numbers(numbers)} for label, file, numbers in shown]
    if not versions or len({label for label, *_ in shown}) < len(shown):
        raise DataError(f"gallery: {name} has no version, or two of the same label")
    return {"name": name, "height": size[0], "width": size[1], "versions": versions, "remark": remark}


def write_gallery(folder, page: Page, pictures: Iterable[tuple[str, list[Version]]]) -> int:
    """Write a gallery, `index.html` and lossless WebP images, and return the number of its images.

    Parameters
    ----------
    folder : path-like
        Is replaced as a whole when all is written.
    page : Page
        Heading and the like.
    pictures : iterable of (str, list of Version)
        Name and versions of each image; the first version is the original and gives the size.

    Raises
    ------
    DataError
        There is no image, an image has no version or two of one label, or the page would exceed `MAX_PAGE`.
    """
    entries = []
    with atomic_folder(folder) as temporary:
        for i, (name, versions) in enumerate(pictures):
            files = [f"pictures/{i:04d}-{j:02d}.webp" for j in range(len(versions))]
            entries.append(_entry(name, versions, files))
            for version, file in zip(versions, files, strict=True):
                write_bytes(temporary / file, _webp(version.pixels, lossless=True, quality=60))
        write_bytes(temporary / "index.html", page.render(entries))
    return len(entries)


def write_preview(path, page: Page, pictures: Iterable[tuple[str, list[Version]]]) -> None:
    """Write a gallery as one HTML file with the images inside, at WebP's quality `PREVIEW_QUALITY`.

    Arguments and errors as in `write_gallery`.
    """
    entries = []
    for name, versions in pictures:
        coded = [base64.b64encode(_webp(one.pixels, quality=PREVIEW_QUALITY)).decode() for one in versions]
        entries.append(_entry(name, versions, [f"data:image/webp;base64,{text}" for text in coded]))
    write_bytes(path, replace(page, clip=None).render(entries))


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
        pool += [(chunk, name) for name in names[int(chunk) * size :][:size][:limit]]
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


def versions_of(
    chosen: dict[str, list[str]], at: dict[str, str], originals, ssm, space: LabelSpace, decoded, coded, pictures
):
    """Yield (name, versions) of images of one protocol of a run.

    Parameters
    ----------
    chosen : dict
        {chunk: names}, as `choose_pictures` gives them.
    at : dict
        {method: point}, as `choose_points` gives them.
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

    table = pictures.set_index(["method", "point", "name"]).sort_index()
    sender = next((key for key in at.items() if key in coded), None)
    for chunk, name in ((chunk, name) for chunk, names in chosen.items() for name in names):
        original = read_picture(Path(originals[chunk]) / f"{name}.png")
        spent = table.loc[(*sender, name)] if sender else {}
        sent = space.colorize(read_labels(Path(ssm[chunk]) / f"{name}.png"))
        versions = [Version(ORIGINAL, original), Version(SSM, sent, _rate(spent.get("bpp_ssm")))]
        if sender:
            file = read_spic(Path(coded[sender][chunk], f"{name}.picture.spic").read_bytes())
            coarse = as_pixels(get_codec(file.coarse_codec).decode(file.coarse))
            versions.append(Version(COARSE, enlarged(coarse, sent.shape), _rate(spent["bpp_coarse"])))
        for point in at.items():
            pixels = read_picture(Path(decoded[point][chunk]) / f"{name}.png")
            versions.append(Version(label_of(*point), pixels, under(table.loc[(*point, name)])))
        yield name, versions


def show_run(given, params, out) -> None:
    """Write the gallery of a run, and a preview of it for Snakemake's report.

    Parameters
    ----------
    given, params, out : object
        Inputs, parameters and outputs of the rule `gallery`, as attributes.
    """
    points = read_csv(given.points)
    points = points[points["protocol"] == params.protocol]
    pictures = pd.read_parquet(given.all_pictures, filters=[("protocol", "==", params.protocol)])
    at = choose_points(points, params.bpp)
    # `truth_space` is set where ground truth is sent
    space = get_label_space(params.truth_space) if params.truth_space else label_space(Path(given.space).read_text())
    decoded, coded = _by_point(params.decoded), _by_point(params.coded)
    versions = partial(versions_of, params.chosen, at, params.originals, params.ssm, space, decoded, coded, pictures)
    page = Page(
        title=f"{params.run}: every method at about {params.bpp} bits per pixel",
        notes=f"Each method at the point whose mean rate over the run is nearest to {params.bpp} bpp; the numbers are "
        "those of the picture alone. mIoU compares segmentations of the original and of the rebuilt picture; the "
        f"judge's mIoU is by a network that no other part uses. Protocol {params.protocol}.",
        start=_start(at),
        legend=tuple(zip(space.classes, space.palette, strict=True)),
        clip=_clip(params, points, decoded, out.gallery) if params.clip else None,
    )
    write_gallery(out.gallery, page, versions())
    write_preview(out.preview, page, islice(versions(), PREVIEWED))


def _clip(params, points: pd.DataFrame, decoded: dict, page) -> dict:
    """The clip as it was, and by every method at its point nearest to the rate, with the numbers of the whole run."""
    versions, flicker = [(ORIGINAL, params.originals, {})], column("flicker")
    for method, row in nearest(points, params.bpp).items():
        bpp, *others = under(row).items()
        spent = {"rate": f"{row['kbps']:.0f} kbit/s"} if "kbps" in row else {}
        numbers = dict([bpp, *spent.items(), *others])
        if _known(row.get(flicker.name)):
            numbers[flicker.short] = flicker.form.format(row[flicker.name])
        versions.append((label_of(method, row["point"]), decoded[method, row["point"]], numbers))
    return player(page, params.clip["frames"], params.clip["rate"], versions)


def _start(at: dict[str, str]) -> tuple[str, str]:
    """Labels of the first of BPG and JPEG 2000 that is there, and of the first method beside these."""
    left, right = [one for one in BASELINES if one in at], [one for one in at if one not in BASELINES]
    return tuple(label_of(found[0], at[found[0]]) if found else ORIGINAL for found in (left, right))


def under(row) -> dict:
    """The numbers under a rebuilt image, from its row of the per-picture table; what was not computed is left out."""
    numbers = [one for one in columns_in(row.keys()) if one.place is not None and one.each]
    numbers = [column("bpp"), *sorted(numbers, key=lambda one: one.place)]
    shown = {one.short: one.form.format(row[one.name]) for one in numbers if _known(row.get(one.name))}
    there = [kind for kind in SMALL if _known(row.get(f"{kind}_total")) and row[f"{kind}_total"] > 0]
    for kind in there[:1]:
        found = column(f"{kind}_found")
        shown[found.label] = f"{found.form.format(row[found.name])} of {row[f'{kind}_total']:.0f}"
    return shown


def enlarged(coarse: np.ndarray, shape) -> np.ndarray:
    """A coarse image at the size of `shape`, each sample a square, so that one sees what is sent."""
    height, width = shape[:2]
    if height % coarse.shape[0] or width % coarse.shape[1]:
        return upscale(coarse, (height, width))
    return coarse.repeat(height // coarse.shape[0], 0).repeat(width // coarse.shape[1], 1)


def _entry(name: str, versions: list[Version], files: list[str]) -> dict:
    shown = [(one.label, file, one.numbers) for one, file in zip(versions, files, strict=True)]
    return entry(name, versions[0].pixels.shape[:2] if versions else (0, 0), shown)


def _numbers(numbers: dict) -> list:
    return [
        [key, value if isinstance(value, str) else float(f"{value:.4g}") if np.isfinite(value) else f"{value}"]
        for key, value in numbers.items()
        if value is not None and value == value
    ]


def _webp(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", method=3, **options)  # 4 takes thrice the time for 1 %
    return buffer.getvalue()


def _by_point(rows) -> dict:
    folders = {}
    for method, point, chunk, folder in rows:
        folders.setdefault((method, point), {})[chunk] = folder
    return folders


def _rate(value) -> dict:
    return {"bpp": f"{value:.3f}"} if _known(value) else {}


def _known(value) -> bool:
    return value is not None and not np.isnan(value)
