"""Images of any kind and size: to uint8 RGB, to a size the networks take, and back to their own.

An image is never cropped: the whole of it is resized, and the `.spic` file says which size it had.
"""

import numpy as np
from PIL import Image

from spic.errors import DataError
from spic.pictures.limits import MAX_PIXELS
from spic.pictures.reading import rgb_pixels

LONGER_SIDE = 512  # of an image at working size; 1024x2048 becomes the paper's 256x512
SHORTEST_SIDE = 64  # at working size: 16 pixels of the coarse image


def as_pixels(image) -> np.ndarray:
    """Any image as uint8 sRGB (H, W, 3).

    Parameters
    ----------
    image : numpy.ndarray or PIL.Image.Image
        uint8 or uint16 (H, W) or (H, W, C) with 1, 3 or 4 channels; alpha is dropped, 16 bits are rounded to 8. Or a
        PIL image, as `spic.pictures.reading.rgb_pixels` takes it.

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
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels[..., :3])


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
    if picture.shape[:2] == tuple(size):
        return picture
    return np.array(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.LANCZOS))


def enlarge_labels(labels: np.ndarray, size) -> np.ndarray:
    """A label map, uint8 (H, W), at a larger size, with smooth borders instead of staircases.

    Each class's mask is interpolated, and each pixel gets the class that has most of it.
    """
    if labels.shape == tuple(size):
        return labels
    best, result = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for label in np.unique(labels):
        mask = Image.fromarray(np.where(labels == label, np.uint8(255), np.uint8(0)))
        share = np.asarray(mask.resize((size[1], size[0]), Image.Resampling.BILINEAR))
        better = share > best
        best[better], result[better] = share[better], label
    return result
