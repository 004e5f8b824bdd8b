"""The stream: a short header, then the bits of the model.

byte 0        version (high half), bits that spell a label (low half, 0..8)
byte 1        flags: PRIOR, WORKING_SIZE
2 numbers     height - 1 and width - 1, 7 bits per byte, lowest first; absent with WORKING_SIZE
2 bytes       the prior's name tag; absent without PRIOR
4 bytes       CRC-32 of all of the header before it and of the map, big endian
the rest      the range coder's bytes
"""

import zlib

import numpy as np

from spic.codecs.base import check_size
from spic.codecs.labelmap.coder import NOTHING_BEFORE, Model
from spic.codecs.labelmap.prior import Prior
from spic.errors import BitstreamError
from spic.pictures.sizes import WORKING_SIZE

VERSION = 1
_PRIOR, _WORKING_SIZE = 1, 2


def encode(labels: np.ndarray, prior: Prior | None = None) -> bytes:
    """Code uint8 (H, W), with a prior or without."""
    return _encode(labels, prior)[0]


def learned(labels: np.ndarray, prior: Prior, rate: int) -> tuple[int, Prior]:
    """Code a training map at a learning rate: how many bytes it took, and a prior that begins where the coder ended."""
    data, model = _encode(labels, prior, rate)
    return len(data), Prior(prior.tag, prior.classes, prior.network, model.weights, model.runs, model.births)


def _encode(labels, prior, rate=None):
    height, width = labels.shape
    bits = max(int(labels.max()).bit_length(), prior.bits if prior else 0)
    usual = (height, width) == WORKING_SIZE
    head = bytes([VERSION << 4 | bits, (prior is not None) * _PRIOR | usual * _WORKING_SIZE])
    head += b"" if usual else _number(height - 1) + _number(width - 1)
    head += prior.tag if prior else b""
    model = Model((height, width), prior, rate=rate)
    return head + checksum(head, labels) + model.write(labels, bits, NOTHING_BEFORE), model


def decode(data: bytes, prior: Prior | None = None) -> np.ndarray:
    """Return the uint8 (H, W) that `data` codes; `BitstreamError` if it is damaged or made with another prior."""
    height, width, bits, start = _read_header(data, prior)
    labels = Model((height, width), prior).read(data[start + 4 :], bits, NOTHING_BEFORE)
    if labels is None or data[start : start + 4] != checksum(data[:start], labels):
        raise BitstreamError("label map: the stream is damaged (checksum)")
    return labels


def _read_header(data: bytes, prior: Prior | None) -> tuple[int, int, int, int]:
    """Height, width, bits of a label, and where the checksum stands."""
    if len(data) < 6:
        raise BitstreamError("label map: the stream ends in its header")
    version, bits, flags = data[0] >> 4, data[0] & 15, data[1]
    if version != VERSION:
        raise BitstreamError(f"not a label map stream of version {VERSION}")
    if bits > 8 or flags & ~(_PRIOR | _WORKING_SIZE):
        raise BitstreamError("label map: the header is damaged")
    (height, width), start = WORKING_SIZE, 2
    if not flags & _WORKING_SIZE:
        height, start = _read_number(data, start)
        width, start = _read_number(data, start)
        height, width = height + 1, width + 1
    check_size(width, height, "label map")
    check_prior(data[start : start + 2] if flags & _PRIOR else b"", prior)
    start += 2 if flags & _PRIOR else 0
    if len(data) < start + 4:
        raise BitstreamError("label map: the stream ends in its header")
    return height, width, bits, start


def check_prior(tag: bytes, prior: Prior | None) -> None:
    """`BitstreamError` where a stream names another prior than the one there is."""
    own = prior.tag if prior else b""
    if tag != own:
        names = [f"prior {name.hex()}" if name else "no prior" for name in (tag, own)]
        raise BitstreamError(f"label map: coded with {names[0]}, this codec has {names[1]}")


def checksum(head: bytes, labels: np.ndarray) -> bytes:
    """CRC-32 of a header and of the map."""
    return zlib.crc32(labels, zlib.crc32(head)).to_bytes(4, "big")


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _read_number(data: bytes, start: int) -> tuple[int, int]:
    value = 0
    for place in range(5):
        if start + place >= len(data):
            break
        value |= (data[start + place] & 127) << 7 * place
        if data[start + place] < 128:
            return value, start + place + 1
    raise BitstreamError("label map: the header is damaged")
