"""From planes to the bytes of a FLIF file: the mirror image of `decoder`.

The encoder chooses the transforms, a tree for each plane, and how fast chances adapt. Label maps do best with chances
that adapt three times as fast as the format's default, and without interlacing.
"""

from dataclasses import dataclass

import numpy as np

from spic.codecs.flif import interlaced, scanlines
from spic.codecs.flif.chances import best_chances
from spic.codecs.flif.checksum import checksum
from spic.codecs.flif.header import Header, write_header
from spic.codecs.flif.items import group, thin
from spic.codecs.flif.learn import grow
from spic.codecs.flif.rangecoder import DEFAULT_CUTOFF, DEFAULT_DIVISOR, transition_table
from spic.codecs.flif.ranges import Ranges
from spic.codecs.flif.stream import Writer
from spic.codecs.flif.transforms import Bounds, ChannelCompact, YCoCg, write_transforms
from spic.codecs.flif.trees import LEAF, VALUE_BYTES, leaf_contexts, write_tree, write_values

CHECKSUM_FROM = 100  # bytes before it from which on a checksum is written, as the reference encoder does
COMPACT_UP_TO = 230  # values up to which a list of them is worth its bytes; also about the reference's limit
LABEL_CHANCES = (12, 6)  # cutoff and divisor to learn trees with: the best on average on street label maps
DEFAULT_CHANCES = (DEFAULT_CUTOFF, DEFAULT_DIVISOR)
SLOW_DIVISOR = 12  # a picture that wants chances this slow is no label map, and gets trees learned with such chances
LEVEL_PREDICTOR = 2  # median of the two neighbours and the last pixel: the best of the three on label maps
LEARN_FROM = 1 << 16  # items that a tree is learned from: all of a street label map, a part of a photograph
VALUES_AT_ONCE = 1 << 16  # bounds the memory reserved


@dataclass
class Coded:
    """The values of one plane in coding order.

    Attributes
    ----------
    properties, values : numpy.ndarray
        int16 (N, K) and (N, 3), see `scanlines.plane_samples`.
    property_ranges : numpy.ndarray
        int64 (K, 2).
    tree : numpy.ndarray
        See `trees`.
    """

    properties: np.ndarray
    values: np.ndarray
    property_ranges: np.ndarray
    tree: np.ndarray


def encode(planes: np.ndarray, interlace: bool = False) -> bytes:
    """Encode an 8-bit still picture.

    Parameters
    ----------
    planes : numpy.ndarray
        uint8 (1, H, W) gray or labels, or (3, H, W) red, green, blue.
    interlace : bool
        Coarse to fine. Gray only; makes label maps a tenth larger.

    Returns
    -------
    bytes
        The file.
    """
    channels, height, width = planes.shape
    header = write_header(Header(channels, interlace, width, height))
    whole = Ranges([0] * channels, [255] * channels)
    transforms = _choose_transforms(planes, whole)
    coded_planes, ranges = planes.astype(np.int16), whole
    for transform in transforms:
        coded_planes, ranges = transform.apply(coded_planes), transform.ranges
    rough, fine = (_levels if interlace else _scanlines)(coded_planes, ranges)
    chances = _learn(fine, LABEL_CHANCES if channels == 1 else DEFAULT_CHANCES)

    writer = Writer()
    _write_chances(writer, chances)
    write_transforms(writer, transforms, whole)
    table = transition_table(*chances)
    if interlace:
        _write_corner(writer, coded_planes, ranges)
        _start_pass(writer)
        _write_values(writer, rough, table)
    for plane in sorted(fine):
        write_tree(writer, fine[plane].tree, fine[plane].property_ranges)
    if interlace:
        _start_pass(writer)
    _write_values(writer, fine, table)
    _write_checksum(writer, planes, len(header))
    return header + writer.finish()


def _choose_transforms(planes: np.ndarray, ranges: Ranges) -> list:
    transforms = []
    if len(planes) == 3:
        transforms.append(YCoCg(ranges))
        planes = transforms[0].apply(planes.astype(np.int16))
        low, high = [int(p.min()) for p in planes], [int(p.max()) for p in planes]
        transforms.append(Bounds(transforms[0].ranges, low, high))
        return transforms
    values = np.flatnonzero(np.bincount(planes.ravel(), minlength=256)).astype(np.int16)
    return [ChannelCompact([values])] if len(values) <= COMPACT_UP_TO else []


def _scanlines(planes: np.ndarray, ranges: Ranges) -> tuple[dict, dict[int, Coded]]:
    """Values of all planes that are not constant, in the order of the stream."""
    coded = {}
    for plane in scanlines.ORDER:
        if plane < len(planes) and not ranges.is_constant(plane):
            properties = scanlines.property_ranges(ranges, plane)
            samples = scanlines.plane_samples(planes, plane, ranges.model(), len(properties))
            coded[plane] = Coded(*samples, properties, LEAF)
    return {}, coded


def _levels(planes: np.ndarray, ranges: Ranges) -> tuple[dict[int, Coded], dict[int, Coded]]:
    """Values of a gray picture: those before the tree, and those after it."""
    if ranges.is_constant(0):
        return {}, {}
    _, height, width = planes.shape
    property_ranges = interlaced.property_ranges(ranges, 0)
    properties = np.zeros((height * width, len(property_ranges)), np.int16)
    values = np.empty((height * width, 3), np.int16)
    zooms = interlaced.count_zooms(height, width)
    rough_zoom = interlaced.rough_zoom(zooms)
    counts = [0]
    for zoom in range(zooms, -1, -1):
        counts.append(
            interlaced.level_samples(planes, 0, zoom, LEVEL_PREDICTOR, ranges.model(), properties, values, counts[-1])
        )
    before, end = counts[zooms - rough_zoom], counts[-1]
    rough = Coded(properties[:before], values[:before], property_ranges, LEAF)
    fine = Coded(properties[before:end], values[before:end], property_ranges, LEAF)
    return {0: rough}, {0: fine}


def _learn(planes: dict[int, Coded], chances: tuple[int, int]) -> tuple[int, int]:
    """Give all planes their trees; return the chances (cutoff, divisor) that suit them."""
    items = {p: thin(group(coded.properties, coded.values), LEARN_FROM) for p, coded in planes.items()}
    for _ in range(2):
        for plane, coded in planes.items():
            coded.tree = grow(items[plane], transition_table(*chances))
        learned_with, chances = chances, best_chances([(items[p], planes[p].tree) for p in planes], chances)
        if (chances[1] >= SLOW_DIVISOR) == (learned_with[1] >= SLOW_DIVISOR):
            break
    return chances


def _write_chances(writer: Writer, chances: tuple[int, int]) -> None:
    if chances == DEFAULT_CHANCES:
        writer.uniform(0, 1, 0)
        return
    writer.uniform(0, 1, 1)
    writer.uniform(1, 128, chances[0])
    writer.uniform(2, 128, chances[1])
    writer.uniform(0, 1, 0)


def _write_corner(writer: Writer, planes: np.ndarray, ranges: Ranges) -> None:
    """The level at which trees begin, and pixel (0, 0)."""
    zooms = interlaced.count_zooms(*planes.shape[1:])
    writer.uniform(0, zooms, interlaced.rough_zoom(zooms))
    writer.uniform(ranges.low[0], ranges.high[0], int(planes[0, 0, 0]))


def _start_pass(writer: Writer) -> None:
    writer.uniform(0, 1, 1)  # levels in the default order
    writer.uniform(-1, 2, LEVEL_PREDICTOR)


def _write_values(writer: Writer, planes: dict[int, Coded], table: np.ndarray) -> None:
    for coded in planes.values():
        tree, used = coded.tree.copy(), np.ones(1, np.int64)
        contexts = leaf_contexts(tree)
        for start in range(0, len(coded.values), VALUES_AT_ONCE):
            properties, values = (part[start : start + VALUES_AT_ONCE] for part in (coded.properties, coded.values))
            writer.reserve(len(values) * VALUE_BYTES)
            write_values(writer.buffer, writer.coder, table, properties, values, tree, contexts, used)


def _write_checksum(writer: Writer, planes: np.ndarray, header_size: int) -> None:
    if header_size + writer.coder[2] <= CHECKSUM_FROM:
        writer.uniform(0, 1, 0)
        return
    crc = checksum(planes)
    writer.uniform(0, 1, 1)
    writer.uniform(0, 0xFFFF, crc >> 16)
    writer.uniform(0, 0xFFFF, crc & 0xFFFF)
