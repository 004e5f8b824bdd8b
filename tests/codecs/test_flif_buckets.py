"""Color_Buckets: read back from a plain writer of sets, and what ranges and guesses it leaves."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spic.codecs.flif.buckets import MOST, ColorBuckets
from spic.codecs.flif.ranges import BUCKET_STEP, EMPTY_BUCKET, YCOCG, Ranges, chroma_range, snap, value_range
from spic.codecs.flif.stream import Reader, Writer, new_context
from spic.codecs.flif.transforms import Bounds, PermutePlanes, YCoCg
from spic.errors import BitstreamError

RGB, RGBA = Ranges([0] * 3, [63] * 3), Ranges([0] * 4, [63] * 4)


class SetWriter:
    """Writes buckets as sets of values: a set that is no list is one without gaps."""

    def __init__(self, writer, ranges):
        self.writer, self.ranges, self.contexts = writer, ranges, [new_context() for _ in range(6)]

    def put(self, context, low, high, value):
        self.writer.integer(self.contexts[context], low, high, value)

    def bucket(self, values, low, high, most):
        """`values` as a list if it fits into `most`, else as a range; return what the reader has to find."""
        self.put(0, 0, 1, int(bool(values)))
        if not values:
            return values
        least, largest = min(values), max(values)
        self.put(1, low, high, least)
        self.put(2, least, high, largest)
        if largest - least < 2:
            return values
        listed = len(values) < min(largest - least + 1, most + 1)
        self.put(3, 0, 1, int(listed))
        if not listed:
            return set(range(least, largest + 1))
        inner, count = sorted(values)[1:-1], len(values)
        self.put(4, 2, min(most, largest - least), count)
        for nth, value in enumerate(inner, 1):
            self.put(5, least + 1, largest + 1 - count + nth, value)
            least = value
        return values

    def picture(self, colours):
        """Write the buckets of a set of colours; return the sets of plane 0, 1 (by plane 0), 2 (by both) and 3."""
        low, high = self.ranges.low, self.ranges.high
        firsts = self.bucket({c[0] for c in colours}, low[0], high[0], MOST[0])
        seconds, thirds = {}, {}
        for first in range(low[0], high[0] + 1):
            if first in firsts:
                limits = self.ranges.of_pixel(1, first, 0)
                seconds[first] = self.bucket({c[1] for c in colours if c[0] == first}, *limits, MOST[1])
        if low[2] < high[2]:
            for first in sorted(seconds):
                for begin in range(low[1], high[1] + 1, BUCKET_STEP):
                    group = range(begin, begin + BUCKET_STEP)
                    if seconds[first].isdisjoint(group):
                        continue
                    limits = [self.third_limits(first, second) for second in group]
                    limits = [pair for pair in limits if pair]
                    values = {c[2] for c in colours if c[0] == first and c[1] in group}
                    lowest, highest = min(pair[0] for pair in limits), max(pair[1] for pair in limits)
                    thirds[first, begin] = self.bucket(values, lowest, highest, MOST[2])
            for first in seconds:
                ends = (low[1] + (s - low[1]) // BUCKET_STEP * BUCKET_STEP for s in sorted(seconds[first]))
                kept = zip(sorted(seconds[first]), ends, strict=True)
                seconds[first] = {second for second, begin in kept if thirds[first, begin]}
        alpha = self.bucket({c[3] for c in colours}, low[3], high[3], MOST[3]) if len(low) > 3 else None
        return firsts, seconds, thirds, alpha

    def third_limits(self, first, second):
        if self.ranges.kind == YCOCG and not self.ranges.bounded:
            least, most = chroma_range.py_func(self.ranges.quarter, 1, first, 0)
            if not least <= second <= most:
                return None
        return self.ranges.of_pixel(2, first, second)


def check_set(model, plane, first, second, values):
    """Range and nearest value against the set, for every value around it."""
    low, high, bucket = value_range.py_func(model, plane, first, second)
    assert (low, high) == (min(values), max(values))
    for value in range(low - 3, high + 4):
        nearest = min(values, key=lambda v: (abs(v - value), v))
        assert snap.py_func(model, bucket, low, high, value) == nearest


def check_buckets(ranges, colours):
    writer = Writer()
    firsts, seconds, thirds, alpha = SetWriter(writer, ranges).picture(colours)
    writer.uniform(0, 99, 42)
    reader = Reader(writer.finish())
    model = ColorBuckets.read(reader, ranges, False).ranges.model()
    assert reader.uniform(0, 99) == 42
    check_set(model, 0, 0, 0, firsts)
    for first, values in seconds.items():
        if values:
            check_set(model, 1, first, 0, values)
        else:
            assert value_range.py_func(model, 1, first, 0) == (ranges.low[1], ranges.high[1], EMPTY_BUCKET)
    for (first, begin), values in thirds.items():
        if values:
            check_set(model, 2, first, begin, values)
    if alpha:
        check_set(model, 3, 0, 0, alpha)


def bounds_of(ranges, planes):
    return Bounds(ranges, [int(p.min()) for p in planes], [int(p.max()) for p in planes]).ranges


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(2, 60), st.sampled_from([1, 5, 9, 20]), st.booleans(), st.booleans())
def test_buckets_are_read_as_written(seed, count, step, bounded, with_alpha):
    rng = np.random.default_rng(seed)
    planes = (rng.integers(0, 64, (3 + with_alpha, 1, count)) // step * step).astype(np.int16)
    before = RGBA if with_alpha else RGB
    planes[:, 0, 0], planes[:, 0, 1] = 0, 63
    for transform in (YCoCg(before), PermutePlanes(before, list(range(len(planes))), True)):
        if isinstance(transform, YCoCg):
            coded = transform.apply(planes)
        else:
            coded = np.concatenate((planes[:1], planes[1:3] - planes[:1], planes[3:]))
        ranges = bounds_of(transform.ranges, coded) if bounded else transform.ranges
        if not ranges.is_constant(1):
            check_buckets(ranges, {tuple(c) for c in coded.reshape(len(coded), -1).T.tolist()})


def test_long_lists_become_ranges():
    """More than five values of plane 2 in a bucket."""
    check_buckets(RGB, {(first, 8, third) for first in (3, 60) for third in range(0, 60, 7)})


@pytest.mark.parametrize(
    "ranges",
    [Ranges([0], [255]), Ranges([0] * 3, [255, 0, 255]), Ranges([0] * 3, [0, 99, 0]), Ranges([0] * 3, [255, 2000, 1])],
    ids=["gray", "plane 1 constant", "palette", "too wide"],
)
def test_unsuitable_planes_are_refused(ranges):
    with pytest.raises(BitstreamError):
        ColorBuckets.read(Reader(b"\xaa" * 99), ranges, False)


@pytest.mark.parametrize("fill", [b"\x00", b"\xff", b"\x55", None])
def test_hostile_buckets_take_little(fill):
    """Whatever the bytes say, the work and the memory are those of a full set of buckets."""
    ranges = YCoCg(Ranges([0] * 4, [255] * 4)).ranges
    data = np.random.default_rng(0).bytes(1 << 16) if fill is None else fill * 64
    ColorBuckets.read(Reader(data), ranges, False)
    started = time.process_time()
    model = ColorBuckets.read(Reader(data), ranges, False).ranges.model()
    assert time.process_time() - started < 2
    assert model.size < 600_000
    for plane in range(4):
        for first, second in ((0, 0), (255, 255), (-1, 0), (300, 0), (5, -256), (5, 256)):
            low, high, bucket = value_range.py_func(model, plane, first, second)
            assert ranges.low[plane] <= low <= high <= ranges.high[plane]
            assert low <= snap.py_func(model, bucket, low, high, 3) <= high
