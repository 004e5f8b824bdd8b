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
from spic.codecs.labelmap import contexts as ctx
from spic.codecs.labelmap.logistic import state
from spic.codecs.labelmap.model import code_rows
from spic.codecs.labelmap.prior import Prior, fresh_prior
from spic.codecs.labelmap.rangecoder import ends_here, finish, overdrawn, start_reader, start_writer
from spic.errors import BitstreamError
from spic.pictures.sizes import WORKING_SIZE

VERSION = 1
_PRIOR, _WORKING_SIZE = 1, 2
_PIXELS_A_CALL = 1 << 15
_BYTES_A_PIXEL = 32  # more than the worst pixel can take: 8 questions and 8 spelt bits of at most 17 and 12 bits
_RATE, _RATE_WITH_PRIOR = 40, 8  # of the mixer, in 1/8192


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
    model = _Model(height, width, bits, prior)
    model.rate = rate or model.rate
    model.buffer[ctx.PAD :, ctx.PAD : -ctx.PAD] = labels
    data, coder = np.zeros(0, np.uint8), start_writer()
    for first, last in model.slices():
        room = int(coder[3]) + _BYTES_A_PIXEL * (last - first) * width + 8
        if data.size < room:
            data = np.concatenate([data, np.zeros(room, np.uint8)])
        model.code(first, last, data, coder, False)
    return head + _checksum(head, labels) + finish(data, coder), model


def decode(data: bytes, prior: Prior | None = None) -> np.ndarray:
    """Return the uint8 (H, W) that `data` codes; `BitstreamError` if it is damaged or made with another prior."""
    height, width, bits, start = _read_header(data, prior)
    payload = np.frombuffer(data, np.uint8, offset=start + 4).copy()  # writable, as where writing: one compiled kernel
    # A pixel costs at least 1 / 45500 bit, so a short stream cannot claim a large map.
    if height * width > 400_000 * (payload.size + 4):
        raise BitstreamError(f"label map: {len(data)} bytes cannot hold {width}x{height} pixels")
    model, coder = _Model(height, width, bits, prior), start_reader(payload)
    for first, last in model.slices():
        model.code(first, last, payload, coder, True)
        if overdrawn(payload, coder):
            raise BitstreamError("label map: the stream ends too early")
    labels = model.buffer[ctx.PAD :, ctx.PAD : -ctx.PAD].astype(np.uint8)
    if not ends_here(payload, coder) or data[start : start + 4] != _checksum(data[:start], labels):
        raise BitstreamError("label map: the stream is damaged (checksum)")
    return labels


class _Model:
    """All that adapts while one map is coded."""

    def __init__(self, height: int, width: int, bits: int, prior: Prior | None):
        self.height, self.width, self.bits = height, width, bits
        self.buffer = np.full((height + ctx.PAD, width + 2 * ctx.PAD), ctx.OUTSIDE, np.int16)
        size = 1 << min(max((height * width - 1).bit_length() - 1, 10), 18)
        self.tables = np.full((ctx.NUM_CONTEXTS, size), state(32768), np.int32)
        begin = prior or fresh_prior()
        self.weights, self.runs, self.births = begin.weights.copy(), begin.runs.copy(), begin.births.copy()
        self.network, self.classes, self.rate = begin.network, begin.classes, _RATE_WITH_PRIOR if prior else _RATE
        self.memory = np.zeros(3, np.int64), np.zeros(width + 2 * ctx.PAD, np.int64)

    def slices(self):
        rows = max(1, _PIXELS_A_CALL // self.width)
        for first in range(0, self.height, rows):
            yield first, min(first + rows, self.height)

    def code(self, first, last, data, coder, reading):
        states = self.tables, self.weights, self.runs, self.births
        settings = states, self.network, self.classes, self.rate, self.memory
        code_rows(self.buffer, first, last, self.bits, data, coder, reading, *settings)


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
    _check_prior(data[start : start + 2] if flags & _PRIOR else b"", prior)
    start += 2 if flags & _PRIOR else 0
    if len(data) < start + 4:
        raise BitstreamError("label map: the stream ends in its header")
    return height, width, bits, start


def _check_prior(tag: bytes, prior: Prior | None) -> None:
    own = prior.tag if prior else b""
    if tag != own:
        names = [f"prior {name.hex()}" if name else "no prior" for name in (tag, own)]
        raise BitstreamError(f"label map: coded with {names[0]}, this codec has {names[1]}")


def _checksum(head: bytes, labels: np.ndarray) -> bytes:
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
