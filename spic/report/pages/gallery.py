"""A gallery: one folder with `index.html` and lossless WebP images that opens from disk, without a network.

For each image all versions side by side (original, SSM, coarse image, every method), zoomed together, and two of
them under a slider. The page knows nothing but the JSON that is written into it.
"""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from spic.errors import DataError
from spic.files import atomic_folder, write_bytes
from spic.report.pages import render

MAX_PAGE = 3_000_000  # bytes of index.html
PREVIEW_QUALITY = 80  # WebP, of the images inside `write_preview`'s page


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
    """

    title: str
    notes: str = ""
    start: tuple[str, str] = ("", "")
    legend: tuple = ()

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
    entries = [_entry(name, versions, [_data_uri(one.pixels) for one in versions]) for name, versions in pictures]
    write_bytes(path, page.render(entries))


def _entry(name: str, versions: list[Version], files: list[str]) -> dict:
    size = versions[0].pixels.shape[:2] if versions else (0, 0)
    return entry(name, size, [(one.label, file, one.numbers) for one, file in zip(versions, files, strict=True)])


def _numbers(numbers: dict) -> list:
    return [
        [key, value if isinstance(value, str) else float(f"{value:.4g}") if np.isfinite(value) else f"{value}"]
        for key, value in numbers.items()
        if value is not None and value == value
    ]


def _data_uri(pixels: np.ndarray) -> str:
    return "data:image/webp;base64," + base64.b64encode(_webp(pixels, quality=PREVIEW_QUALITY)).decode()


def _webp(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", method=3, **options)  # 4 takes thrice the time for 1 %
    return buffer.getvalue()
