"""Flicker: how much a rebuilt clip changes where the original stands still.

Images of a folder are taken for a clip, in the order of their names. Where no block stands still (the first frame;
images that are no clip), there is no number.
"""

import numpy as np
from PIL import Image, ImageFilter

from spic.metrics.columns import Metric
from spic.metrics.observations import Observation

BLOCK = 16  # pixels
BLUR = 2.0  # standard deviation in pixels: noise of the camera is no motion
STILL = 1.0  # 8-bit levels that a blurred block of the original may change by, on average


def flicker(before: np.ndarray, after: np.ndarray, decoded_before: np.ndarray, decoded_after: np.ndarray) -> float:
    """Mean absolute difference of two rebuilt frames in the blocks that stand still in the original.

    Parameters
    ----------
    before, after : numpy.ndarray
        uint8 sRGB (H, W, 3): two frames of the original, one after the other.
    decoded_before, decoded_after : numpy.ndarray
        The same frames rebuilt.

    Returns
    -------
    float
        In 8-bit levels; NaN where no whole block of 16x16 pixels stands still.
    """
    still = _blocks(np.abs(_blurred(after) - _blurred(before))) < STILL
    change = _blocks(np.abs(decoded_after.astype(np.float64) - decoded_before))
    return float(change[still].mean()) if still.any() else float("nan")


def _blurred(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(BLUR)), np.float64)


def _blocks(difference: np.ndarray) -> np.ndarray:
    """Means over whole blocks and channels, (H // BLOCK, W // BLOCK)."""
    rows, columns = (side // BLOCK for side in difference.shape[:2])
    whole = difference[: rows * BLOCK, : columns * BLOCK]
    return whole.reshape(rows, BLOCK, columns, BLOCK * whole.shape[2]).mean(axis=(1, 3))


def _build(weights, device):
    last = []

    def see(sample):
        value = flicker(last[0], sample.original, last[1], sample.decoded) if last else np.nan
        last[:] = sample.original, sample.decoded
        return {"flicker": np.float64(value)}

    return see


COLUMNS = (
    Metric(
        "flicker",
        "flicker",
        digits=2,
        lower_is_better=True,
        compared=False,
        place=None,
        interval=None,
        observation=Observation("flicker", _build, paired=True),
    ),
)
