"""Images of any kind, in files and in memory: as uint8 sRGB (H, W, 3), label maps as uint8 (H, W)."""

import contextlib
import io
import warnings

import numpy as np
from PIL import Image, ImageCms, ImageOps

from spic.errors import DataError
from spic.files import atomic_path
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.pictures.limits import MAX_PIXELS

_ORIENTATION = 0x0112  # of EXIF


def read_picture(path) -> np.ndarray:
    """Read any image file as `rgb_pixels` does: uint8 sRGB (H, W, 3); `DataError` names the file and the reason."""
    with _opened(path) as image:
        return rgb_pixels(image)


def rgb_pixels(image: Image.Image) -> np.ndarray:
    """What a viewer shows of a PIL image of any mode (the table is in docs/data.md).

    Parameters
    ----------
    image : PIL.Image.Image
        Turned as its EXIF data says, brought to sRGB by its ICC profile, 16 bits rounded to 8, transparency dropped.

    Returns
    -------
    numpy.ndarray
        uint8 sRGB (H, W, 3).

    Raises
    ------
    DataError
        Samples of 32 bits: their white level is undefined.
    OSError, ValueError, SyntaxError
        Pillow's, for an image whose pixels are read only now and are damaged.
    """
    with warnings.catch_warnings(action="ignore"):  # what Pillow finds odd but reads
        profile = image.info.get("icc_profile")
        sixteen = image.mode.startswith("I;") or image.format in ("PNG", "PPM")  # read as "I", but of 16 bits
        image = _upright(image)
        if image.mode == "F" or (image.mode == "I" and not sixteen):
            kind = "floating-point" if image.mode == "F" else "32-bit"
            raise DataError(f"{kind} samples are not supported: their white level is undefined")
        if image.mode.startswith("I"):  # convert("RGB") would clip
            image = Image.fromarray(_eight_bits(np.asarray(image).clip(0, 65535)))
        if image.mode == "La":
            image = image.convert("LA")
        return np.array(_to_srgb(image, profile) if profile else image.convert("RGB"))


def as_pixels(image) -> np.ndarray:
    """Any picture as uint8 sRGB (H, W, 3).

    Parameters
    ----------
    image : numpy.ndarray or PIL.Image.Image
        uint8 or uint16 (H, W) or (H, W, C) with 1, 3 or 4 channels; alpha is dropped, 16 bits are rounded to 8. Or a
        PIL image, as `rgb_pixels` takes it.

    Raises
    ------
    DataError
        For other types and shapes, samples without a known white, no pixels, or more than
        `spic.pictures.limits.MAX_PIXELS`.
    """
    if isinstance(image, Image.Image):
        if image.width * image.height > MAX_PIXELS:
            raise DataError(f"a picture of {image.width}x{image.height} has too many pixels")
        try:
            return rgb_pixels(image)
        except (OSError, ValueError, SyntaxError) as error:  # pixels are read only now
            raise DataError(f"not a readable picture ({error})") from None
    if not isinstance(image, np.ndarray):
        raise DataError(f"expected a numpy array or a PIL picture, got {type(image).__name__}")
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise DataError(f"expected a uint8 picture (H, W, 3), got {image.dtype} {image.shape}")
    if not 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS:
        raise DataError(f"a picture of {pixels.shape[1]}x{pixels.shape[0]} has no or too many pixels")
    if pixels.dtype == np.uint16:
        pixels = _eight_bits(pixels)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels[..., :3])


def _eight_bits(samples: np.ndarray) -> np.ndarray:
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Apply an ICC profile; that of sRGB, one for other channels, and a damaged one change nothing, as in viewers."""
    mode = {"L": "L", "LA": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
    image = image.convert(mode)
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        transform = ImageCms.buildTransform(io.BytesIO(profile), ImageCms.createProfile("sRGB"), mode, "RGB")
        probe = Image.fromarray(_PROBE).convert(mode)
        change = np.asarray(probe.convert("RGB"), np.int16) - ImageCms.applyTransform(probe, transform)
        if mode == "CMYK" or np.abs(change).max() > _SRGB_STEPS:
            return ImageCms.applyTransform(image, transform)
    return image.convert("RGB")


def read_labels(path) -> np.ndarray:
    """Read a label map: one 8-bit gray channel, or a palette that leaves no doubt.

    A palette of grays means these grays, whatever their indices: optimisers store gray maps so. With a palette of
    colours the indices are ids only where the palette is that of a label space or of Pascal VOC, unchanged.

    Returns
    -------
    numpy.ndarray
        uint8 (H, W) of ids, turned as the EXIF data says; ICC profiles have no meaning for ids.

    Raises
    ------
    DataError
        Names the file: unreadable, several channels, other depths, another palette.
    """
    with _opened(path) as image:
        return _label_ids(_upright(image))


def read_either(path) -> np.ndarray:
    """Read one plain 8-bit gray channel as `read_labels` does, any other image as `read_picture` does."""
    with _opened(path) as image:
        ids = image.mode == "L" and "icc_profile" not in image.info
        return _label_ids(_upright(image)) if ids else rgb_pixels(image)


def read_layout(path) -> tuple[tuple[int, int], int]:
    """Height and width of an image file as it is shown, and its EXIF orientation, 1 to 8 (1: shown as it is stored)."""
    with _opened(path) as image:
        shown = _upright(image)
        return (shown.height, shown.width), _orientation(image)


def _label_ids(image: Image.Image) -> np.ndarray:
    if image.mode == "L":
        return np.array(image)
    if image.mode != "P":
        raise DataError(f"a label map has one 8-bit channel, this file is {image.mode}")
    indices, palette = np.array(image), np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    if indices.max() >= len(palette):
        raise DataError(f"index {indices.max()} is not in its palette of {len(palette)} colours")
    if any(_begins_like(palette, known) for known in _KNOWN_PALETTES):
        return indices
    colours = palette[np.unique(indices)]
    if (colours != colours[:, :1]).any():
        raise DataError("its palette may have been sorted, so the ids are not known: store them as 8-bit gray values")
    return palette[:, 0][indices]


def _begins_like(palette: np.ndarray, known: np.ndarray) -> bool:
    """Whether a palette is the known one, perhaps cut: so many entries stand in that order by no accident."""
    count = min(len(palette), len(known))
    return count >= _TELLING and np.array_equal(palette[:count], known[:count])


# The colours of Pascal VOC's classes (VOC development kit, VOClabelcolormap): bit 3i + c of k is bit 7 - i of colour c.
_VOC = [[sum((k >> 3 * i + c & 1) << 7 - i for i in range(3)) for c in range(3)] for k in range(21)]
_TELLING = 11
_KNOWN_PALETTES = tuple(map(np.array, (CAMVID11.palette, CITYSCAPES19.palette, _VOC)))
_PROBE = np.stack(np.meshgrid(*[np.arange(0, 256, 17, np.uint8)] * 3), axis=-1).reshape(256, 16, 3)
_SRGB_STEPS = 3  # a profile that changes no colour by more is that of sRGB, rounded


def _orientation(image: Image.Image) -> int:
    with contextlib.suppress(Exception):  # Pillow raises many kinds for damaged EXIF data, which are ignored
        if (orientation := image.getexif().get(_ORIENTATION)) in range(1, 9):
            return orientation
    return 1


def _upright(image: Image.Image) -> Image.Image:
    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def write_png(path, array: np.ndarray) -> None:
    """Write uint8 (H, W) or (H, W, 3) as PNG, under a temporary name first."""
    with atomic_path(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG", compress_level=3)


@contextlib.contextmanager
def _opened(path):
    """A PIL image with its pixels read; every `DataError` from inside names the file."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:  # what Pillow finds odd but reads
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{image.width}x{image.height} is more than {MAX_PIXELS} pixels")
            image.load()
            yield image
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable picture ({error})") from None
