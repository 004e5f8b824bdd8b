"""What stands still stays as it was drawn, so that drawn texture does not flicker from frame to frame.

The decoder draws each frame for itself, and the coarse codec's noise alone makes it draw other texture each time.
"""

import numpy as np
from PIL import Image

from spic.codecs.base import check_array
from spic.errors import DataError
from spic.pictures.limits import COARSE_FACTOR

# Change of a coarse image, in 8-bit levels: up to SAME it is taken for the coarse codec's noise, from CHANGED on for a
# change of the scene. In two training sequences of CamVid at QP 30, 81 % of what stands still change by less than SAME
# and 92 % by less than CHANGED; of what moves 0.1 % and 0.5 % do.
SAME, CHANGED = 2.0, 4.0
_AROUND = 0.7  # standard deviation, in pixels of the coarse image, of the place that a change is averaged over


class Steadier:
    """Keeps the pixels that were drawn before where a clip stands still.

    A place stands still where the labels are those of the frame before and the coarse image is the one that the kept
    pixels were drawn for, up to its codec's noise. So what was kept may be off by that noise and no more, however slow
    the change, and nothing is kept beyond a frame that builds on none before. Holds one image and its parts.

    Source: conditional replenishment (Mounts, Bell System Technical Journal 48, 1969), here at the receiver alone.
    """

    def __init__(self):
        self._shown = self._coarse = self._ssm = None

    def push(self, image: np.ndarray, ssm: np.ndarray, coarse: np.ndarray, alone: bool = False) -> np.ndarray:
        """The next frame as it is shown.

        Parameters
        ----------
        image : numpy.ndarray
            uint8 (H, W, 3), as it was drawn, at any size.
        ssm, coarse : numpy.ndarray
            What it was drawn from: uint8 (4 h, 4 w) and (h, w, 3).
        alone : bool
            Whether the frame builds on none before; it is shown as it was drawn, like the first one.

        Returns
        -------
        numpy.ndarray
            uint8 (H, W, 3), the caller's.

        Raises
        ------
        DataError
            Other arrays, or their sizes are not those of the frame before.
        """
        image, ssm, coarse = check_array(image, (3,)), check_array(ssm, (), labels=True), check_array(coarse, (3,))
        if ssm.shape != tuple(COARSE_FACTOR * side for side in coarse.shape[:2]):
            raise DataError(f"a label map of {ssm.shape} with a coarse image of {coarse.shape[:2]}")
        shown, coarse = Image.fromarray(image).copy(), coarse.astype(np.float32)
        if self._shown is not None:
            if (shown.size, coarse.shape) != (self._shown.size, self._coarse.shape):
                was = self._shown.size[::-1], self._ssm.shape
                raise DataError(f"an image and a label map of {image.shape[:2], ssm.shape} in a clip of {was}")
            if not alone:
                kept = self._still(ssm, coarse)
                coarse += kept[..., None] * (self._coarse - coarse)
                kept = Image.fromarray(np.rint(255 * kept).astype(np.uint8))
                kept = kept.resize(shown.size, Image.Resampling.BILINEAR)
                shown = Image.composite(self._shown, shown, kept)
        self._shown, self._coarse, self._ssm = shown, coarse, ssm.copy()
        return np.array(shown)

    def _still(self, ssm: np.ndarray, coarse: np.ndarray) -> np.ndarray:
        """How much of what was drawn before to keep, 0 to 1, for each pixel of the coarse image."""
        from scipy import ndimage

        change = ndimage.gaussian_filter(np.abs(coarse - self._coarse).mean(axis=2), _AROUND, mode="nearest")
        height, width = change.shape
        labels = (ssm != self._ssm).reshape(height, COARSE_FACTOR, width, COARSE_FACTOR).any(axis=(1, 3))
        change[labels] = CHANGED
        change = ndimage.maximum_filter(change, 3, mode="nearest")  # so that the slope lies beside what changed
        return np.clip((CHANGED - change) / (CHANGED - SAME), 0, 1)
