"""Smoothing of label maps in time, before they are coded: borders that flicker cost bits and say nothing."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from spic.codecs.base import check_array
from spic.errors import DataError


class Smoother:
    """Where the maps before and after a map agree, borders move to where they have them; maps come out one frame later.

    A pixel takes the label that both have there if one of the 8 pixels around it has that label, too. A narrow thing
    that passes, a pole say, is at no place in two maps: so it loses its border, but not what lies further in.
    All maps are compared as they came in, so that what is changed in one changes no other. The first and the last map
    stay as they are.
    """

    def __init__(self):
        self._before = self._waiting = None

    def push(self, labels: np.ndarray) -> np.ndarray | None:
        """Take the next map, uint8 (H, W); give the one before it, or None for the first.

        `DataError` for another array, or another size than that of the first map.
        """
        labels = check_array(labels, (), labels=True)
        if self._waiting is not None and labels.shape != self._waiting.shape:
            raise DataError(f"a label map of {labels.shape} in a clip of {self._waiting.shape}")
        before, waiting = self._before, self._waiting
        self._before, self._waiting = waiting, labels.copy()
        if before is None:
            return None if waiting is None else waiting.copy()
        around = sliding_window_view(np.pad(waiting, 1, mode="edge"), (3, 3))
        beside = (around == labels[..., None, None]).any(axis=(2, 3))
        return np.where((before == labels) & beside, labels, waiting)

    def flush(self) -> np.ndarray | None:
        """Give the last map; None if there was none."""
        waiting, self._waiting, self._before = self._waiting, None, None
        return waiting
