"""Colour conversion of the BPG reference tools: RGB to YCbCr and back, chroma re-sampling.

Integer arithmetic throughout, so the pixels are the same everywhere. Source: conventions of libbpg 0.9.8; with them
this decoder gives bpgdec's 8-bit pixels.
"""

import numpy as np

from spic.codecs.bpg import container
from spic.errors import BitstreamError

_DOWN = (2, -4, -8, 17, 57, 57, 17, -8, -4, 2)  # / 128; result i lies between samples 2i and 2i + 1
_UP = (2, -6, 18, 57, -10, 4, -1)  # / 64; result 2i from samples i - 3 .. i + 3, mirrored for 2i + 1
_WEIGHTS = {container.BT601: (0.299, 0.114), container.BT709: (0.2126, 0.0722), container.BT2020: (0.2627, 0.0593)}
_BITS = 22  # of the fraction in fixed-point weights
_STRIP = 1 << 18  # pixels converted at a time: the 64-bit intermediates stay small


def to_ycc420(rgb: np.ndarray) -> list[np.ndarray]:
    """Convert to BT.601 full-range YCbCr 4:2:0 with centred chroma, as bpgenc does.

    Parameters
    ----------
    rgb : numpy.ndarray
        uint8 (H, W, 3).

    Returns
    -------
    list of numpy.ndarray
        uint8 Y (H, W), Cb and Cr (ceil(H / 2), ceil(W / 2)).
    """
    luma, *chroma = to_ycc444(rgb)
    return [luma, *(_halve(plane) for plane in chroma)]


def to_ycc444(rgb: np.ndarray) -> list[np.ndarray]:
    """The same with all planes uint8 (H, W)."""
    planes = [np.empty(rgb.shape[:2], np.uint8) for _ in range(3)]
    matrix = _forward_matrix()
    for rows in _strips(rgb.shape):
        red, green, blue = (rgb[rows, :, index].astype(np.int64) for index in range(3))
        for plane, (kr, kg, kb, offset) in zip(planes, matrix, strict=True):
            plane[rows] = _to_uint8(kr * red + kg * green + kb * blue + offset, _BITS)
    return planes


# By `chroma` as `bpgenc -f` names it: the pixel format, which is HEVC's chroma_format_idc, and the conversion.
FROM_RGB = {"420": (container.YCC420, to_ycc420), "444": (container.YCC444, to_ycc444)}


def to_rgb(planes: list[np.ndarray], header: container.Header) -> np.ndarray:
    """Convert decoded planes to uint8 (H, W, 3) sRGB, as bpgdec does.

    Parameters
    ----------
    planes : list of numpy.ndarray
        Y, or Y, Cb, Cr (G, B, R for the colour space RGB), cropped to the image; uint8 or uint16.
    header : container.Header
        Says what the planes mean.

    Raises
    ------
    BitstreamError
        For co-sited chroma and YCgCo, which are not supported.
    """
    unsupported = (container.YCC420_COSITED, container.YCC422_COSITED)
    if header.pixel_format in unsupported or header.color_space == container.YCGCO:
        raise BitstreamError("BPG: co-sited chroma and YCgCo are not supported")
    rgb = np.empty((header.height, header.width, 3), np.uint8)
    if header.pixel_format == container.GRAY:
        rgb[:] = _spread_gray(planes[0], header)[:, :, None]
        return rgb
    chroma = [_double(plane, header.shift, rgb.shape[:2], header.depth) for plane in planes[1:]]
    if header.color_space == container.RGB:
        for index, plane in ((1, planes[0]), (2, chroma[0]), (0, chroma[1])):
            rgb[:, :, index] = _spread_gray(plane, header)
    else:
        _apply_back_matrix(rgb, [planes[0], *chroma], header)
    return rgb


def to_alpha(plane: np.ndarray, header: container.Header) -> np.ndarray:
    """Return an alpha plane as uint8 (H, W); it has the depth and range of the colour planes."""
    return _spread_gray(plane, header)


def _forward_matrix():
    """Rows of integers (red, green, blue, offset) for Y, Cb and Cr, the rounding half included in the offset."""
    kr, kb = _WEIGHTS[container.BT601]
    kg, one = 1 - kr - kb, 1 << _BITS
    half = one >> 1
    rows = (
        (kr, kg, kb, 0),
        (-0.5 * kr / (1 - kb), -0.5 * kg / (1 - kb), 0.5, 128),
        (0.5, -0.5 * kg / (1 - kr), -0.5 * kb / (1 - kr), 128),
    )
    return [(*(round(weight * one) for weight in row[:3]), row[3] * one + half) for row in rows]


def _apply_back_matrix(rgb: np.ndarray, planes, header: container.Header) -> None:
    depth = header.depth
    kr, kb = _WEIGHTS[header.color_space]
    kg, one = 1 - kr - kb, 1 << _BITS
    top = (1 << depth) - 1
    luma_span, chroma_span = (219 << depth - 8, 224 << depth - 8) if header.limited_range else (top, top)
    scale = one * 255 / luma_span
    spread = one * 255 / chroma_span
    luma = round(scale)
    offset = (one >> 1) - (luma * (16 << depth - 8) if header.limited_range else 0)
    red, blue = round(2 * (1 - kr) * spread), round(2 * (1 - kb) * spread)
    green = round(2 * (1 - kb) * kb / kg * spread), round(2 * (1 - kr) * kr / kg * spread)
    for rows in _strips(rgb.shape):
        grey = planes[0][rows].astype(np.int64) * luma + offset
        cb, cr = (plane[rows].astype(np.int64) - (128 << depth - 8) for plane in planes[1:])
        rgb[rows, :, 0] = _to_uint8(grey + red * cr, _BITS)
        rgb[rows, :, 1] = _to_uint8(grey - green[0] * cb - green[1] * cr, _BITS)
        rgb[rows, :, 2] = _to_uint8(grey + blue * cb, _BITS)


def _spread_gray(plane: np.ndarray, header: container.Header) -> np.ndarray:
    if header.depth == 8 and not header.limited_range:
        return plane
    low, span = 0, (1 << header.depth) - 1
    if header.limited_range:
        low, span = 16 << header.depth - 8, 219 << header.depth - 8
    values = (np.arange(1 << header.depth, dtype=np.int64) - low) * 255
    return np.clip((2 * values + span) // (2 * span), 0, 255).astype(np.uint8)[plane]


def _halve(plane: np.ndarray) -> np.ndarray:
    """Down-sample by two both ways: horizontally first, kept with 6 more bits, then vertically."""
    wide = (_decimate(plane, 1) + 1) >> 1
    return _to_uint8(_decimate(wide, 0) + (1 << 12), 13)


def _decimate(plane: np.ndarray, axis: int) -> np.ndarray:
    """Apply the down-sampling taps along an axis of an edge-replicated plane; int32, 128 times too large."""
    size = plane.shape[axis]
    steps = 2 * np.arange((size + 1) // 2)
    total = 0
    for tap, weight in enumerate(_DOWN):
        total = total + weight * np.take(plane, np.clip(steps + tap - 4, 0, size - 1), axis).astype(np.int32)
    return total


def _double(plane: np.ndarray, down, shape, depth: int) -> np.ndarray:
    """Up-sample a chroma plane to `shape`: vertically first, kept to 14 bits, then horizontally."""
    if down == (0, 0):
        return plane
    dropped = depth - 8 if down[0] else 0
    bits = 6 * sum(down) - dropped
    out = np.empty(shape, plane.dtype)
    for rows in _strips(shape):
        tall = _interpolate(plane, 0, rows) if down[0] else plane[rows]
        if dropped:
            tall = (tall + (1 << dropped - 1)) >> dropped
        wide = _interpolate(tall, 1, slice(0, shape[1])) + (1 << bits - 1)
        out[rows] = np.clip(wide >> bits, 0, (1 << depth) - 1)
    return out


def _interpolate(plane: np.ndarray, axis: int, wanted: slice) -> np.ndarray:
    """Return the samples `wanted` of a plane doubled along an axis; int32, 64 times too large."""
    where = np.arange(wanted.start, wanted.stop)
    odd = (where & 1).astype(bool)
    total = 0
    for tap, weight in enumerate(_UP):
        offset = np.where(odd, 3 - tap, tap - 3)
        index = np.clip((where >> 1) + offset, 0, plane.shape[axis] - 1)
        total = total + weight * np.take(plane, index, axis).astype(np.int32)
    return total


def _to_uint8(values: np.ndarray, bits: int) -> np.ndarray:
    return np.clip(values >> bits, 0, 255).astype(np.uint8)


def _strips(shape):
    """Slices of rows of about `_STRIP` pixels that cover a plane."""
    step = max(1, _STRIP // shape[1])
    return [slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]
