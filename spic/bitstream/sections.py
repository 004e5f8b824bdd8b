"""Sections, what version 2 is made of behind its head: a kind, a length, a payload and a CRC-32 of their own.

The CRC-32 of a section goes on from that of the head, so that no section passes for one of another file.
"""

import zlib
from collections.abc import Iterator

from spic.bitstream.values import Reader, number
from spic.errors import BitstreamError

_CRC = 4  # bytes


def write_section(kind: int, payload: bytes, head: int) -> bytes:
    """The bytes of a section of `kind`, 1 to 255, in a file whose head has the CRC-32 `head`."""
    data = bytes((kind,)) + number(len(payload)) + payload
    return data + zlib.crc32(data, head).to_bytes(_CRC, "big")


def read_sections(reader: Reader, head: int, skip_damaged: bool = False) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (kind, payload, all bytes) of the sections up to the end of the data.

    Parameters
    ----------
    reader : Reader
        Behind the head.
    head : int
        CRC-32 of the head.
    skip_damaged : bool
        Leave out sections whose CRC-32 differs, and what can not be divided into sections, instead of raising.

    Raises
    ------
    BitstreamError
        A section is damaged, or the data ends within one.
    """
    while not reader.done():
        start = reader.position
        try:
            kind, payload = reader.byte(), reader.take(reader.number())
            sound = int.from_bytes(reader.take(_CRC), "big") == zlib.crc32(
                reader.data[start : reader.position - _CRC], head
            )
        except BitstreamError:
            if skip_damaged:
                return
            raise
        if sound:
            yield kind, payload, reader.data[start : reader.position]
        elif not skip_damaged:
            raise BitstreamError(f"section {kind} of the .spic file is damaged (CRC-32 differs)")
