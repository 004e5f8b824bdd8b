"""Changes that know more of a file than its length: splices of two files, and wrong sizes where a header has sizes.

Random flips rarely reach what comes behind a consistent header. A splice is valid up to its seams; a wrong size is a
whole file but for one claim, which is what a decoder must not believe.
"""

import random
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

EXTREME = (0, 1, 127, 128, 255, 256, 4095, 4096, 16383, 16384, 65535, 65536, 1 << 24, (1 << 26) + 1, (1 << 31) - 1)
SEARCHED = 4096  # first bytes of a file in which a splice looks for what two files have in common
_AVIF_BOXES = b"ftyp meta hdlr pitm iloc iinf infe iprp ipco ispe pixi av1C colr ipma mdat".split()
_JXL_BITS = (9, 13, 18, 30)


@dataclass(frozen=True)
class Size:
    """A size in a header: what it says, the most it can say, and the file with another value in its place."""

    value: int
    most: int
    put: Callable[[int], bytes]


def splice(rng: random.Random, first: bytes, second: bytes) -> bytes:
    """One file up to a seam, then the other: cut at one offset, where both have the same bytes, or around a window."""
    kind = rng.randrange(3)
    if kind == 0:
        at = rng.randrange(1 + min(len(first), len(second)))
        return first[:at] + second[at:]
    if kind == 1:
        length = rng.choice((2, 3, 4))
        where = {second[at : at + length]: at for at in range(max(0, min(len(second), SEARCHED) - length + 1))}
        starts = range(max(0, min(len(first), SEARCHED) - length + 1))
        both = [at for at in starts if first[at : at + length] in where]
        if both:
            at = rng.choice(both)
            return first[:at] + second[where[first[at : at + length]] :]
    begin, end = sorted(rng.randrange(1 + min(len(first), len(second))) for _ in range(2))
    return first[:begin] + second[begin:end] + first[end:]


def wrong_size(rng: random.Random, target: str, data: bytes) -> bytes:
    """`data` with one size of its header made wrong, extreme or plausible; unchanged where no size is found."""
    try:
        found = list(_SIZES[target](data))
    except (IndexError, ValueError, KeyError, struct.error):  # damaged before
        found = []
    if not found:
        return data
    size, other = rng.choice(found), rng.choice(found)
    near = (size.value - 1, size.value + 1, size.value // 2, 2 * size.value, size.value + 8, 4 * size.value)
    value = rng.choice((rng.choice(near), rng.choice(EXTREME), size.most, size.most // 2 + 1, other.value))
    return size.put(max(0, min(value, size.most)))


def _fixed(data: bytes, at: int, count: int, order: str = "big") -> Size:
    """A number of `count` bytes at `at`."""
    text = data[at : at + count]
    if len(text) < count:
        raise ValueError("the file ends before this size")
    value = int.from_bytes(text, order)
    return Size(value, 256**count - 1, lambda new: data[:at] + new.to_bytes(count, order) + data[at + count :])


def _bits(data: bytes, first: int, count: int) -> Size:
    """`count` bits from bit `first` on, the least significant of each byte first."""
    if first + count > 8 * len(data[:64]):
        raise ValueError("the file ends before this size")
    whole, mask = int.from_bytes(data[:64], "little"), ((1 << count) - 1) << first

    def put(new: int) -> bytes:
        return (whole & ~mask | new << first).to_bytes(len(data[:64]), "little") + data[64:]

    return Size((whole & mask) >> first, (1 << count) - 1, put)


def _number(data: bytes, at: int, least_first: bool = False) -> tuple[Size, int]:
    """A number in groups of 7 bits at `at`, and the offset behind it."""
    end = at
    while data[end] > 127:
        end += 1
    end += 1
    groups = [byte & 127 for byte in (data[at:end] if least_first else reversed(data[at:end]))]

    def put(new: int) -> bytes:
        text = [new & 127]
        while new := new >> 7:
            text.append(new & 127)
        text = text if least_first else text[::-1]
        return data[:at] + bytes([byte | 128 for byte in text[:-1]] + text[-1:]) + data[end:]

    return Size(sum(group << 7 * place for place, group in enumerate(groups)), 1 << 34, put), end


def _numbers(data: bytes, at: int, count: int, least_first: bool = False) -> Iterator[Size]:
    for _ in range(count):
        size, at = _number(data, at, least_first)
        yield size


def _avif(data):
    for name in _AVIF_BOXES:
        for match in re.finditer(name, data):
            yield _fixed(data, match.start() - 4, 4)
            if name == b"ispe":
                yield from (_fixed(data, match.end() + place, 4) for place in (4, 8))
            if name == b"iloc":  # offset and length of the coded picture are its last fields
                end = match.start() - 4 + _fixed(data, match.start() - 4, 4).value
                yield from (_fixed(data, end - place, 4) for place in (8, 4))


def _jpeg(data):
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        yield _fixed(data, at + 2, 2)
        if 0xC0 <= marker <= 0xC2:
            yield from (_fixed(data, at + place, 2) for place in (5, 7))
            yield from (_fixed(data, at + place, 1) for place in (9, 11))  # channels, sub-sampling of the first
        if marker == 0xDA:
            return
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _jpeg2000(data):
    at = 2
    while data[at] == 0xFF:
        yield _fixed(data, at + 2, 2)
        if data[at + 1] == 0x51:  # SIZ: size, offset, tile size and offset, channels, their sub-sampling
            yield from (_fixed(data, at + place, 4) for place in range(6, 38, 4))
            yield _fixed(data, at + 38, 2)
            yield from (_fixed(data, at + place, 1) for place in (40, 41, 42))
        if data[at + 1] == 0x52:  # COD: layers, decompositions, size of code blocks
            yield _fixed(data, at + 6, 2)
            yield from (_fixed(data, at + place, 1) for place in (9, 10, 11))
        if data[at + 1] == 0x90:  # SOT: length of the tile part
            yield _fixed(data, at + 6, 4)
            return
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _jpegxl(data):
    start, small = 16, data[2] & 1
    place, whole = start + 1, int.from_bytes(data[:64], "little")
    for side in range(2):
        if small:
            yield _bits(data, place, 5)
            place += 5
        else:
            yield _bits(data, place, 2)
            count = _JXL_BITS[whole >> place & 3]
            yield _bits(data, place + 2, count)
            place += 2 + count
        if side == 0:
            yield _bits(data, place, 3)
            ratio, place = whole >> place & 7, place + 3
            if ratio:
                return


def _png(data):
    yield from (_fixed(data, at, 4) for at in (16, 20))
    at = 8
    while at + 12 <= len(data):
        yield _fixed(data, at, 4)
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def _webp(data):
    yield from (_fixed(data, at, 4, "little") for at in (4, 16))
    if data[12:16] == b"VP8L":
        yield from (_bits(data, first, 14) for first in (168, 182))
    else:
        yield from (_fixed(data, at, 2, "little") for at in (26, 28))
        yield _bits(data, 8 * 20 + 5, 19)  # bytes of the first partition


def _flif(data):
    return _numbers(data, 6, 2)


def _bpg(data):
    return _numbers(data, 6, 4)  # width, height, length of the picture data, of the SPS (or of what comes before it)


def _labelmap(data):
    yield _bits(data, 0, 4)
    if not data[1] & 2:
        yield from _numbers(data, 2, 2, least_first=True)


def _spic(data):
    at = 5
    if data[4] == 2:
        size, at = _number(data, at)
        yield size
        end = at + size.value + 4
    at, sides = at + 2, 2
    for _ in range(3):
        size, at = _number(data, at)
        yield size
        sides = size.value
    if sides:
        size, at = _number(data, at)
        yield size
    at += 4
    while data[at]:
        size, at = _number(data, at + 1)
        yield size
        at += size.value
    payloads = []
    if data[4] == 2:
        for start in section_starts(data, end):
            size, at = _number(data, start + 1)
            yield size
            payloads.append((at + 2 * (data[start] == 3), at + size.value))
    else:
        size, at = _number(data, at + 1)
        yield size
        payloads = [(at, at + size.value), (at + size.value, len(data) - 4)]
    for begin, end in payloads:
        for name, magic in _MAGIC.items():
            if data.startswith(magic, begin):
                for one in _SIZES[name](data[begin:end]):
                    yield Size(
                        one.value, one.most, lambda new, put=one.put, b=begin, e=end: data[:b] + put(new) + data[e:]
                    )


def _spicv(data):
    size, at = _number(data, 5)
    yield size
    end = at + size.value
    yield from _numbers(data, at + 2, 3)
    for start in section_starts(data, end + 4):
        size, at = _number(data, start + 1)
        yield size
        if data[start] & 15 == 1:
            stop = at + size.value
            for one in _SIZES["labelmap"](data[at:stop]) if data[at] >> 4 == 1 else ():
                yield Size(one.value, one.most, lambda new, put=one.put, b=at, e=stop: data[:b] + put(new) + data[e:])


def _labelmap_after(data):
    yield _bits(data, 0, 4)
    yield _bits(data, 4, 4)


def section_starts(data: bytes, at: int) -> Iterator[int]:
    """Where the sections of a `.spic` file of version 2 begin, from `at` on; up to the first that the file cuts."""
    while at < len(data):
        size, begin = _number(data, at + 1)
        if begin + size.value + 4 > len(data):
            return
        yield at
        at = begin + size.value + 4


def sealed_spic(data: bytes) -> bytes:
    """A `.spic` file with all its checksums made right, as far as it can be read."""
    if data[4] != 2:
        return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "big")
    out = bytearray(data)
    try:
        size, at = _number(data, 5)
        end = at + size.value
        head = zlib.crc32(data[:end])
        out[end : end + 4] = head.to_bytes(4, "big")
        starts = [*section_starts(data, end + 4)]
        for start in starts:
            size, at = _number(data, start + 1)
            stop = at + size.value
            out[stop : stop + 4] = zlib.crc32(data[start:stop], head).to_bytes(4, "big")
    except IndexError:  # damaged before
        pass
    return bytes(out)


def sealed_spicv(data: bytes) -> bytes:
    """The same for a `.spicv` file, whose sections are numbered by the frames they belong to."""
    out, frame = bytearray(data), 0
    try:
        size, at = _number(data, 5)
        end = at + size.value
        head = zlib.crc32(data[:end])
        out[end : end + 4] = head.to_bytes(4, "big")
        for start in section_starts(data, end + 4):
            size, at = _number(data, start + 1)
            stop = at + size.value
            own = zlib.crc32(data[start:stop], zlib.crc32(frame.to_bytes(8, "big"), head))
            out[stop : stop + 4] = own.to_bytes(4, "big")
            frame += data[start] & 15 == 2
    except IndexError:  # damaged before
        pass
    return bytes(out)


def _weights(data):
    """Of a checkpoint as `fuzz.py` strings it together: the lengths, and every number of config and tensor header."""
    yield _fixed(data, 0, 4)
    length = int.from_bytes(data[:4], "big")
    start = 4 + length
    yield _fixed(data, start, 8, "little")
    head = int.from_bytes(data[start : start + 8], "little")
    for begin, count, at, order in ((4, length, 0, "big"), (start + 8, head, start, "little")):
        width = 4 if at == 0 else 8
        for match in re.finditer(rb"\b[0-9]+\b", data[begin : begin + count]):
            b, e = begin + match.start(), begin + match.end()

            def put(new, b=b, e=e, count=count, at=at, width=width, order=order):
                text = b"%d" % new
                size = (count + len(text) - (e - b)).to_bytes(width, order)
                return data[:at] + size + data[at + width : b] + text + data[e:]

            yield Size(int(match[0]), (1 << 63) - 1, put)


_MAGIC = {"png": b"\x89PNG", "flif": b"FLIF", "bpg": b"BPG\xfb"}
_SIZES = {
    "avif": _avif,
    "bpg": _bpg,
    "flif": _flif,
    "jpeg": _jpeg,
    "jpeg2000": _jpeg2000,
    "jpegxl": _jpegxl,
    "jpegxl-lossless": _jpegxl,
    "labelmap": _labelmap,
    "labelmap-after": _labelmap_after,
    "labelmap-plain": _labelmap,
    "png": _png,
    "spic": _spic,
    "spicv": _spicv,
    "webp": _webp,
    "webp-lossless": _webp,
    "weights": _weights,
}
KNOWN = frozenset(_SIZES)
