"""The reversible transforms of 8-bit stills: reading, writing, applying and undoing them, and the ranges they leave.

Each class has `read(reader, ranges)`, `ranges` (afterwards) and `undo(planes)`; those that the encoder uses also have
`write` and `apply`. Planes are an int16 array (P, H, W). A stream lists transforms by rising id.
"""

import numpy as np

from spic.codecs.flif.buckets import ColorBuckets
from spic.codecs.flif.ranges import SUBTRACT, YCOCG, Ranges
from spic.codecs.flif.stream import Reader, Writer, new_context
from spic.errors import BitstreamError

MAX_ID = 13
MAX_PALETTE = 30000


class ChannelCompact:
    """Every plane becomes an index into the sorted list of the values it uses."""

    id = 0

    def __init__(self, values: list[np.ndarray]):
        self.values = values
        self.ranges = Ranges([0] * len(values), [len(v) - 1 for v in values])

    @classmethod
    def read(cls, reader: Reader, ranges: Ranges, hide: bool):
        context = new_context()
        lists = []
        for low, high in zip(ranges.low, ranges.high, strict=True):
            count = reader.integer(context, 0, high - low) + 1
            values = []
            for still in range(count - 1, -1, -1):
                values.append(low + reader.integer(context, 0, high - low - still))
                low = values[-1] + 1
            lists.append(np.array(values, np.int16))
        return cls(lists)

    def write(self, writer: Writer, ranges: Ranges) -> None:
        context = new_context()
        for low, high, values in zip(ranges.low, ranges.high, self.values, strict=True):
            writer.integer(context, 0, high - low, len(values) - 1)
            for index, value in enumerate(values.tolist()):
                writer.integer(context, 0, high - low - (len(values) - 1 - index), value - low)
                low = value + 1

    def apply(self, planes: np.ndarray) -> np.ndarray:
        indices = [np.searchsorted(values, plane) for values, plane in zip(self.values, planes, strict=True)]
        return np.stack(indices).astype(np.int16)

    def undo(self, planes: np.ndarray) -> np.ndarray:
        for values, plane in zip(self.values, planes, strict=True):
            plane[:] = values[_valid(plane, len(values))]
        return planes


class YCoCg:
    """Reversible colour transform: luma, orange and green chroma."""

    id = 1

    def __init__(self, before: Ranges):
        _need_colour(before, "YCoCg")
        if min(before.low[:3]) < 0:
            raise BitstreamError("FLIF YCoCg of negative values")
        self.before = before
        quarter = max(before.high[:3]) // 4 + 1
        top = 4 * quarter - 1
        self.ranges = Ranges([0, -top, -top, *before.low[3:]], [top, top, top, *before.high[3:]], YCOCG, quarter)

    @classmethod
    def read(cls, reader: Reader, ranges: Ranges, hide: bool):
        return cls(ranges)

    def write(self, writer: Writer, ranges: Ranges) -> None:
        """The transform has no parameters."""

    def apply(self, planes: np.ndarray) -> np.ndarray:
        red, green, blue = planes[:3]
        mean = (red + blue) >> 1
        return np.stack([(mean + green) >> 1, red - blue, green - mean, *planes[3:]])

    def undo(self, planes: np.ndarray) -> np.ndarray:
        y, co, cg = planes[:3].copy()
        mean = y - (cg >> 1)
        blue = mean - (co >> 1)
        for plane, value in enumerate((blue + co, mean + cg, blue)):
            planes[plane] = value.clip(self.before.low[plane], self.before.high[plane])
        return planes


class PermutePlanes:
    """Planes in another order; optionally the first is subtracted from the other two."""

    id = 3

    def __init__(self, before: Ranges, order: list[int], subtract: bool):
        count = len(before.low)
        if sorted(order) != list(range(count)) or order[3:] != list(range(3, count)):
            raise BitstreamError("FLIF PermutePlanes is not a permutation of the colours")
        self.before, self.order, self.subtract = before, order, subtract
        low, high = [before.low[p] for p in order], [before.high[p] for p in order]
        if subtract:
            _need_colour(before, "PermutePlanes")
            narrow, wide = list(low), list(high)
            for plane in (1, 2):
                narrow[plane], wide[plane] = low[plane] - high[0], high[plane] - low[0]
            self.ranges = Ranges(narrow, wide, SUBTRACT, 0, low, high)
        else:
            self.ranges = Ranges(low, high)

    @classmethod
    def read(cls, reader: Reader, ranges: Ranges, hide: bool):
        context = new_context()
        subtract = bool(reader.integer(context, 0, 1))
        last = len(ranges.low) - 1
        return cls(ranges, [reader.integer(context, 0, last) for _ in ranges.low], subtract)

    def undo(self, planes: np.ndarray) -> np.ndarray:
        restored = planes.copy()
        for plane, source in enumerate(self.order):
            value = planes[plane] + planes[0] if self.subtract and plane in (1, 2) else planes[plane]
            restored[source] = value.clip(self.before.low[source], self.before.high[source])
        return restored


class Bounds:
    """Narrower ranges; the planes stay as they are."""

    id = 4

    def __init__(self, before: Ranges, low: list[int], high: list[int]):
        self.ranges = Ranges(
            low, high, before.kind, before.quarter, before.source_low, before.source_high, bounded=True
        )

    @classmethod
    def read(cls, reader: Reader, ranges: Ranges, hide: bool):
        context = new_context()
        lows, highs = [], []
        for low, high in zip(ranges.low, ranges.high, strict=True):
            lows.append(reader.integer(context, low, high))
            highs.append(reader.integer(context, lows[-1], high))
        return cls(ranges, lows, highs)

    def write(self, writer: Writer, ranges: Ranges) -> None:
        context = new_context()
        for plane, (low, high) in enumerate(zip(ranges.low, ranges.high, strict=True)):
            writer.integer(context, low, high, self.ranges.low[plane])
            writer.integer(context, self.ranges.low[plane], high, self.ranges.high[plane])

    def apply(self, planes: np.ndarray) -> np.ndarray:
        return planes

    def undo(self, planes: np.ndarray) -> np.ndarray:
        return planes


class Palette:
    """Plane 1 becomes an index into a list of colours, planes 0 and 2 become 0."""

    id = 6
    with_alpha = False

    def __init__(self, before: Ranges, colours: np.ndarray):
        self.colours = colours
        low, high = [0, 0, 0, *before.low[3:]], [0, len(colours) - 1, 0, *before.high[3:]]
        if self.with_alpha:
            low[3] = high[3] = 1
        self.ranges = Ranges(low, high)

    @classmethod
    def read(cls, reader: Reader, ranges: Ranges, hide: bool):
        _need_colour(ranges, "Palette")
        if cls.with_alpha and len(ranges.low) < 4:
            raise BitstreamError("FLIF Palette_Alpha without alpha")
        context = new_context()
        size = reader.integer(context, 1, MAX_PALETTE)
        ordered = bool(reader.integer(context, 0, 1))
        contexts = [new_context() for _ in range(4)]
        colours = np.zeros((size, 4 if cls.with_alpha else 3), np.int16)
        before = None
        for entry in range(size):
            reader.check()
            before = colours[entry] = cls._read_colour(reader, contexts, ranges, hide, before if ordered else None)
        return cls(ranges, colours)

    @classmethod
    def _read_colour(cls, reader, contexts, ranges, hide, before):
        """One colour: [alpha,] Y, Co, Cg; in a sorted list, the first two are not smaller than in the one before it."""
        order = (3, 0, 1) if cls.with_alpha else (0, 1)
        colour = [0] * (4 if cls.with_alpha else 3)
        tied = before is not None  # still equal to the colour before, which then bounds the next component
        for nth, plane in enumerate(order):
            low, high = ranges.of_pixel(plane, colour[0], colour[1])
            if tied and nth < 2:
                low = min(max(low, int(before[plane])), high)
            colour[plane] = reader.integer(contexts[plane], low, high)
            tied = tied and colour[plane] == before[plane]
            if plane == 3 and colour[3] == 0 and hide:
                return colour
        low, high = ranges.of_pixel(2, colour[0], colour[1])
        colour[2] = reader.integer(contexts[2], low, high)
        return colour

    def undo(self, planes: np.ndarray) -> np.ndarray:
        index = _valid(planes[1], len(self.colours))
        for plane in range(self.colours.shape[1]):
            planes[plane] = self.colours[index, plane]
        return planes


class PaletteAlpha(Palette):
    """The same over all four planes; alpha becomes constant 1."""

    id = 5
    with_alpha = True


KNOWN = {kind.id: kind for kind in (ChannelCompact, YCoCg, PermutePlanes, Bounds, PaletteAlpha, Palette, ColorBuckets)}
NAMES = {10: "Duplicate_Frame", 11: "Frame_Shape", 12: "Frame_Lookback"}


def read_transforms(reader: Reader, ranges: Ranges, hide: bool) -> tuple[list, Ranges]:
    """Decode the transform list; return it and the ranges of the coded planes.

    `hide`: colours under alpha 0 are irrelevant. `BitstreamError` for an unknown or impossible list.
    """
    transforms, last = [], -1
    while reader.uniform(0, 1):
        number = reader.uniform(0, MAX_ID)
        reader.check()
        if number <= last:
            raise BitstreamError("FLIF transforms are out of order")
        if number not in KNOWN:
            raise BitstreamError(f"FLIF transform {NAMES.get(number, number)} is not supported")
        last = number
        transforms.append(KNOWN[number].read(reader, ranges, hide))
        reader.check()
        ranges = transforms[-1].ranges
    return transforms, ranges


def write_transforms(writer: Writer, transforms: list, ranges: Ranges) -> None:
    """Encode a transform list; `ranges` are those of the untransformed planes."""
    for transform in transforms:
        writer.uniform(0, 1, 1)
        writer.uniform(0, MAX_ID, transform.id)
        transform.write(writer, ranges)
        ranges = transform.ranges
    writer.uniform(0, 1, 0)


def _valid(index: np.ndarray, count: int) -> np.ndarray:
    """Copy of int16 `index` with 0 for those that are no index; invisible pixels can have any value."""
    return np.where(index.view(np.uint16) < count, index, 0)


def _need_colour(ranges: Ranges, name: str) -> None:
    if len(ranges.low) < 3:
        raise BitstreamError(f"FLIF {name} of a gray picture")
