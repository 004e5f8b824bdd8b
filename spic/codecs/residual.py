"""The residual of an image, original minus rebuilt, as an image of 8 bits that a codec takes, and back.

The map is fixed: level 128 + r is a difference of r. What lies beyond -128 to 127 is clipped; where that would cost
more than the halves that a scale of 2 loses, level 128 + r is a difference of 2 r, and its quantiser is 6 QP finer. So
one QP means one quantiser in all images. DSSLIC (Akbari, Liang and Han, ICASSP 2019) stretches the range of each
image's own residual to 0..255 instead; there one outlier sets the step of its whole image.
"""

import numpy as np

from spic.codecs import get_codec
from spic.codecs.base import check_quality
from spic.errors import ConfigError

CODEC = "bpg"
MOST_CLIPPED = 1.0  # mean squared difference by clipping, in levels: about what rounding costs at a scale of 2
_DOUBLING = 6  # QPs by which a quantiser doubles


def check_qp(qp) -> int:
    """Return the quantiser of a residual as an int; `ConfigError` unless it is a whole number of BPG's range."""
    low, high, _ = get_codec(CODEC).quality_range
    if check_quality("residual_qp", qp, low, high) != int(qp):
        raise ConfigError(f"residual_qp must be a whole number, got {qp}")
    return int(qp)


def encode_residual(original: np.ndarray, rebuilt: np.ndarray, qp: int) -> tuple[int, bytes]:
    """Code the residual of two images by BPG, its colour in full.

    Parameters
    ----------
    original, rebuilt : numpy.ndarray
        uint8 (H, W, 3).
    qp : int
        Quantiser of the differences, 0..51.

    Returns
    -------
    (int, bytes)
        Its scale, 1 or 2, and a file of `CODEC`.

    Raises
    ------
    ConfigError
        For another `qp`.
    """
    qp = check_qp(qp)
    difference = original.astype(np.int16) - rebuilt
    clipped = difference - np.clip(difference, -128, 127)
    scale = 1 if np.square(clipped, dtype=np.float64).mean() <= MOST_CLIPPED else 2
    levels = np.clip(128 + np.rint(difference / scale), 0, 255).astype(np.uint8)
    return scale, get_codec(CODEC).encode(levels, qp=max(0, qp - _DOUBLING * (scale - 1)), chroma="444")


def add_residual(rebuilt: np.ndarray, levels: np.ndarray, scale: int) -> np.ndarray:
    """The uint8 image `rebuilt` plus scale * (`levels` - 128), clipped to 0 to 255; `scale` is 1 to 255."""
    difference = scale * (levels.astype(np.int32) - 128)
    return np.clip(rebuilt + difference, 0, 255).astype(np.uint8)
