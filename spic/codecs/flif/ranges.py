"""Value ranges of the planes as transforms leave them; planes 1 and 2 can depend on the pixel's earlier planes.

Kernels take them as an int64 array of `MODEL_SIZE`, see the field names below.
"""

from dataclasses import dataclass, field

import numpy as np

from spic.codecs.flif.jit import helper

STATIC, YCOCG, SUBTRACT = 0, 1, 2
KIND, QUARTER, LOW, HIGH, SOURCE_LOW, SOURCE_HIGH = 0, 1, 2, 6, 10, 14
MODEL_SIZE = 18


@dataclass
class Ranges:
    """Ranges of all planes.

    Attributes
    ----------
    low, high : list of int
        Lowest and highest value of each plane, whatever the other planes are.
    kind : int
        STATIC; YCOCG: planes 1 and 2 depend on the earlier ones as chroma does; SUBTRACT: on plane 0, by difference.
    quarter : int
        For YCOCG: a quarter of the luma range.
    source_low, source_high : list of int
        For SUBTRACT: ranges before plane 0 was subtracted.
    """

    low: list[int]
    high: list[int]
    kind: int = STATIC
    quarter: int = 0
    source_low: list[int] = field(default_factory=list)
    source_high: list[int] = field(default_factory=list)

    def model(self) -> np.ndarray:
        """Pack for the kernels: int64 (MODEL_SIZE,)."""
        model = np.zeros(MODEL_SIZE, np.int64)
        model[KIND], model[QUARTER] = self.kind, self.quarter
        for start, values in ((LOW, self.low), (HIGH, self.high)):
            model[start : start + len(values)] = values
        for start, values in ((SOURCE_LOW, self.source_low), (SOURCE_HIGH, self.source_high)):
            model[start : start + len(values)] = values
        return model

    def is_constant(self, plane: int) -> bool:
        """Tell whether nothing needs to be coded for `plane`."""
        return self.low[plane] >= self.high[plane]

    def of_pixel(self, plane: int, first: int, second: int) -> tuple[int, int]:
        """Range of `plane` for a pixel whose planes 0 and 1 are `first` and `second`."""
        return value_range.py_func(self.model(), plane, first, second)


def _chroma_range(quarter, plane, y, co):
    """Range of Co given Y, or of Cg given Y and Co, for YCoCg from values of 0..4 * quarter - 1."""
    top = 4 * quarter - 1
    if plane == 1:
        if y < quarter - 1:
            widest = 4 * y + 3
        elif y >= 3 * quarter:
            widest = 4 * (top - y)
        else:
            widest = top
        return -widest, widest
    size = abs(co)
    dark = 2 * y + 1
    bright = 2 * (top - y)
    down = 2 * (size >> 1)
    up = 2 * ((size + 1) >> 1)
    if y < quarter - 1:
        return -dark, dark - down
    if y >= 3 * quarter:
        return -(bright - up), bright
    return -min(dark, bright - up), min(bright, dark - down)


chroma_range = helper(_chroma_range)


@helper
def value_range(model, plane, first, second):
    """Lowest and highest value of `plane` for a pixel whose planes 0 and 1 are `first` and `second`."""
    low, high = model[LOW + plane], model[HIGH + plane]
    if model[KIND] == STATIC or plane == 0 or plane == 3:
        return low, high
    if model[KIND] == YCOCG:
        least, most = chroma_range(model[QUARTER], plane, first, second)
    else:
        least, most = model[SOURCE_LOW + plane] - first, model[SOURCE_HIGH + plane] - first
    least, most = max(least, low), min(most, high)
    if least > most:
        return low, high
    return least, most


@helper
def pixel_range(model, plane, planes, row, column):
    """The same for a pixel of int16 `planes` (P, H, W)."""
    return value_range(model, plane, np.int64(planes[0, row, column]), np.int64(planes[1, row, column]))
