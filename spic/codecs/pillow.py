"""What the codecs through Pillow share: one format, one image, checked before its pixels are decoded."""

import io
import struct
import warnings

import numpy as np
from PIL import Image

from spic.codecs.base import check_size
from spic.errors import BitstreamError, memory_shortage


def quiet():
    """Context in which Pillow keeps its warnings about damaged bytes to itself: they end in one error or in none."""
    return warnings.catch_warnings(action="ignore")


def pillow_versions(*libraries: str) -> dict[str, str]:
    """Versions of Pillow and of libraries that it calls, by the names of `PIL.features`."""
    from PIL import features

    known = {name: features.version(name) for name in libraries}
    return {"pillow": Image.__version__, **{name: version for name, version in known.items() if version}}


def encode_with_pillow(image: np.ndarray, kind: str, **options) -> bytes:
    """Code uint8 (H, W, 3) or (H, W, 1) in Pillow's format `kind`."""
    out = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(out, kind, **options)
    return out.getvalue()


def decode_with_pillow(data: bytes, kind: str, what: str, modes: tuple[str, ...] = ("RGB",)) -> np.ndarray:
    """Decode a file of one image.

    Parameters
    ----------
    data : bytes
        The file.
    kind : str
        Pillow's name of the format; others are not tried.
    what : str
        What messages call the format.
    modes : tuple of str
        Pillow's modes that are taken: "RGB", "L".

    Returns
    -------
    numpy.ndarray
        uint8 (H, W, 3), or (H, W, 1) for "L".

    Raises
    ------
    BitstreamError
        For damaged data, other modes, several images, and sizes beyond `spic.codecs.base.at_most`.
    """
    try:
        with quiet(), Image.open(io.BytesIO(data), formats=[kind]) as picture:
            check_size(*picture.size, what)
            if picture.mode not in modes or picture.format != kind or getattr(picture, "n_frames", 1) != 1:
                raise BitstreamError(f"{what}: only plain 8-bit {' and '.join(modes)} pictures are supported")
            image = np.array(picture)
    except (
        *(OSError, ValueError, SyntaxError, RuntimeError, MemoryError, EOFError, TypeError, KeyError, IndexError),
        *(struct.error, Image.DecompressionBombError),
    ) as error:
        raise BitstreamError(f"{what}: {memory_shortage(error) or error}") from None
    if image.dtype != np.uint8:
        raise BitstreamError(f"{what}: the picture is not as its header says")
    return image[..., None] if image.ndim == 2 else image
