"""All that adapts while maps are coded, and the range coder around it."""

import numpy as np

from spic.codecs.labelmap import contexts as ctx
from spic.codecs.labelmap import previous
from spic.codecs.labelmap.logistic import state
from spic.codecs.labelmap.model import code_rows
from spic.codecs.labelmap.prior import Prior, fresh_prior
from spic.codecs.labelmap.rangecoder import ends_here, finish, overdrawn, start_reader, start_writer
from spic.errors import BitstreamError

_PIXELS_A_CALL = 1 << 15
_BYTES_A_PIXEL = 32  # more than the worst pixel can take: 8 questions and 8 spelt bits of at most 17 and 12 bits
_RATE, _RATE_WITH_PRIOR = 40, 8  # of the mixer, in 1/8192


class Model:
    """Codes maps of one size, and goes on learning from one to the next.

    Parameters
    ----------
    size : (int, int)
        Height and width.
    prior : Prior, optional
        What it begins with; nothing by default.
    after : bool
        Maps are coded given the ones before.
    rate : int, optional
        Learning rate of the mixer.
    """

    def __init__(self, size: tuple[int, int], prior: Prior | None, after: bool = False, rate: int | None = None):
        self.height, self.width = size
        places = 1 << min(max((self.height * self.width - 1).bit_length() - 1, 10), 18)
        contexts = previous.NUM_CONTEXTS if after else ctx.NUM_CONTEXTS
        self.tables = np.full((contexts, places), state(32768), np.int32)
        begin = prior or fresh_prior(after=after)
        self.weights, self.runs, self.births = begin.weights.copy(), begin.runs.copy(), begin.births.copy()
        self.network, self.classes = begin.network, begin.classes
        self.rate = rate or (_RATE_WITH_PRIOR if prior else _RATE)

    def write(self, labels: np.ndarray, bits: int, before: np.ndarray) -> bytes:
        """The range coder's bytes of uint8 (H, W); `before` as `frames_before` gives it."""
        buffer = _framed(self.height, self.width)
        buffer[ctx.PAD :, ctx.PAD : -ctx.PAD] = labels
        data, coder = np.zeros(0, np.uint8), start_writer()
        for first, last, code in self._slices(buffer, before, bits):
            room = int(coder[3]) + _BYTES_A_PIXEL * (last - first) * self.width + 8
            if data.size < room:
                data = np.concatenate([data, np.zeros(room, np.uint8)])
            code(data, coder, False)
        return finish(data, coder)

    def read(self, data: bytes, bits: int, before: np.ndarray) -> np.ndarray | None:
        """The uint8 (H, W) that `write` coded; None where the bytes do not end where they should.

        `BitstreamError` where they can not hold such a map, or end too early.
        """
        payload = np.frombuffer(data, np.uint8).copy()  # writable, as where writing: one compiled kernel
        # A pixel costs at least 1 / 45500 bit, so a short stream cannot claim a large map.
        if self.height * self.width > 400_000 * (payload.size + 4):
            size = f"{self.width}x{self.height}"
            raise BitstreamError(f"label map: {len(data)} bytes cannot hold {size} pixels")
        buffer, coder = _framed(self.height, self.width), start_reader(payload)
        for _, _, code in self._slices(buffer, before, bits):
            code(payload, coder, True)
            if overdrawn(payload, coder):
                raise BitstreamError("label map: the stream ends too early")
        return buffer[ctx.PAD :, ctx.PAD : -ctx.PAD].astype(np.uint8) if ends_here(payload, coder) else None

    def _slices(self, buffer, before, bits):
        """First and last row, and what codes them, of one part of the map after the other."""
        states = self.tables, self.weights, self.runs, self.births
        settings = states, self.network, self.classes, self.rate
        memory = np.zeros(3, np.int64), np.zeros(self.width + 2 * ctx.PAD, np.int64)
        rows = max(1, _PIXELS_A_CALL // self.width)
        for first in range(0, self.height, rows):
            last = min(first + rows, self.height)

            def code(data, coder, reading, first=first, last=last):
                code_rows((buffer, before), first, last, bits, data, coder, reading, *settings, memory)

            yield first, last, code


NOTHING_BEFORE = np.zeros((0, 0, 0), np.int16)


def frames_before(last: np.ndarray, older: np.ndarray) -> np.ndarray:
    """The two maps before, uint8 (H, W) each, as the model wants them."""
    before = np.full((previous.MAPS, *(side + 2 * ctx.PAD for side in last.shape)), ctx.OUTSIDE, np.int16)
    before[0, ctx.PAD : -ctx.PAD, ctx.PAD : -ctx.PAD] = last
    before[1, ctx.PAD : -ctx.PAD, ctx.PAD : -ctx.PAD] = older
    return before


def _framed(height: int, width: int) -> np.ndarray:
    """An empty buffer for a map, with a frame of OUTSIDE to the left, to the right and above."""
    return np.full((height + ctx.PAD, width + 2 * ctx.PAD), ctx.OUTSIDE, np.int16)
