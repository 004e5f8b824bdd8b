"""The CRC-32 of the decoded pixels that a FLIF file can end with."""

import zlib

import numpy as np


def checksum(planes: np.ndarray) -> int:
    """CRC-32 of uint8 planes (P, H, W), begun from the size; planes 1 and 2 count as 16-bit little endian."""
    _, height, width = planes.shape
    crc = ((width << 16) + height) & 0xFFFFFFFF
    for plane, values in enumerate(planes):
        crc = zlib.crc32(np.ascontiguousarray(values, "<u2" if plane in (1, 2) else np.uint8), crc)
    return crc
