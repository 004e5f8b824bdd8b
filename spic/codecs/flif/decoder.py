"""From the bytes of a FLIF file to planes: header, ranges, transforms, pixels, checksum, in the order of the stream."""

import numpy as np

from spic.codecs.flif import interlaced, scanlines
from spic.codecs.flif.checksum import checksum
from spic.codecs.flif.header import Header, read_header
from spic.codecs.flif.rangecoder import transition_table
from spic.codecs.flif.ranges import Ranges
from spic.codecs.flif.stream import DEFAULT_TABLE, Reader
from spic.codecs.flif.transforms import ChannelCompact, read_transforms
from spic.codecs.flif.trees import LEAF, leaf_contexts, read_tree
from spic.errors import BitstreamError


def decode(data: bytes) -> np.ndarray:
    """Decode an 8-bit FLIF16 still picture.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    numpy.ndarray
        uint8 (P, H, W): gray, red-green-blue, or these and alpha.

    Raises
    ------
    BitstreamError
        If the file is damaged, truncated, fails its checksum, or is of an unsupported kind.
    """
    header, start = read_header(data)
    reader = Reader(data[start:])
    hide = header.channels == 4 and bool(reader.uniform(0, 1))
    table = _read_chance_table(reader)
    transforms, ranges = read_transforms(reader, Ranges([0] * header.channels, [255] * header.channels), hide)
    can_hide = hide and ranges.low[3] == 0 and _zero_is_transparent(transforms)
    read_pixels = _read_interlaced if header.interlaced else _read_scanlines
    planes = read_pixels(reader, header, table, ranges, can_hide)
    reader.check()
    for transform in reversed(transforms):
        planes = transform.undo(planes)
    pixels = planes.astype(np.uint8)
    if hide:
        pixels[:3, pixels[3] == 0] = 0
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


def _read_chance_table(reader: Reader) -> np.ndarray:
    if not reader.uniform(0, 1):
        return DEFAULT_TABLE
    cutoff, divisor = reader.uniform(1, 128), reader.uniform(2, 128)
    if reader.uniform(0, 1):
        raise BitstreamError("FLIF chance tables of this kind are not supported")
    return transition_table(cutoff, divisor)


def _zero_is_transparent(transforms: list) -> bool:
    """Whether 0 in the coded alpha plane means alpha 0; compacted, it may stand for another alpha."""
    return not any(isinstance(t, ChannelCompact) and t.values[3][0] for t in transforms)


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
            scanlines.read_plane(reader.data, reader.coder, table, planes, plane, model, tree, contexts, hide)
            reader.check()
    return planes


def _read_interlaced(reader, header, table, ranges, hide):
    hidden_predictor = reader.uniform(0, 2) if hide else -1
    zooms = interlaced.count_zooms(header.height, header.width)
    rough = reader.uniform(0, zooms)
    coded = [p for p in range(header.channels) if not ranges.is_constant(p)]
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
        if not reader.uniform(0, 1):
            raise BitstreamError("FLIF levels in a custom order are not supported")
        predictors = [reader.uniform(-1, 2) for _ in range(header.channels)]
        for plane, zoom in interlaced.level_order(ranges, first, last):
            if plane not in coded:
                continue
            predictor = predictors[plane] if predictors[plane] >= 0 else reader.uniform(0, 2)
            interlaced.read_level(
                reader.data, reader.coder, table, planes, plane, zoom, predictor, model,
                trees[plane], contexts[plane], used[plane], hidden_predictor,
            )  # fmt: skip
            reader.check()
    return planes
