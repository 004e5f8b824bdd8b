"""Sizes: what data sets, networks and the coarse image have, and how an image gets there and back.

Images are uint8 sRGB (H, W, 3), label maps uint8 (H, W). The paper works on 256x512 images and sends a 4x coarse
version (64x128) beside the segmentation map (SPIC, section III). What is coded is never cropped: the whole image is
resized, and the `.spic` file says which size it had. Data sets are cropped, by `to_working_size`.
"""

import numpy as np
from PIL import Image

from spic.errors import DataError
from spic.pictures.limits import COARSE_FACTOR, MAX_PIXELS

WORKING_SIZE = (256, 512)  # (height, width) of the paper's images
LONGER_SIDE = 512  # of a picture at working size; 1024x2048 becomes the paper's 256x512
SHORTEST_SIDE = 64  # at working size: 16 pixels of the coarse picture


def working_size(size, multiple: int, longer_side: int | None = LONGER_SIDE) -> tuple[int, int]:
    """Height and width at which an image is coded.

    Parameters
    ----------
    size : (int, int)
        Its own height and width.
    multiple : int
        Both sides of the result are multiples of this, and at least 64.
    longer_side : int or None
        What the longer side becomes; None keeps the image's size, rounded up.
    """
    if longer_side is None:
        wanted = [-(-side // multiple) * multiple for side in size]
    else:
        scale = longer_side / max(size)
        wanted = [round(side * scale / multiple) * multiple for side in size]
    least = -(-SHORTEST_SIDE // multiple) * multiple
    return max(wanted[0], least), max(wanted[1], least)


def resize(picture: np.ndarray, size) -> np.ndarray:
    """uint8 (H, W, 3) to `size` = (height, width) by Lanczos interpolation, antialiased; unchanged if it has it."""
    return picture if picture.shape[:2] == tuple(size) else _resized(picture, size, Image.Resampling.LANCZOS)


def enlarge_labels(labels: np.ndarray, size) -> np.ndarray:
    """A label map, uint8 (H, W), at a larger size, with smooth borders instead of staircases.

    Each class's mask is interpolated, and each pixel gets the class that has most of it.
    """
    if labels.shape == tuple(size):
        return labels
    best, result = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for label in np.unique(labels):
        share = _resized(np.uint8(255) * (labels == label), size, Image.Resampling.BILINEAR)
        better = share > best
        best[better], result[better] = share[better], label
    return result


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
        picture = _resized(picture, scaled, Image.Resampling.LANCZOS if picture.ndim == 3 else Image.Resampling.NEAREST)
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
    return _block_means(_blocks(picture, factor))


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
    if factor % 2:
        raise DataError(f"{factor}x{factor} blocks are not of even size")
    middle = slice(factor // 2 - 1, factor // 2 + 1)
    return _block_means(_blocks(picture, factor)[:, middle, :, middle])


def _blocks(picture: np.ndarray, factor: int) -> np.ndarray:
    height, width, channels = picture.shape
    if height % factor or width % factor:
        raise DataError(f"a {height}x{width} picture does not divide into {factor}x{factor} blocks")
    return picture.reshape(height // factor, factor, width // factor, factor, channels)


def _block_means(blocks: np.ndarray) -> np.ndarray:
    area = blocks.shape[1] * blocks.shape[3]
    return ((blocks.sum(axis=(1, 3), dtype=np.uint32) + area // 2) // area).astype(np.uint8)


def upscale(coarse: np.ndarray, size) -> np.ndarray:
    """Bicubic interpolation of uint8 (h, w, 3) to `size` = (H, W): the method `upsampled`."""
    return _resized(coarse, size, Image.Resampling.BICUBIC)


def _resized(array: np.ndarray, size, kernel: Image.Resampling) -> np.ndarray:
    return np.array(Image.fromarray(array).resize((size[1], size[0]), kernel))
