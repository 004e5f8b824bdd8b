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
SLOW_DIVISOR = 12  # an image that wants chances this slow is no label map, and gets trees learned with such chances
LABEL_PREDICTOR = 2  # of interlaced label maps: median of the two neighbours and the last pixel
PICTURE_PREDICTOR = 1  # of interlaced colour: median of average and gradients
LEARN_FROM = 1 << 16  # items that a tree is learned from: all of a street label map, a part of a photograph
VALUES_AT_ONCE = 1 << 16  # bounds the memory reserved


@dataclass
class Coded:
    """The values of one plane in coding order, all or those of one pass.

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


@dataclass
class Pass:
    """What lies between two sets of trees.

    Attributes
    ----------
    planes : dict of int to Coded
        The values of the pass.
    runs : list of (int, int, int)
        The order in the stream: of which plane, from which of its values to which.
    """

    planes: dict[int, Coded]
    runs: list[tuple[int, int, int]]


def encode(planes: np.ndarray, interlace: bool = False) -> bytes:
    """Encode an 8-bit still image.

    Parameters
    ----------
    planes : numpy.ndarray
        uint8 (1, H, W) gray or labels, (3, H, W) red, green, blue, or (4, H, W) these and alpha.
    interlace : bool
        Coarse to fine. Makes label maps a tenth larger.

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
    predictor = LABEL_PREDICTOR if channels == 1 else PICTURE_PREDICTOR
    rough, fine = _levels(coded_planes, ranges, predictor) if interlace else _scanlines(coded_planes, ranges)
    chances = _learn(fine.planes, LABEL_CHANCES if channels == 1 else DEFAULT_CHANCES)

    writer = Writer()
    if channels == 4:
        writer.uniform(0, 1, 0)  # colours under alpha 0 are kept
    _write_chances(writer, chances)
    write_transforms(writer, transforms, whole)
    table = transition_table(*chances)
    if interlace:
        _write_corner(writer, coded_planes, ranges)
        _start_pass(writer, channels, predictor)
        _write_values(writer, rough, table)
    for plane in sorted(fine.planes):
        write_tree(writer, fine.planes[plane].tree, fine.planes[plane].property_ranges)
    if interlace:
        _start_pass(writer, channels, predictor)
    _write_values(writer, fine, table)
    _write_checksum(writer, planes, len(header))
    return header + writer.finish()


def _choose_transforms(planes: np.ndarray, ranges: Ranges) -> list:
    if len(planes) == 1:
        values = np.flatnonzero(np.bincount(planes.ravel(), minlength=256)).astype(np.int16)
        return [ChannelCompact([values])] if len(values) <= COMPACT_UP_TO else []
    transforms = []
    if len(planes) == 4 and planes[3].min() == planes[3].max():
        # The reference gets the checksum of constant alpha wrong unless this transform, here without effect, is there.
        every = np.arange(256, dtype=np.int16)
        transforms.append(ChannelCompact([every, every, every, planes[3, 0, :1].astype(np.int16)]))
        planes, ranges = transforms[-1].apply(planes), transforms[-1].ranges
    transforms.append(YCoCg(ranges))
    planes, ranges = transforms[-1].apply(planes.astype(np.int16)), transforms[-1].ranges
    transforms.append(Bounds(ranges, [int(p.min()) for p in planes], [int(p.max()) for p in planes]))
    return transforms


def _scanlines(planes: np.ndarray, ranges: Ranges) -> tuple[Pass, Pass]:
    """Values of all planes that are not constant, one plane after the other; nothing comes before the trees."""
    coded = {}
    for plane in scanlines.ORDER:
        if plane < len(planes) and not ranges.is_constant(plane):
            properties = scanlines.property_ranges(ranges, plane)
            samples = scanlines.plane_samples(planes, plane, ranges.model(), len(properties))
            coded[plane] = Coded(*samples, properties, LEAF)
    return Pass({}, []), Pass(coded, [(plane, 0, len(coded[plane].values)) for plane in coded])


def _levels(planes: np.ndarray, ranges: Ranges, predictor: int) -> tuple[Pass, Pass]:
    """Values in the order of interlacing: those before the trees, and those after them."""
    zooms = interlaced.count_zooms(*planes.shape[1:])
    rough_zoom = interlaced.rough_zoom(zooms)
    known = {}  # of each plane: property ranges, properties, values
    for plane in range(len(planes)):
        if not ranges.is_constant(plane):
            limits, count = interlaced.property_ranges(ranges, plane), planes[plane].size
            known[plane] = limits, np.zeros((count, len(limits)), np.int16), np.empty((count, 3), np.int16)
    ends = dict.fromkeys(known, 0)
    passes = []
    for first, last in ((zooms, rough_zoom + 1), (rough_zoom, 0)):
        starts, runs = dict(ends), []
        for plane, zoom in interlaced.level_order(ranges, first, last):
            if plane in known:
                begin, (_, properties, values) = ends[plane], known[plane]
                ends[plane] = interlaced.level_samples(
                    planes, plane, zoom, predictor, ranges.model(), properties, values, begin
                )  # fmt: skip
                runs.append((plane, begin - starts[plane], ends[plane] - starts[plane]))
        coded = {
            plane: Coded(properties[starts[plane] : ends[plane]], values[starts[plane] : ends[plane]], limits, LEAF)
            for plane, (limits, properties, values) in known.items()
        }
        passes.append(Pass(coded, runs))
    return passes[0], passes[1]


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
    for plane, low, high in zip(planes, ranges.low, ranges.high, strict=True):
        writer.uniform(low, high, int(plane[0, 0]))


def _start_pass(writer: Writer, channels: int, predictor: int) -> None:
    writer.uniform(0, 1, 1)  # levels in the default order
    for _ in range(channels):
        writer.uniform(-1, 2, predictor)


def _write_values(writer: Writer, coding_pass: Pass, table: np.ndarray) -> None:
    states = {}
    for plane, coded in coding_pass.planes.items():
        states[plane] = coded.tree.copy(), leaf_contexts(coded.tree), np.ones(1, np.int64)
    for plane, begin, end in coding_pass.runs:
        coded = coding_pass.planes[plane]
        for start in range(begin, end, VALUES_AT_ONCE):
            stop = min(start + VALUES_AT_ONCE, end)
            writer.reserve((stop - start) * VALUE_BYTES)
            write_values(
                writer.buffer, writer.coder, table, coded.properties[start:stop], coded.values[start:stop],
                *states[plane],
            )  # fmt: skip


def _write_checksum(writer: Writer, planes: np.ndarray, header_size: int) -> None:
    if header_size + writer.coder[2] <= CHECKSUM_FROM:
        writer.uniform(0, 1, 0)
        return
    crc = checksum(planes)
    writer.uniform(0, 1, 1)
    writer.uniform(0, 0xFFFF, crc >> 16)
    writer.uniform(0, 0xFFFF, crc & 0xFFFF)
