"""The head of a FLIF file: signature, format, size and metadata chunks, up to where the range coder starts."""

from dataclasses import dataclass

from spic.codecs.base import check_size
from spic.errors import BitstreamError

MAGIC = b"FLIF"
MAX_NUMBER = 1 << 31


@dataclass(frozen=True)
class Header:
    """A still image of at most 8 bits per channel.

    Attributes
    ----------
    channels : int
        1 gray, 3 RGB, 4 RGBA.
    interlaced : bool
        Whether pixels come coarse to fine.
    width, height : int
        Size in pixels.
    shallow : bool
        Whether the bits of each channel follow, at the start of the range-coded part; else there are 8.
    """

    channels: int
    interlaced: bool
    width: int
    height: int
    shallow: bool = False


def read_header(data: bytes) -> tuple[Header, int]:
    """Parse the head of `data`; return it and the offset of the range-coded part.

    Raises
    ------
    BitstreamError
        For anything that is not an 8-bit FLIF16 still image of at most `limits.MAX_PIXELS` pixels.
    """
    if data[:4] != MAGIC:
        raise BitstreamError("not a FLIF file")
    if len(data) < 6:
        raise BitstreamError("FLIF header ends too early")
    method, channels = (data[4] >> 4) - 2, data[4] & 15
    if method in (3, 4):
        raise BitstreamError("animated FLIF is not supported")
    if method not in (1, 2) or channels not in (1, 3, 4):
        raise BitstreamError(f"unknown FLIF format byte {data[4]:#04x}")
    if data[5] not in b"01":
        raise BitstreamError("only FLIF files with up to 8 bits per channel are supported")
    width, at = _read_number(data, 6)
    height, at = _read_number(data, at)
    check_size(width + 1, height + 1, "FLIF header")
    at = _skip_metadata(data, at)
    return Header(channels, method == 2, width + 1, height + 1, data[5] == ord("0")), at


def write_header(header: Header) -> bytes:
    """The head of a file without metadata; the range-coded part follows."""
    form = 0x20 + 16 * (2 if header.interlaced else 1) + header.channels
    return MAGIC + bytes((form, ord("1"))) + _number(header.width - 1) + _number(header.height - 1) + b"\0"


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    """Big-endian base-128 number at offset `at`, and the offset behind it."""
    value = 0
    while value < MAX_NUMBER:
        if at >= len(data):
            raise BitstreamError("FLIF header ends too early")
        byte = data[at]
        at += 1
        value = value << 7 | byte & 127
        if byte < 128:
            return value, at
    raise BitstreamError("a number in the FLIF header is too large")


def _number(value: int) -> bytes:
    groups = [value & 127]
    while value > 127:
        value >>= 7
        groups.append(value & 127 | 128)
    return bytes(reversed(groups))


def _skip_metadata(data: bytes, at: int) -> int:
    """Skip the optional chunks (such as an ICC profile); a critical one can't be ignored."""
    while at < len(data):
        if data[at] < 32:
            if data[at]:
                raise BitstreamError(f"FLIF version {data[at]} is not supported")
            return at + 1
        name = data[at : at + 4]
        if name[:1].isupper():
            raise BitstreamError(f"unknown critical FLIF chunk {name!r}")
        size, at = _read_number(data, at + 4)
        at += size
    raise BitstreamError("FLIF header ends too early")
