"""What a file of any mode shows, through every door: the pixels of a viewer or one line of refusal (docs/data.md)."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from typer.testing import CliRunner

from spic import Transmitter
from spic.cli import app
from spic.codecs import get_codec
from spic.datasets import get_dataset
from spic.errors import DataError
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.pictures.reading import as_pixels, read_labels, read_picture, write_png

SIZE = (32, 64)
RGB = np.stack(np.meshgrid(np.arange(0, 256, 4), np.arange(0, 256, 8)), axis=-1)[..., [0, 1, 0]].astype(np.uint8)
RGB[..., 2] = 255 - RGB[..., 1] // 2
GRAY = RGB[..., 0]
REFUSED = "their white level is undefined"


def saved(image, kind="PNG", **options) -> bytes:
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind, **options)
    return out.getvalue()


def gray(values) -> np.ndarray:
    return np.repeat(np.asarray(values).astype(np.uint8)[..., None], 3, axis=2)


def palette(**options) -> tuple[bytes, np.ndarray]:
    """Six colours, brightest first, in stripes."""
    colours = np.array([[250, 240, 230], [0, 200, 90], [10, 20, 200], [120, 0, 0], [70, 70, 70], [3, 2, 1]], np.uint8)
    indices = np.arange(SIZE[1], dtype=np.uint8)[None].repeat(SIZE[0], 0) // 11
    image = Image.fromarray(indices, "P")
    image.putpalette(colours.tobytes())
    return saved(image, **options), colours[indices]


def lab() -> bytes:
    """GRAY in CIE L*a*b*: no colour, and L* by its definition."""
    light = np.where(GRAY / 255 <= 0.04045, GRAY / 255 / 12.92, ((GRAY / 255 + 0.055) / 1.055) ** 2.4)
    star = np.where(light > 216 / 24389, 116 * np.cbrt(light) - 16, light * 24389 / 27)
    parts = (np.round(star * 2.55), np.zeros(SIZE), np.zeros(SIZE))
    return saved(Image.fromarray(np.stack(parts, axis=-1).astype(np.uint8), "LAB"), "TIFF")


def ycbcr() -> bytes:
    """RGB in YCbCr, by ITU-R BT.601."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    values = np.round(RGB @ matrix.T + [0, 128, 128]).clip(0, 255).astype(np.uint8)
    return saved(Image.fromarray(values, "YCbCr"), "TIFF")


def cmyk(**options) -> bytes:
    return saved(Image.fromarray(np.dstack((255 - RGB, np.zeros(SIZE, np.uint8))), "CMYK"), "TIFF", **options)


def pgm(largest: int) -> bytes:
    values = np.round(GRAY / 255 * largest).astype(">u2")
    return b"P5 %d %d %d\n" % (SIZE[1], SIZE[0], largest) + values.tobytes()


def png_of_16_bits() -> bytes:
    """RGB with 16 bits per sample, chunk by chunk, since Pillow does not write it."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in RGB.astype(np.uint16) * 257)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", SIZE[1], SIZE[0], 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)))
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (*chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


PRIMARIES = np.array([[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])  # P3, white D50
SRGB = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])


P3_TO_SRGB = np.linalg.inv(SRGB) @ PRIMARIES


def jpeg(pixels, profile) -> bytes:
    return saved(pixels, "JPEG", quality=100, icc_profile=profile)


def icc(space: str, gamma: float) -> bytes:
    """A profile of ICC.1:2001-04 with one gamma: gray, or the primaries of Display P3."""

    def fixed(*values):
        return b"XYZ " + bytes(4) + struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"wtpt": fixed(0.9642, 1, 0.8249), b"cprt": b"text" + bytes(4) + b"none\0\0\0\0"}
    tags[b"desc"] = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78 + 1)
    if space == "GRAY":
        tags[b"kTRC"] = curve
    else:
        tags |= {name + b"XYZ": fixed(*PRIMARIES[:, i]) for i, name in enumerate((b"r", b"g", b"b"))}
        tags |= {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s12x4s", 128 + len(table) + len(body), b"none", 2 << 24, b"mntr", space.encode(),
                       b"XYZ ", b"acsp").ljust(68, b"\0")  # fmt: skip
    return (head + struct.pack(">iii", 63190, 65536, 54061)).ljust(128, b"\0") + table + body


def to_srgb(light: np.ndarray) -> np.ndarray:
    light = light.clip(0, 1)
    return np.round(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def turned(orientation: int, pixels: np.ndarray) -> np.ndarray:
    """What the stored pixels show, by the EXIF standard's table (the side of row 0, the side of column 0)."""
    flips = {1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1]}
    across = pixels.swapaxes(0, 1)
    return (flips | {5: across, 6: across[:, ::-1], 7: across[::-1, ::-1], 8: across[::-1]})[orientation]


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


ALPHA = (GRAY // 2 + 60)[..., None]
# mode or kind: the file, and what it shows or why it is refused
KINDS = {
    "1": (saved(Image.fromarray(GRAY > 99)), gray((GRAY > 99) * 255)),
    "L": (saved(GRAY), gray(GRAY)),
    "LA": (saved(Image.fromarray(np.dstack((GRAY, ALPHA)), "LA")), gray(GRAY)),
    "P": palette(),
    "P, one transparent": palette(transparency=2),
    "P, transparency in bytes": palette(transparency=b"\xff\x80\x00"),
    "P, GIF": palette(kind="GIF"),
    "RGB": (saved(RGB), RGB),
    "RGBA": (saved(np.dstack((RGB, ALPHA))), RGB),
    "CMYK": (cmyk(), RGB),
    "YCbCr": (ycbcr(), RGB),
    "LAB": (lab(), gray(GRAY)),
    "I;16": (saved(GRAY.astype(np.uint16) * 257), gray(GRAY)),
    "I;16, TIFF": (saved(GRAY.astype(np.uint16) * 257, "TIFF"), gray(GRAY)),
    "I;16B": (saved(Image.frombytes("I;16B", SIZE[::-1], (GRAY * np.uint16(257)).astype(">u2")), "TIFF"), gray(GRAY)),
    "I, PGM": (pgm(65535), gray(GRAY)),
    "I, PGM of 10 bits": (pgm(1023), gray(GRAY)),
    "RGB of 16 bits": (png_of_16_bits(), RGB),
    "I": (saved(GRAY.astype(np.int32), "TIFF"), REFUSED),
    "F": (saved(GRAY.astype(np.float32), "TIFF"), REFUSED),
    "ICC RGB": (saved(RGB, icc_profile=icc("RGB ", 1.8)), to_srgb((RGB / 255) ** 1.8 @ P3_TO_SRGB.T)),
    "ICC gray": (saved(GRAY, icc_profile=icc("GRAY", 1.5)), gray(to_srgb((GRAY / 255) ** 1.5))),
    "ICC gray, JPEG": (jpeg(GRAY, icc("GRAY", 1.5)), gray(to_srgb((GRAY / 255) ** 1.5))),
    "ICC of sRGB": (saved(RGB, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()), RGB),
    "ICC of other channels": (saved(RGB, icc_profile=icc("GRAY", 1.5)), RGB),
    "ICC CMYK of other channels": (cmyk(icc_profile=icc("RGB ", 1.8)), RGB),
    "ICC damaged": (saved(RGB, icc_profile=b"no profile"), RGB),
    **{f"EXIF {i}": (saved(RGB, exif=exif(i)), turned(i, RGB)) for i in range(1, 9)},
    "EXIF 6, TIFF": (saved(RGB, "TIFF", exif=exif(6)), turned(6, RGB)),
    "EXIF damaged": (saved(RGB, exif=b"Exif\0\0MM\0*nonsense"), RGB),
}  # fmt: skip
DOORS = ["file", "api", "codec encode", "encode", "roundtrip", "compare", "segment", "folder", "camvid", "cityscapes"]
CLOSE = {"ICC gray": 3, "ICC gray, JPEG": 5, "ICC RGB": 3, "LAB": 2, "YCbCr": 2, "RGB of 16 bits": 1}  # rounding


def seen(door: str, data: bytes, folder, decoder, monkeypatch) -> np.ndarray:
    """The pixels that a door lets in; `DataError` where it says no, in one line."""
    path = folder / "a.png"
    path.write_bytes(data)
    if door == "file":
        return read_picture(path)
    if door == "api":
        with Image.open(path) as image:
            ssm = np.zeros(as_pixels(image).shape[:2], np.uint8)
            return Transmitter(decoder_weights=decoder).prepare(image, ssm).pixels
    if door in ("folder", "camvid", "cityscapes"):
        return _of_dataset(door, path, folder)
    found = []

    def stop(self, pixels, *rest):
        found.append(pixels)
        raise DataError("seen")

    monkeypatch.setattr(Transmitter, "prepare", stop)
    monkeypatch.setattr("spic.pictures.sizes.to_working_size", lambda pixels: stop(None, pixels))
    arguments = {
        "codec encode": ["codec", "encode", "png", path, folder / "out.png"],
        "segment": ["segment", path, folder / "out.png"],
        "encode": ["encode", path, "--decoder-weights", decoder],
        "roundtrip": ["roundtrip", path, "--decoder-weights", decoder],
        "compare": ["compare", path, "--decoder-weights", decoder, "--method", "jpeg", "-o", folder / "out"],
    }[door]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if door == "codec encode" and result.exit_code == 0:
        return np.array(Image.open(folder / "out.png").convert("RGB"))
    assert result.exit_code == 1 and result.stderr.startswith(f"spic: {path}: ") and result.stderr.count("\n") == 1
    if not found:
        raise DataError(result.stderr)
    return found[0]


def _of_dataset(door, path, folder):
    size, root, name = read_picture(path).shape[:2], folder / door, "aachen_000001_000019"
    places = {
        "folder": ["a.png"],
        "camvid": ["val/a.png", "valannot/a.png"],
        "cityscapes": [
            f"leftImg8bit/val/aachen/{name}_leftImg8bit.png",
            f"gtFine/val/aachen/{name}_gtFine_labelIds.png",
        ],
    }[door]
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(path.read_bytes())
    return get_dataset(door, root, size=size).picture(0)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_file_is_what_a_viewer_shows(kind, door, tmp_path, tiny_decoder, monkeypatch):
    data, expected = KINDS[kind]
    with warnings.catch_warnings(action="error"):
        if isinstance(expected, str):
            with pytest.raises(DataError, match=expected):
                seen(door, data, tmp_path, tiny_decoder, monkeypatch)
            return
        pixels = seen(door, data, tmp_path, tiny_decoder, monkeypatch)
    assert pixels.dtype == np.uint8 and pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= CLOSE.get(kind, 0)


# Label maps: ids, or one line of refusal


IDS = np.array([[0, 3, 7, 10], [11, 3, 1, 0]], np.uint8).repeat(8, 0).repeat(8, 1)
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128, 0, 128, 128, 128, 128, 128, 64, 0, 0,
       192, 0, 0, 64, 128, 0, 192, 128, 0, 64, 0, 128, 192, 0, 128, 64, 128, 128, 192, 128, 128, 0, 64, 0,
       128, 64, 0, 0, 192, 0, 128, 192, 0, 0, 64, 128]  # fmt: skip
GRAYS = [value for value in range(256) for _ in range(3)]


def indexed(indices, colours, **options) -> bytes:
    image = Image.fromarray(np.asarray(indices, np.uint8), "P")
    image.putpalette([int(part) for part in colours])
    return saved(image, **options)


def sorted_out(colours) -> bytes:
    """What an optimiser makes of IDS in these colours: only the used ones, in another order."""
    used = np.unique(IDS)[::-1]
    return indexed(
        len(used) - 1 - np.searchsorted(used[::-1], IDS), [part for i in used for part in colours[3 * i : 3 * i + 3]]
    )


DOUBT = "may have been sorted"
MAPS = {
    "L": (saved(IDS), IDS),
    "L with a profile": (saved(IDS, icc_profile=icc("GRAY", 1.5)), IDS),
    "L, TIFF": (saved(IDS, "TIFF"), IDS),
    "grays": (indexed(IDS, GRAYS), IDS),
    "grays, sorted": (sorted_out(GRAYS), IDS),
    "grays, transparent": (indexed(IDS, GRAYS, transparency=b"\0\1\2"), IDS),
    "grays, GIF": (saved(IDS, "GIF"), IDS),
    "colours of Pascal VOC": (indexed(IDS, VOC), IDS),
    "colours of Pascal VOC, sorted": (sorted_out(VOC), DOUBT),
    "colours of camvid11": (indexed(IDS, [*np.ravel(CAMVID11.palette), 0, 0, 0]), IDS),
    "colours of cityscapes19": (indexed(IDS, np.ravel(CITYSCAPES19.palette)), IDS),
    "other colours": (indexed(IDS, [200, 10, 30] * 12), DOUBT),
    "few colours": (indexed(IDS // 8, VOC[:6]), DOUBT),
    "an image": (palette()[0], DOUBT),
    "1": (saved(Image.fromarray(IDS > 3)), "this file is 1"),
    "LA": (saved(np.dstack((IDS, IDS))), "this file is LA"),
    "RGB": (saved(gray(IDS)), "this file is RGB"),
    "RGBA": (saved(np.dstack((gray(IDS), IDS))), "this file is RGBA"),
    "I;16": (saved(IDS.astype(np.uint16)), "this file is I;16"),
    "F": (saved(IDS.astype(np.float32), "TIFF"), "this file is F"),
}


@pytest.mark.parametrize("kind", MAPS)
def test_a_label_map_is_its_ids(kind, tmp_path):
    data, expected = MAPS[kind]
    frame, annotation = tmp_path / "val" / "a.png", tmp_path / "valannot" / "a.png"
    write_png(frame, np.zeros((*IDS.shape, 3), np.uint8))
    annotation.parent.mkdir()
    annotation.write_bytes(data)
    out = tmp_path / "out"
    with warnings.catch_warnings(action="error"):
        result = CliRunner().invoke(app, ["codec", "encode", "labelmap-plain", str(annotation), str(out)])
    if isinstance(expected, str):
        for read in (lambda: read_labels(annotation), lambda: get_dataset("camvid", tmp_path).labels(0)):
            with pytest.raises(DataError, match=rf"valannot/a\.png: .*{expected}"):
                read()
        assert result.exit_code == 1 and result.stderr.count("\n") == 1 and expected in result.stderr
        return
    assert np.array_equal(read_labels(annotation), expected)
    assert np.array_equal(get_dataset("camvid", tmp_path, size=expected.shape).labels(0), expected)
    assert np.array_equal(get_codec("labelmap-plain").decode(out.read_bytes()), expected)


@pytest.mark.parametrize("dataset", ["camvid", "cityscapes"])
@pytest.mark.parametrize(("of_frame", "of_map"), [(3, 1), (1, 3), (6, 1), (6, 8), (6, 6), (3, 3), (1, 1)])
def test_frame_and_label_map_are_turned_alike_or_refused(of_frame, of_map, dataset, tmp_path):
    """Also where the sizes would fit."""
    shape = (64, 32) if of_frame == 6 else SIZE
    stored = np.zeros(SIZE, np.uint8)
    stored[:8, :16] = 7
    name = "aachen_000001_000019"
    places = {
        "camvid": ("val/a.png", "valannot/a.png"),
        "cityscapes": (
            f"leftImg8bit/val/aachen/{name}_leftImg8bit.png",
            f"gtFine/val/aachen/{name}_gtFine_labelTrainIds.png",
        ),
    }[dataset]
    for place, pixels, orientation in zip(places, (RGB, stored), (of_frame, of_map), strict=True):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(saved(pixels, exif=exif(orientation)))
    data = get_dataset(dataset, tmp_path, size=shape)
    assert np.array_equal(data.picture(0), turned(of_frame, RGB))
    if of_frame == of_map:
        assert np.array_equal(data.labels(0), turned(of_map, stored))
    else:
        with pytest.raises(DataError, match=f"{of_map}, that of its frame {of_frame}"):
            data.labels(0)
