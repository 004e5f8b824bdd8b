"""The residual of an image, original minus rebuilt, as an image of 8 bits that any codec takes, and back.

The map is fixed: level 128 is a difference of 0, and each level more or less is a difference of `SCALE`. DSSLIC
(Akbari, Liang and Han, ICASSP 2019) stretches the range of each image's own residual to 0..255 instead. There one
outlier sets the step of its whole image; with a fixed map one QP means one quantiser in all images.
"""

import numpy as np

SCALE = 2  # levels 0 to 255 are differences of -256 to 254: all that there are, but for rounding


def to_levels(original: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """Residual of uint8 images (H, W, 3) as uint8 (H, W, 3): 128 + (original - rebuilt) / `SCALE`, half to even."""
    difference = original.astype(np.int16) - rebuilt
    return np.clip(128 + np.rint(difference / SCALE), 0, 255).astype(np.uint8)


def add_levels(rebuilt: np.ndarray, levels: np.ndarray, scale: int = SCALE) -> np.ndarray:
    """The uint8 image `rebuilt` plus scale * (`levels` - 128), clipped to 0 to 255; `scale` is 1 to 255."""
    difference = scale * (levels.astype(np.int32) - 128)
    return np.clip(rebuilt + difference, 0, 255).astype(np.uint8)
