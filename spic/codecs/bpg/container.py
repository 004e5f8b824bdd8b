"""The BPG file around the HEVC data: its header, read and written.

Layout: magic, two bytes of flags, width, height and length of the image data as base-128 numbers, optional
extensions, one reduced SPS per coded image (alpha's first), then the HEVC NAL units without VPS and SPS.
Source: the BPG specification 0.9.8, "File format".
"""

from dataclasses import dataclass

from spic.codecs.base import check_size
from spic.errors import BitstreamError

MAGIC = b"BPG\xfb"
GRAY, YCC420, YCC422, YCC444, YCC420_COSITED, YCC422_COSITED = range(6)
BT601, RGB, YCGCO, BT709, BT2020 = range(5)
MAX_DEPTH = 14
_ANIMATION_TAG = 5
_LIMIT = 1 << 30  # numbers from here on are refused, as the reference tools do


@dataclass(frozen=True)
class Header:
    """What a BPG file says about its image; `width` and `height` in pixels, `depth` in bits per sample."""

    width: int
    height: int
    pixel_format: int = YCC420
    depth: int = 8
    color_space: int = BT601
    has_alpha: bool = False
    premultiplied: bool = False
    cmyk: bool = False
    limited_range: bool = False

    @property
    def shift(self) -> tuple[int, int]:
        """Chroma sub-sampling as (vertical, horizontal) powers of two."""
        vertical = int(self.pixel_format in (YCC420, YCC420_COSITED))
        return vertical, int(vertical or self.pixel_format in (YCC422, YCC422_COSITED))


@dataclass(frozen=True)
class BpgFile:
    """Header, reduced SPS of the colour and (or None) of the alpha image, and HEVC payload of a file."""

    header: Header
    sps: bytes
    payload: bytes
    alpha_sps: bytes | None = None


def write_file(file: BpgFile) -> bytes:
    """Return the bytes of a still image; the payload runs to the end of the file, as bpgenc writes it."""
    header = file.header
    flags = (
        header.pixel_format << 5 | int(header.has_alpha) << 4 | (header.depth - 8),
        header.color_space << 4 | int(header.premultiplied or header.cmyk) << 2 | int(header.limited_range) << 1,
    )
    size = _number(header.width) + _number(header.height) + _number(0)
    tables = [table for table in (file.alpha_sps, file.sps) if table is not None]
    return b"".join((MAGIC, bytes(flags), size, *(_number(len(t)) + t for t in tables), file.payload))


def read_file(data: bytes) -> BpgFile:
    """Parse a BPG file.

    Raises
    ------
    BitstreamError
        Where the header is damaged, reserved values occur, or the image is empty or beyond
        `spic.pictures.limits.MAX_PIXELS`.
    """
    if data[:4] != MAGIC:
        raise BitstreamError("not a BPG file: wrong magic")
    if len(data) < 6:
        raise BitstreamError("BPG: file ends inside the header")
    pixel_format, depth = data[4] >> 5, (data[4] & 15) + 8
    color_space, alpha = data[5] >> 4, (bool(data[4] & 16), bool(data[5] & 4))
    extended, animated = bool(data[5] & 8), bool(data[5] & 1)
    if pixel_format > YCC422_COSITED or color_space > BT2020 or depth > MAX_DEPTH:
        raise BitstreamError(f"BPG: reserved format {pixel_format}, colour space {color_space} or depth {depth}")
    if pixel_format == GRAY and color_space != BT601:
        raise BitstreamError("BPG: a gray picture has no colour space")
    reader = _Reader(data, 6)
    width, height, length = reader.number(), reader.number(), reader.number()
    check_size(width, height, "BPG")
    if not extended and animated:
        raise BitstreamError("BPG: an animation without its control extension")
    if extended:
        _check_extensions(reader.take(reader.number()), animated)
    alpha_sps = reader.take(reader.number()) if any(alpha) else None
    sps = reader.take(reader.number())
    payload = reader.take(length or len(data) - reader.position)
    if not payload:
        raise BitstreamError("BPG: no picture data")
    header = Header(
        width=width,
        height=height,
        pixel_format=pixel_format,
        depth=depth,
        color_space=color_space,
        has_alpha=alpha[0],
        premultiplied=alpha == (True, True),
        cmyk=alpha == (False, True),
        limited_range=bool(data[5] & 2),
    )
    return BpgFile(header, sps, payload, alpha_sps)


def _check_extensions(block: bytes, animated: bool) -> None:
    """Walk over the extensions (EXIF, profiles, unknown ones): all are skipped, but they must be whole."""
    reader, tags = _Reader(block, 0), set()
    while reader.position < len(block):
        tags.add(reader.number())
        reader.take(reader.number())
    if animated and _ANIMATION_TAG not in tags:
        raise BitstreamError("BPG: an animation without its control extension")


def _number(value: int) -> bytes:
    groups = [value & 127]
    while value := value >> 7:
        groups.append(value & 127 | 128)
    return bytes(reversed(groups))


class _Reader:
    def __init__(self, data: bytes, position: int):
        self.data, self.position = data, position

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.position:
            raise BitstreamError("BPG: file ends early")
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self) -> int:
        """Base-128 number, most significant group first; a first byte of 0x80 would be a padded number."""
        value = 0
        while True:
            byte = self.take(1)[0]
            if value == 0 and byte == 0x80:
                raise BitstreamError("BPG: number with a leading zero group")
            value = value << 7 | byte & 127
            if value >= _LIMIT:
                raise BitstreamError("BPG: number out of range")
            if byte < 128:
                return value
