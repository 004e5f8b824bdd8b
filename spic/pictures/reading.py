"""Working geometry: how an image becomes 256x512, and how it becomes coarse.

Images are uint8 sRGB (H, W, 3), label maps uint8 (H, W). The paper works on 256x512 images and sends a
4x coarse version (64x128) beside the segmentation map (SPIC, section III).
"""

import contextlib
import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from spic.errors import DataError
from spic.files import atomic_folder, atomic_path, write_bytes  # noqa: F401, their place before 0.2
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.pictures.limits import MAX_PIXELS

WORKING_SIZE = (256, 512)  # (height, width) of the paper's images
COARSE_FACTOR = 4  # 256x512 -> 64x128
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
            gray = (np.asarray(image).clip(0, 65535).astype(np.uint32) + 128) // 257
            image = Image.fromarray(gray.astype(np.uint8))
        if image.mode == "La":
            image = image.convert("LA")
        return np.array(_to_srgb(image, profile) if profile else image.convert("RGB"))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Apply an ICC profile; that of sRGB, one for other channels, and a damaged one change nothing, as in viewers."""
    from PIL import ImageCms

    mode = {"L": "L", "LA": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
    image = image.convert(mode)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        probe = Image.fromarray(_PROBE).convert(mode)
        change = np.asarray(probe.convert("RGB"), np.int16) - ImageCms.applyTransform(probe, transform)
        if mode == "CMYK" or np.abs(change).max() > _SRGB_STEPS:
            return ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        pass
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


def _voc_palette(count: int = 21) -> np.ndarray:
    """The colours of Pascal VOC's classes (VOC development kit, VOClabelcolormap): bit 3i + c of k is a bit of c."""
    bits = [[[k >> 3 * i + c & 1 for i in range(3)] for c in range(3)] for k in range(count)]
    return np.array([[128 * a + 64 * b + 32 * c for a, b, c in colour] for colour in bits], np.uint8)


_TELLING = 11
_KNOWN_PALETTES = (np.array(CAMVID11.palette), np.array(CITYSCAPES19.palette), _voc_palette())
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


def to_working_size(picture: np.ndarray, size=WORKING_SIZE) -> np.ndarray:
    """Resize and centre-crop to `size`.

    The image is scaled so that it just covers `size`, then the centre is kept: a 480x360 CamVid frame becomes
    512x384 and keeps rows 64 to 320; a 2048x1024 Cityscapes frame becomes 512x256 exactly.

    Parameters
    ----------
    picture : numpy.ndarray
        uint8, (H, W, 3) image (Lanczos) or (H, W) label map (nearest neighbour).
    size : (int, int)
        Height and width wanted.

    Returns
    -------
    numpy.ndarray
        uint8, (size[0], size[1]) or with 3 channels.

    Raises
    ------
    DataError
        The image is so narrow that it would have to be blown up beyond `MAX_PIXELS`.
    """
    height, width = picture.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    scaled = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    if scaled[0] * scaled[1] > MAX_PIXELS:
        raise DataError(f"a {width}x{height} picture does not fit {size[1]}x{size[0]}: it is too narrow")
    if scaled != (height, width):
        mode = Image.Resampling.LANCZOS if picture.ndim == 3 else Image.Resampling.NEAREST
        picture = np.array(Image.fromarray(picture).resize((scaled[1], scaled[0]), mode))
    top, left = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return np.ascontiguousarray(picture[top : top + size[0], left : left + size[1]])


def downscale(picture: np.ndarray, factor: int = COARSE_FACTOR) -> np.ndarray:
    """Area down-scaling: each pixel of the result is the rounded mean of a factor x factor block.

    Parameters
    ----------
    picture : numpy.ndarray
        uint8 (H, W, 3); H and W multiples of `factor`.
    factor : int
        Size ratio, 4 in the paper.

    Returns
    -------
    numpy.ndarray
        uint8 (H / factor, W / factor, 3).
    """
    height, width, channels = picture.shape
    if height % factor or width % factor:
        raise DataError(f"a {height}x{width} picture does not divide into {factor}x{factor} blocks")
    blocks = picture.reshape(height // factor, factor, width // factor, factor, channels)
    total = blocks.sum(axis=(1, 3), dtype=np.uint32)
    area = factor * factor
    return ((total + area // 2) // area).astype(np.uint8)


def downscale_bilinear(picture: np.ndarray, factor: int = COARSE_FACTOR) -> np.ndarray:
    """Bilinear down-scaling by an even factor without antialiasing: the mean of the middle 2x2 pixels of each block.

    The authors' scripts count the bytes of this image while they decode that of `downscale`.

    Parameters
    ----------
    picture : numpy.ndarray
        uint8 (H, W, 3); H and W multiples of `factor`.
    factor : int
        Size ratio, even.

    Returns
    -------
    numpy.ndarray
        uint8 (H / factor, W / factor, 3).
    """
    height, width, channels = picture.shape
    if height % factor or width % factor or factor % 2:
        raise DataError(f"a {height}x{width} picture does not divide into {factor}x{factor} blocks of even size")
    middle = slice(factor // 2 - 1, factor // 2 + 1)
    blocks = picture.reshape(height // factor, factor, width // factor, factor, channels)[:, middle, :, middle]
    return ((blocks.sum(axis=(1, 3), dtype=np.uint16) + 2) // 4).astype(np.uint8)


def upscale(coarse: np.ndarray, size) -> np.ndarray:
    """Bicubic interpolation of uint8 (h, w, 3) to `size` = (H, W): the method `upsampled`."""
    return np.array(Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC))


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
