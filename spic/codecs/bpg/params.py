"""HEVC parameter sets and NAL units, as far as BPG needs them.

BPG drops the VPS and keeps a few fields of the SPS. To decode, both are rebuilt with the values that BPG implies; to
encode, the fields are picked out of the encoder's SPS. Source: ITU-T H.265, sections 7.3.1 to 7.3.2; BPG 0.9.8,
"HEVC bitstream".
"""

import re
from dataclasses import dataclass

from spic.errors import BitstreamError

VPS, SPS, PPS, SUFFIX_SEI = 32, 33, 34, 40
IDR = (19, 20)
_EXTENSION_BITS = 17  # range-extension flag, 7 zero bits, 9 range flags
_START = re.compile(b"\x00\x00\x00?\x01")


@dataclass(frozen=True)
class ReducedSps:
    """The SPS fields that a BPG file carries, in their order; sizes as base-2 logarithms."""

    min_block: int
    block_range: int
    min_transform: int
    transform_range: int
    intra_depth: int
    sao: int
    pcm: tuple[int, ...]
    smoothing: int
    extension: int | None


def parse_reduced(data: bytes) -> ReducedSps:
    """Read the reduced SPS of a file; `BitstreamError` for values outside HEVC."""
    reader = BitReader(data)
    sps = _read_fields(reader)
    largest = sps.min_block + sps.block_range
    transform = sps.min_transform + sps.transform_range
    if not (4 <= largest <= 6 and sps.min_transform < sps.min_block and transform <= min(largest, 5)):
        raise BitstreamError("BPG: block sizes outside HEVC")
    if sps.intra_depth > largest - sps.min_transform:
        raise BitstreamError("BPG: transform depth outside HEVC")
    if sps.extension is not None and sps.extension >> 9 & 127:
        raise BitstreamError("BPG: unknown SPS extension")
    return sps


def write_reduced(sps: ReducedSps) -> bytes:
    """Inverse of `parse_reduced`."""
    writer = BitWriter()
    _write_sizes(writer, sps)
    writer.golomb(sps.intra_depth)
    _write_tools(writer, sps)
    writer.put(sps.smoothing, 1)
    _write_extension(writer, sps)
    return writer.to_bytes()


def _read_fields(reader: "BitReader", inter_depth: bool = False) -> ReducedSps:
    """Read the fields from a reduced SPS (`inter_depth` false) or from an HEVC SPS, which has more between them."""
    sizes = [reader.golomb() for _ in range(4)]
    if inter_depth:
        reader.golomb()
    depth = reader.golomb()
    if inter_depth:
        if reader.take(1):
            raise BitstreamError("HEVC: scaling lists have no place in BPG")
        reader.take(1)
    sao, pcm = reader.take(1), ()
    if reader.take(1):
        pcm = (reader.take(4), reader.take(4), reader.golomb(), reader.golomb(), reader.take(1))
    if inter_depth:
        if reader.golomb() or reader.take(1):
            raise BitstreamError("HEVC: reference picture sets have no place in BPG")
        reader.take(1)
    smoothing = reader.take(1)
    if inter_depth:
        return ReducedSps(sizes[0] + 3, sizes[1], sizes[2] + 2, sizes[3], depth, sao, pcm, smoothing, None)
    extension = reader.take(_EXTENSION_BITS) if reader.take(1) else None
    return ReducedSps(sizes[0] + 3, sizes[1], sizes[2] + 2, sizes[3], depth, sao, pcm, smoothing, extension)


def reduce_sps(nal: bytes) -> tuple[ReducedSps, int, int]:
    """Pick the fields that BPG keeps out of a complete SPS NAL unit.

    Returns
    -------
    (ReducedSps, int, int)
        The fields, coded width and coded height.

    Raises
    ------
    BitstreamError
        Where the SPS uses tools that a BPG decoder does not expect.
    """
    reader = BitReader(unescape(nal[2:]))
    reader.take(4)
    if reader.take(3):
        raise BitstreamError("HEVC: sub-layers have no place in BPG")
    reader.take(1)
    reader.take(96)  # profile, tier and level
    reader.golomb()
    if reader.golomb() == 3:
        reader.take(1)
    width, height = reader.golomb(), reader.golomb()
    if reader.take(1):
        for _ in range(4):
            reader.golomb()
    for _ in range(3):
        reader.golomb()  # bit depths, image order count
    reader.take(1)
    for _ in range(3):
        reader.golomb()  # buffer sizes
    return _read_fields(reader, inter_depth=True), width, height


def build_headers(sps: ReducedSps, chroma: int, depth: int, width: int, height: int) -> bytes:
    """Return VPS and SPS NAL units (Annex B) for a standard decoder.

    Parameters
    ----------
    sps : ReducedSps
        The fields of the file.
    chroma : int
        chroma_format_idc: 0 gray, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    depth : int
        Bits a sample.
    width, height : int
        Coded size, multiples of the smallest coding block.
    """
    vps = BitWriter()
    vps.put(0b000011 << 6 | 0, 12)
    vps.put(0b0001, 4)
    vps.put(0xFFFF, 16)
    _write_profile(vps)
    vps.put(1, 1)
    for _ in range(3):
        vps.golomb(0)
    vps.put(0, 6)
    vps.golomb(0)
    vps.put(0, 2)

    out = BitWriter()
    out.put(0b00000001, 8)
    _write_profile(out)
    out.golomb(0)
    out.golomb(chroma)
    if chroma == 3:
        out.put(0, 1)
    out.golomb(width)
    out.golomb(height)
    out.put(0, 1)
    out.golomb(depth - 8)
    out.golomb(depth - 8)
    out.golomb(4)
    out.put(1, 1)
    for _ in range(3):
        out.golomb(0)
    _write_sizes(out, sps)
    out.golomb(sps.intra_depth)
    out.golomb(sps.intra_depth)
    out.put(0b01, 2)
    _write_tools(out, sps)
    out.golomb(0)
    out.put(0b01, 2)
    out.put(sps.smoothing, 1)
    out.put(0, 1)
    _write_extension(out, sps)
    return b"".join(
        b"\x00\x00\x00\x01" + bytes((kind << 1, 1)) + escape(writer.to_bytes(stop=True))
        for kind, writer in ((VPS, vps), (SPS, out))
    )


def _write_profile(writer: "BitWriter") -> None:
    writer.put(4, 8)  # range extensions: allows every format
    writer.put(1 << 27, 32)
    writer.put(0b1001 << 44, 48)
    writer.put(186, 8)  # level 6.2: no size limit of interest


def _write_sizes(writer: "BitWriter", sps: ReducedSps) -> None:
    for value in (sps.min_block - 3, sps.block_range, sps.min_transform - 2, sps.transform_range):
        writer.golomb(value)


def _write_tools(writer: "BitWriter", sps: ReducedSps) -> None:
    writer.put(sps.sao, 1)
    writer.put(int(bool(sps.pcm)), 1)
    if sps.pcm:
        luma, chroma, size, span, unfiltered = sps.pcm
        writer.put(luma << 4 | chroma, 8)
        writer.golomb(size)
        writer.golomb(span)
        writer.put(unfiltered, 1)


def _write_extension(writer: "BitWriter", sps: ReducedSps) -> None:
    writer.put(int(sps.extension is not None), 1)
    if sps.extension is not None:
        writer.put(sps.extension, _EXTENSION_BITS)


def split_nals(stream: bytes) -> list[bytes]:
    """Cut an Annex B stream, with or without a first start code, into NAL units without start codes."""
    parts = _START.split(stream)
    return [part.rstrip(b"\x00") for part in parts if part.rstrip(b"\x00")]


def escape(payload: bytes) -> bytes:
    """Insert emulation prevention bytes: no 00 00 0x (x < 4) may remain."""
    out, zeros = bytearray(), 0
    for byte in payload:
        if zeros == 2 and byte < 4:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def unescape(payload: bytes) -> bytes:
    """Remove emulation prevention bytes."""
    return payload.replace(b"\x00\x00\x03", b"\x00\x00")


class BitWriter:
    """Bits, most significant first, with HEVC's exponential-Golomb numbers."""

    def __init__(self):
        self.value, self.count = 0, 0

    def put(self, value: int, count: int) -> None:
        """Append `count` bits."""
        self.value, self.count = self.value << count | value, self.count + count

    def golomb(self, value: int) -> None:
        """Append ue(v)."""
        self.put(value + 1, 2 * (value + 1).bit_length() - 1)

    def to_bytes(self, stop: bool = False) -> bytes:
        """Return the bits, after a stop bit where asked, padded with zeros to whole bytes."""
        value, count = (self.value << 1 | 1, self.count + 1) if stop else (self.value, self.count)
        return (value << -count % 8).to_bytes((count + 7) // 8, "big")


class BitReader:
    """Inverse of `BitWriter`; `BitstreamError` past the end."""

    def __init__(self, data: bytes):
        self.value, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next `count` bits."""
        if count > self.left:
            raise BitstreamError("HEVC: parameter set ends early")
        self.left -= count
        return self.value >> self.left & ((1 << count) - 1)

    def golomb(self) -> int:
        """Return ue(v), below 2^17: no field that is read here is larger."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 16:
                raise BitstreamError("HEVC: number out of range")
        return (1 << zeros | self.take(zeros)) - 1
