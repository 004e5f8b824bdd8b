"""From the bytes of a FLIF file to planes: header, ranges, transforms, pixels, checksum, in the order of the stream."""

import numpy as np

from spic.codecs.flif import interlaced, scanlines
from spic.codecs.flif.checksum import checksum
from spic.codecs.flif.header import Header, read_header
from spic.codecs.flif.rangecoder import transition_table
from spic.codecs.flif.ranges import Ranges
from spic.codecs.flif.stream import DEFAULT_TABLE, Reader
from spic.codecs.flif.transforms import read_transforms
from spic.codecs.flif.trees import LEAF, leaf_contexts, read_tree
from spic.errors import BitstreamError


def decode(data: bytes) -> np.ndarray:
    """Decode a FLIF16 still image of up to 8 bits per channel.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    numpy.ndarray
        uint8 (P, H, W): gray, red-green-blue, or these and alpha; of n bits, values are 0..2^n - 1.

    Raises
    ------
    BitstreamError
        If the file is damaged, truncated, fails its checksum, or is of an unsupported kind.
    """
    header, start = read_header(data)
    reader = Reader(data[start:])
    highest = _read_depths(reader, header.channels) if header.shallow else 255
    hide = header.channels == 4 and bool(reader.uniform(0, 1))
    table = _read_chance_table(reader)
    transforms, ranges = read_transforms(reader, Ranges([0] * header.channels, [highest] * header.channels), hide)
    can_hide = hide and ranges.low[3] == 0  # else no coded alpha is 0
    read_pixels = _read_interlaced if header.interlaced else _read_scanlines
    planes, complete = read_pixels(reader, header, table, ranges, can_hide)
    for transform in reversed(transforms):
        planes = transform.undo(planes)
    pixels = planes.astype(np.uint8)
    if hide:
        pixels[:3, pixels[3] == 0] = 0
    if complete:
        _check_end(reader, pixels)
    return pixels


def _check_end(reader: Reader, pixels: np.ndarray) -> None:
    """Verify the checksum; without one, a stream that goes on after the pixels is taken for damaged."""
    if reader.uniform(0, 1):
        stated = reader.uniform(0, 0xFFFF) << 16 | reader.uniform(0, 0xFFFF)
        reader.check()
        if stated != checksum(pixels):
            raise BitstreamError("FLIF checksum mismatch: the file is damaged")
        return
    reader.check()
    if reader.coder[2] < reader.data.size:
        raise BitstreamError("FLIF data goes on after the last pixel: the file is damaged")


def _read_depths(reader: Reader, channels: int) -> int:
    """Highest value of all channels: that of the deepest one."""
    deepest = max(reader.uniform(1, 16) for _ in range(channels))
    if deepest > 8:
        raise BitstreamError(f"FLIF files with {deepest} bits per channel are not supported")
    return (1 << deepest) - 1


def _read_chance_table(reader: Reader) -> np.ndarray:
    if not reader.uniform(0, 1):
        return DEFAULT_TABLE
    cutoff, divisor = reader.uniform(1, 128), reader.uniform(2, 128)
    if reader.uniform(0, 1):
        raise BitstreamError("FLIF chance tables of this kind are not supported")
    return transition_table(cutoff, divisor)


def _new_planes(header: Header, ranges: Ranges) -> np.ndarray:
    planes = np.zeros((header.channels, header.height, header.width), np.int16)
    for plane, low in enumerate(ranges.low):
        if low:
            planes[plane] = low
    return planes


def _read_trees(reader: Reader, ranges: Ranges, property_ranges) -> dict[int, np.ndarray]:
    trees = {}
    for plane in range(len(ranges.low)):
        if not ranges.is_constant(plane):
            trees[plane] = read_tree(reader, property_ranges(ranges, plane))
    return trees


def _read_scanlines(reader, header, table, ranges, hide):
    trees = _read_trees(reader, ranges, scanlines.property_ranges)
    planes, model = _new_planes(header, ranges), ranges.model()
    for plane in scanlines.ORDER:
        if plane in trees:
            tree = trees[plane]
            contexts = leaf_contexts(tree)
            hidden = hide and 3 in trees
            scanlines.read_plane(reader.data, reader.coder, table, planes, plane, model, tree, contexts, hidden)
            reader.check()
    return planes, True


def _read_interlaced(reader, header, table, ranges, hide):
    hidden_predictor = reader.uniform(0, 2) if hide else -1
    zooms = interlaced.count_zooms(header.height, header.width)
    rough = reader.uniform(0, zooms)
    coded = [p for p in range(header.channels) if not ranges.is_constant(p)]
    if 3 not in coded:
        hidden_predictor = -1
    corner = list(ranges.low)
    for plane in coded:
        corner[plane] = reader.uniform(ranges.low[plane], ranges.high[plane])
    reader.check()
    planes, model = _new_planes(header, ranges), ranges.model()
    planes[:, 0, 0] = corner
    trees = {p: LEAF.copy() for p in coded}
    for first, last in ((zooms, rough + 1), (rough, 0)):
        if last == 0:
            trees = _read_trees(reader, ranges, interlaced.property_ranges)
        contexts = {p: leaf_contexts(trees[p]) for p in coded}
        used = {p: np.ones(1, np.int64) for p in coded}
        default = reader.uniform(0, 1)
        predictors = [reader.uniform(-1, 2) for _ in range(header.channels)]
        left = dict.fromkeys(range(header.channels), first)  # the level of each plane that comes next
        order = interlaced.level_order(ranges, first, last) if default else _stated_order(reader, left, last, hide)
        for plane, zoom in order:
            if plane in coded:
                predictor = predictors[plane] if predictors[plane] >= 0 else reader.uniform(0, 2)
                row = interlaced.read_level(
                    reader.data, reader.coder, table, planes, plane, zoom, predictor, model,
                    trees[plane], contexts[plane], used[plane], hidden_predictor,
                )  # fmt: skip
                if not default and reader.ended and _only_fine_chroma_left(left, last, ranges):
                    _fill_chroma(planes, left, plane, row)
                    return planes, False
                reader.check()
            left[plane] = zoom - 1
    return planes, True


def _stated_order(reader, left, last, hide):
    """Yield (plane, level) as the stream says; `left` is kept up to date by the caller."""
    for _ in range(len(left) * (left[0] - last + 1)):
        plane = reader.uniform(0, len(left) - 1)
        if left[plane] < last or (hide and plane < 3 and left[plane] <= left[3]):
            reader.check()
            raise BitstreamError("FLIF levels are in an impossible order")
        yield plane, left[plane]


def _only_fine_chroma_left(left, last, ranges) -> bool:
    """Whether a stream that ends here was meant to: luma and alpha complete, chroma at half the resolution."""
    halved = all(zoom == -1 if plane in (0, 3) else zoom == 1 for plane, zoom in left.items())
    return last == 0 and halved and len(left) > 1 and not (ranges.is_constant(0) and ranges.is_constant(2))


def _fill_chroma(planes, left, plane, row):
    """Interpolate what is missing; of the level being read, from `row` on."""
    for chroma in (1, 2):
        for zoom in range(left[chroma], -1, -1):
            interlaced.fill_level(planes[chroma], zoom, row if (chroma, zoom) == (plane, left[plane]) else 0)
