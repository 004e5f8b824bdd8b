"""Color_Buckets: which colours an image has, coarsely, so that guesses and ranges keep to them.

A bucket is a set of values: what plane 0 can be; alpha; for each value of plane 0, what plane 1 can be; for each of
these and `BUCKET_STEP` neighbouring values of plane 1, what plane 2 can be. The planes stay as they are. `ranges` has
the layout of the buckets and their use.
"""

import numpy as np

from spic.codecs.flif.integers import fresh_contexts, read_integer
from spic.codecs.flif.ranges import (
    BUCKET_COUNT,
    BUCKET_HIGH,
    BUCKET_LOW,
    BUCKET_SIZE,
    BUCKET_START,
    BUCKET_STEP,
    BUCKETS,
    HIGH,
    KIND,
    LOW,
    MODEL_SIZE,
    QUARTER,
    YCOCG,
    Ranges,
    chroma_range,
    find_bucket,
    snap,
    value_range,
)
from spic.codecs.flif.stream import DEFAULT_TABLE, Reader
from spic.codecs.jit import helper, kernel
from spic.errors import BitstreamError

MOST = (255, 510, 5, 255)  # values in a listed bucket of each plane
MAX_SPREAD = 1023  # of the values of a colour plane


class ColorBuckets:
    """Narrower ranges, down to lists of values; the planes stay as they are."""

    id = 7

    def __init__(self, ranges: Ranges):
        self.ranges = ranges

    @classmethod
    def read(cls, reader: Reader, ranges: Ranges, hide: bool):
        if len(ranges.low) < 3 or ranges.is_constant(1):
            raise BitstreamError("FLIF Color_Buckets without a second colour plane")
        spread = [high - low for low, high in zip(ranges.low, ranges.high, strict=True)]
        if max(spread[:3]) > MAX_SPREAD or not (any((ranges.low[0], ranges.low[2])) or spread[0] or spread[2]):
            raise BitstreamError("FLIF Color_Buckets of a palette")
        rows, columns = spread[0] + 1, spread[1] // BUCKET_STEP + 1
        lists = MODEL_SIZE + BUCKET_SIZE * (2 + rows + rows * columns)
        room = MOST[0] + MOST[3] + rows * (MOST[1] + columns * MOST[2] + spread[1] + 1)
        model = np.zeros(lists + room, np.int64)
        model[:MODEL_SIZE] = ranges.model()
        used = _read_buckets(
            reader.data, reader.coder, DEFAULT_TABLE, fresh_contexts(6), model, lists, ranges.bounded,
            len(ranges.low) > 3, MOST,
        )  # fmt: skip
        model[KIND] = BUCKETS
        return cls(Ranges(ranges.low, ranges.high, BUCKETS, packed=model[:used].copy()))

    def undo(self, planes: np.ndarray) -> np.ndarray:
        return planes


@helper
def _holds(model, bucket, value):
    """Tell whether the bucket at offset `bucket` has `value`."""
    low, high = model[bucket + BUCKET_LOW], model[bucket + BUCKET_HIGH]
    return low <= value <= high and snap(model, bucket, low, high, value) == value


@helper
def _read_bucket(data, coder, table, contexts, model, used, bucket, low, high, most):
    """Decode one bucket of values of [low, high], its list to offset `used`; return the new end of the lists.

    The contexts: not empty, lowest, highest, has a list, its length, its values.
    """
    if read_integer(data, coder, contexts[0], table, 0, 1) == 0:
        return used
    low = read_integer(data, coder, contexts[1], table, low, high)
    high = read_integer(data, coder, contexts[2], table, low, high)
    model[bucket + BUCKET_LOW], model[bucket + BUCKET_HIGH] = low, high
    if high - low < 2 or read_integer(data, coder, contexts[3], table, 0, 1) == 0:
        return used
    count = read_integer(data, coder, contexts[4], table, 2, min(most, high - low))
    model[bucket + BUCKET_START], model[bucket + BUCKET_COUNT] = used, count
    model[used] = value = low
    for still in range(count - 2, 0, -1):
        used += 1
        value = read_integer(data, coder, contexts[5], table, value + 1, high - still)
        model[used] = value
    model[used + 1] = high
    return used + 2


@helper
def _range_over_step(model, bounded, first, begin):
    """Range of plane 2 where plane 0 is `first`, over the neighbouring values of plane 1 from `begin` on.

    Values of plane 1 that can't be count as well, and with the widest range, unless there are no Bounds.
    """
    lowest, highest = model[HIGH + 2] + 1, model[LOW + 2] - 1
    for second in range(begin, begin + BUCKET_STEP):
        if not bounded and model[KIND] == YCOCG:
            least, most = chroma_range(model[QUARTER], 1, first, 0)
            if second < least or second > most:
                continue
        low, high, _ = value_range(model, 2, first, second)
        lowest, highest = min(lowest, low), max(highest, high)
    return lowest, highest


@helper
def _any_second(model, first, begin):
    """Tell whether plane 1 can be one of the neighbouring values from `begin` on where plane 0 is `first`."""
    low, high, _ = value_range(model, 1, first, 0)
    bucket = find_bucket(model, 1, first, 0)
    for second in range(max(begin, low), min(begin + BUCKET_STEP - 1, high) + 1):
        if _holds(model, bucket, second):
            return True
    return False


@helper
def _drop_dead_ends(model, used, first):
    """Drop the values of plane 1 that leave none for plane 2; return the new end of the lists."""
    bucket = find_bucket(model, 1, first, 0)
    start = used
    for second in range(model[bucket + BUCKET_LOW], model[bucket + BUCKET_HIGH] + 1):
        last = find_bucket(model, 2, first, second)
        if model[last + BUCKET_LOW] <= model[last + BUCKET_HIGH] and _holds(model, bucket, second):
            model[used] = second
            used += 1
    count = used - start
    if count == 0:
        model[bucket + BUCKET_LOW], model[bucket + BUCKET_HIGH] = 1, 0
        return start
    low, high = model[start], model[used - 1]
    model[bucket + BUCKET_LOW], model[bucket + BUCKET_HIGH] = low, high
    model[bucket + BUCKET_START], model[bucket + BUCKET_COUNT] = start, count
    if count == high - low + 1:
        model[bucket + BUCKET_COUNT] = 0
        return start
    return used


@kernel
def _read_buckets(data, coder, table, contexts, model, used, bounded, alpha, most):
    """Decode all buckets into `model`, their lists to offset `used` and after; return where the lists end.

    `model` has the ranges before the transform, and room. `bounded` and `alpha` tell whether there are Bounds and a
    plane 3.
    """
    for bucket in range(MODEL_SIZE, used, BUCKET_SIZE):
        model[bucket + BUCKET_LOW], model[bucket + BUCKET_HIGH] = 1, 0
    firsts = range(model[LOW], model[HIGH] + 1)
    whole = find_bucket(model, 0, 0, 0)
    used = _read_bucket(data, coder, table, contexts, model, used, whole, model[LOW], model[HIGH], most[0])
    for first in firsts:
        if _holds(model, whole, first):
            low, high, _ = value_range(model, 1, first, 0)
            bucket = find_bucket(model, 1, first, 0)
            used = _read_bucket(data, coder, table, contexts, model, used, bucket, low, high, most[1])
    if model[LOW + 2] < model[HIGH + 2]:
        for first in firsts:
            if _holds(model, whole, first):
                for begin in range(model[LOW + 1], model[HIGH + 1] + 1, BUCKET_STEP):
                    if _any_second(model, first, begin):
                        low, high = _range_over_step(model, bounded, first, begin)
                        bucket = find_bucket(model, 2, first, begin)
                        used = _read_bucket(data, coder, table, contexts, model, used, bucket, low, high, most[2])
    if alpha:
        bucket = find_bucket(model, 3, 0, 0)
        used = _read_bucket(data, coder, table, contexts, model, used, bucket, model[LOW + 3], model[HIGH + 3], most[3])
    if model[LOW + 2] < model[HIGH + 2]:
        for first in firsts:
            used = _drop_dead_ends(model, used, first)
    return used
