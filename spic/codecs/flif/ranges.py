"""Value ranges of the planes as transforms leave them; planes 1 and 2 can depend on the pixel's earlier planes.

Kernels take them as an int64 array, see the field names below. With buckets (see `buckets`) these records follow:
[lowest, highest, where its list of values starts, length of the list], one each for plane 0 and plane 3, one for every
value of plane 0 (what plane 1 can be then), one for every value of plane 0 and `BUCKET_STEP` neighbouring values of
plane 1 (what plane 2 can be then); then the lists. A bucket without a list holds all values from lowest to highest.
"""

from dataclasses import dataclass, field

import numpy as np

from spic.codecs.jit import helper

STATIC, YCOCG, SUBTRACT, BUCKETS = 0, 1, 2, 3
KIND, QUARTER, LOW, HIGH, SOURCE_LOW, SOURCE_HIGH = 0, 1, 2, 6, 10, 14
MODEL_SIZE = 18
BUCKET_LOW, BUCKET_HIGH, BUCKET_START, BUCKET_COUNT, BUCKET_SIZE = 0, 1, 2, 3, 4
BUCKET_STEP = 4
NO_BUCKET, EMPTY_BUCKET = 0, -1


@dataclass
class Ranges:
    """Ranges of all planes.

    Attributes
    ----------
    low, high : list of int
        Lowest and highest value of each plane, whatever the other planes are.
    kind : int
        STATIC; YCOCG: planes 1 and 2 depend on the earlier ones as chroma does; SUBTRACT: on plane 0, by difference;
        BUCKETS: on the earlier ones, by lists.
    quarter : int
        For YCOCG: a quarter of the luma range.
    source_low, source_high : list of int
        For SUBTRACT: ranges before plane 0 was subtracted.
    bounded : bool
        Whether Bounds narrowed them.
    packed : numpy.ndarray
        For BUCKETS: all of it as kernels take it.
    """

    low: list[int]
    high: list[int]
    kind: int = STATIC
    quarter: int = 0
    source_low: list[int] = field(default_factory=list)
    source_high: list[int] = field(default_factory=list)
    bounded: bool = False
    packed: np.ndarray | None = None

    def model(self) -> np.ndarray:
        """Pack for the kernels: int64 (MODEL_SIZE,), longer with buckets."""
        if self.packed is not None:
            return self.packed
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
        return value_range.py_func(self.model(), plane, first, second)[:2]


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
def find_bucket(model, plane, first, second):
    """Offset of the record for `plane` of a pixel whose planes 0 and 1 are `first` and `second`."""
    if plane == 0:
        return MODEL_SIZE
    if plane == 3:
        return MODEL_SIZE + BUCKET_SIZE
    if first < model[LOW] or first > model[HIGH]:
        return EMPTY_BUCKET
    row = first - model[LOW]
    if plane == 1:
        return MODEL_SIZE + BUCKET_SIZE * (2 + row)
    if second < model[LOW + 1] or second > model[HIGH + 1]:
        return EMPTY_BUCKET
    rows = model[HIGH] - model[LOW] + 1
    columns = (model[HIGH + 1] - model[LOW + 1]) // BUCKET_STEP + 1
    column = (second - model[LOW + 1]) // BUCKET_STEP
    return MODEL_SIZE + BUCKET_SIZE * (2 + rows + row * columns + column)


@helper
def snap(model, bucket, low, high, value):
    """What is nearest to `value` in the range; in the list of the bucket if it has one, the lower of two as near."""
    value = min(max(value, low), high)
    if bucket == NO_BUCKET:
        return value
    if bucket == EMPTY_BUCKET:
        return low
    start, count = model[bucket + BUCKET_START], model[bucket + BUCKET_COUNT]
    if count == 0:
        return value
    begin, end = start, start + count - 1  # the first in the list that is not smaller lies between these
    while begin < end:
        middle = (begin + end) >> 1
        if model[middle] < value:
            begin = middle + 1
        else:
            end = middle
    if begin > start and value - model[begin - 1] <= model[begin] - value:
        return model[begin - 1]
    return model[begin]


@helper
def value_range(model, plane, first, second):
    """Lowest and highest value of `plane` where planes 0 and 1 are `first` and `second`, and the bucket, for `snap`."""
    low, high = model[LOW + plane], model[HIGH + plane]
    if model[KIND] == BUCKETS:
        bucket = find_bucket(model, plane, first, second)
        if bucket == EMPTY_BUCKET or model[bucket + BUCKET_LOW] > model[bucket + BUCKET_HIGH]:  # a damaged file
            return low, high, EMPTY_BUCKET
        return model[bucket + BUCKET_LOW], model[bucket + BUCKET_HIGH], bucket
    if model[KIND] == STATIC or plane == 0 or plane == 3:
        return low, high, NO_BUCKET
    if model[KIND] == YCOCG:
        least, most = chroma_range(model[QUARTER], plane, first, second)
    else:
        least, most = model[SOURCE_LOW + plane] - first, model[SOURCE_HIGH + plane] - first
    least, most = max(least, low), min(most, high)
    if least > most:
        return low, high, NO_BUCKET
    return least, most, NO_BUCKET


@helper
def pixel_range(model, plane, planes, row, column):
    """The same for a pixel of int16 `planes` (P, H, W), P >= 3."""
    return value_range(model, plane, np.int64(planes[0, row, column]), np.int64(planes[1, row, column]))
