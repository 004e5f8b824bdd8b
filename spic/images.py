"""Working geometry: how a picture becomes 256x512, and how it becomes coarse.

Pictures are uint8 sRGB (H, W, 3), label maps uint8 (H, W). The paper works on 256x512 pictures and sends a
4x coarse version (64x128) beside the segmentation map (SPIC, section III).
"""

import contextlib
import warnings

import numpy as np
from PIL import Image, ImageOps

from spic.errors import DataError
from spic.files import atomic_folder, atomic_path, write_bytes  # noqa: F401, their place before 0.2

WORKING_SIZE = (256, 512)  # (height, width) of the paper's pictures
COARSE_FACTOR = 4  # 256x512 -> 64x128
MAX_PIXELS = 1 << 26  # refuse to open anything larger: bytes from outside are untrusted


def read_picture(path) -> np.ndarray:
    """Read any picture file as uint8 sRGB (H, W, 3); `DataError` names the file and the reason."""
    return rgb_pixels(_open(path))


def rgb_pixels(image: Image.Image) -> np.ndarray:
    """A PIL picture of any mode as uint8 sRGB (H, W, 3): turned as its EXIF data says, 16 bits rounded to 8."""
    with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
        image = ImageOps.exif_transpose(image)  # damaged EXIF data, for which Pillow raises many kinds, says nothing
    if image.mode.startswith("I"):  # 16-bit gray, which convert("RGB") would clip
        gray = ((np.asarray(image).clip(0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))


def read_labels(path) -> np.ndarray:
    """Read a one-channel label file as uint8 (H, W) of ids; palettes are ignored, colours refused."""
    image = _open(path)
    if image.mode not in ("L", "P"):
        raise DataError(f"{path}: a label map has one 8-bit channel, this file is {image.mode}")
    return np.array(image)


def write_png(path, array: np.ndarray) -> None:
    """Write uint8 (H, W) or (H, W, 3) as PNG, under a temporary name first."""
    with atomic_path(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG", compress_level=3)


def to_working_size(picture: np.ndarray, size=WORKING_SIZE) -> np.ndarray:
    """Resize and centre-crop to `size`.

    The picture is scaled so that it just covers `size`, then the centre is kept: a 480x360 CamVid frame becomes
    512x384 and keeps rows 64 to 320; a 2048x1024 Cityscapes frame becomes 512x256 exactly.

    Parameters
    ----------
    picture : numpy.ndarray
        uint8, (H, W, 3) picture (Lanczos) or (H, W) label map (nearest neighbour).
    size : (int, int)
        Height and width wanted.

    Returns
    -------
    numpy.ndarray
        uint8, (size[0], size[1]) or with 3 channels.

    Raises
    ------
    DataError
        The picture is so narrow that it would have to be blown up beyond `MAX_PIXELS`.
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

    The authors' scripts count the bytes of this picture while they decode that of `downscale`.

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


def _open(path) -> Image.Image:
    try:
        with warnings.catch_warnings(action="ignore"):  # what Pillow finds odd but reads, and its own limit on sizes
            image = Image.open(path)
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{path}: {image.width}x{image.height} is more than {MAX_PIXELS} pixels")
            image.load()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable picture ({error})") from None
    if image.mode == "F":
        raise DataError(f"{path}: floating-point samples, of which nobody says what white is")
    return image
