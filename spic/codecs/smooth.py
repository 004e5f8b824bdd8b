"""Smoothing of label maps in time, before they are coded: single-frame flicker costs bits and says nothing."""

import numpy as np

from spic.codecs.base import check_array
from spic.errors import DataError


class Smoother:
    """Where the maps before and after a map agree, the map takes their label; so maps come out one frame later.

    "Before" is the map that came out, "after" the one that came in. The first and the last map stay as they are.
    """

    def __init__(self):
        self._last = self._waiting = None

    def push(self, labels: np.ndarray) -> np.ndarray | None:
        """Take the next map, uint8 (H, W); give the one before it, or None for the first.

        `DataError` for another array, or another size than that of the first map.
        """
        labels = check_array(labels, (), labels=True)
        if self._waiting is not None and labels.shape != self._waiting.shape:
            raise DataError(f"a label map of {labels.shape} in a clip of {self._waiting.shape}")
        waiting, self._waiting = self._waiting, labels.copy()
        if waiting is not None and self._last is not None:
            agree = self._last == labels
            waiting[agree] = labels[agree]
        self._last = waiting
        return None if waiting is None else waiting.copy()

    def flush(self) -> np.ndarray | None:
        """Give the last map; None if there was none."""
        waiting, self._waiting, self._last = self._waiting, None, None
        return waiting
