"""A gallery: one folder with `index.html` and lossless WebP pictures that opens from disk, without a network.

For each picture all versions side by side (original, SSM, coarse picture, every method), zoomed together, and two of
them under a slider. The page knows nothing but the JSON that is written into it.
"""

import html
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spic.errors import DataError
from spic.images import atomic_folder, write_bytes

TEMPLATE = Path(__file__).with_name("gallery.html")
MAX_PAGE = 3_000_000  # bytes of index.html


@dataclass(frozen=True)
class Version:
    """One way a picture looks.

    Attributes
    ----------
    label : str
        What the page calls it; the same for the same method at every picture.
    pixels : numpy.ndarray
        uint8 (h, w, 3); any size of the picture's aspect, shown at the picture's size.
    numbers : dict of str to float
        Shown under it, in this order: {"bpp": 0.16, "mIoU": 0.71}.
    """

    label: str
    pixels: np.ndarray
    numbers: dict = field(default_factory=dict)


def write_gallery(folder, title: str, pictures: Iterable[tuple[str, list[Version]]], notes: str = "") -> int:
    """Write a gallery and return the number of its pictures.

    Parameters
    ----------
    folder : path-like
        Is replaced as a whole when all is written.
    title : str
        Heading of the page.
    pictures : iterable of (str, list of Version)
        Name and versions of each picture; the first version is the original and gives the size.
    notes : str
        One line under the heading: protocol, rate, what the numbers are.

    Raises
    ------
    DataError
        There is no picture, a picture has no version or two of one label, or the page would exceed `MAX_PAGE`.
    """
    entries = []
    with atomic_folder(folder) as temporary:
        for i, (name, versions) in enumerate(pictures):
            labels = [version.label for version in versions]
            if not versions or len(set(labels)) < len(labels):
                raise DataError(f"gallery: {name} has no version, or two of the same label")
            shown = []
            for j, version in enumerate(versions):
                file = f"pictures/{i:04d}-{j:02d}.webp"
                write_bytes(temporary / file, _webp(version.pixels))
                shown.append({"label": version.label, "file": file, "numbers": _numbers(version.numbers)})
            height, width = versions[0].pixels.shape[:2]
            entries.append({"name": name, "width": width, "height": height, "versions": shown})
        if not entries:
            raise DataError("gallery: no picture to show")
        page = TEMPLATE.read_text(encoding="utf-8")
        for token, text in (("TITLE", html.escape(title)), ("NOTES", html.escape(notes)), ("DATA", _script(entries))):
            page = page.replace(f"@@{token}@@", text)
        data = page.encode()
        if len(data) > MAX_PAGE:
            raise DataError(f"gallery: a page of {len(data)} bytes for {len(entries)} pictures; show fewer")
        write_bytes(temporary / "index.html", data)
    return len(entries)


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
    from scipy import ndimage

    weight = np.zeros(labels.shape)
    for class_id in ids:
        components, count = ndimage.label(labels == class_id, np.ones((3, 3)))
        sizes = np.bincount(components.ravel(), minlength=count + 1)
        share = np.where(sizes >= 8, 1 / np.maximum(sizes, 1), 0)  # fewer than 8 pixels are no object
        share[0] = 0
        weight += share[components]
    height, width = size
    if not weight.any():
        return (labels.shape[0] - height) // 2, (labels.shape[1] - width) // 2
    sums = np.pad(weight.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    best = np.argwhere(inside > inside.max() - 1e-9).astype(float)
    rows, columns = np.nonzero(weight)
    masses = weight[rows, columns]
    centre = np.array([np.average(rows, weights=masses), np.average(columns, weights=masses)])
    distance = ((best + np.array(size) / 2 - centre) ** 2).sum(1)  # among equals the one nearest to all objects
    return tuple(int(k) for k in best[distance.argmin()])


def _numbers(numbers: dict) -> list:
    return [[key, float(f"{value:.4g}")] for key, value in numbers.items() if value is not None and np.isfinite(value)]


def _script(entries) -> str:
    """JSON that is safe inside a <script>."""
    return json.dumps(entries, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")


def _webp(pixels: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", lossless=True, quality=60, method=4)
    return buffer.getvalue()
