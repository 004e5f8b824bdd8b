"""Reader and Writer: the range coder for everything that is coded from Python, one number at a time."""

import numpy as np

from spic.codecs.flif import integers, rangecoder
from spic.codecs.jit import kernel
from spic.errors import BitstreamError

FLUSH = 3  # bytes a decoder is ahead of the bits it has decoded
DEFAULT_TABLE = rangecoder.transition_table()


@kernel
def _read_uniform(data, coder, low, high):
    return rangecoder.read_uniform(data, coder, low, high)


@kernel
def _read_integer(data, coder, context, table, low, high):
    return integers.read_integer(data, coder, context, table, low, high)


@kernel
def _write_uniform(data, coder, low, high, value):
    rangecoder.write_uniform(data, coder, low, high, value)


@kernel
def _write_integer(data, coder, context, table, low, high, value):
    integers.write_integer(data, coder, context, table, low, high, value)


@kernel
def _flush(data, coder):
    # Without changing the interval: shift out all of `low`, as the decoder has shifted it in.
    for _ in range(FLUSH):
        coder[0] = rangecoder.RENORM_BELOW
        rangecoder.shift_out(data, coder)


def new_context() -> np.ndarray:
    """A fresh context for near-zero integers: uint16 (CONTEXT_SIZE,)."""
    return integers.fresh_contexts(1)[0]


class Reader:
    """Decodes numbers from `data` (bytes); `data_array`, `coder` and `table` are what kernels take."""

    def __init__(self, data: bytes):
        if len(data) < FLUSH:
            raise BitstreamError("FLIF data ends before the pixels")
        self.data = np.frombuffer(data, np.uint8)
        self.coder = rangecoder.start_decoder(self.data)

    def uniform(self, low: int, high: int) -> int:
        """Next equally probable integer of [low, high]."""
        return _read_uniform(self.data, self.coder, low, high)

    def integer(self, context: np.ndarray, low: int, high: int) -> int:
        """Next near-zero integer of [low, high]."""
        return _read_integer(self.data, self.coder, context, DEFAULT_TABLE, low, high)

    @property
    def ended(self) -> bool:
        """Whether more was read than there is."""
        return bool(self.coder[2] > self.data.size)

    def check(self) -> None:
        """Raise `BitstreamError` if more was read than there is."""
        if self.ended:
            raise BitstreamError("FLIF data ends too early")


class Writer:
    """Encodes numbers; `buffer` grows on demand, kernels that write to it call `reserve` first."""

    def __init__(self):
        self.buffer = np.zeros(1 << 12, np.uint8)
        self.coder = np.array([rangecoder.FULL_RANGE, 0, 0], np.int64)

    def reserve(self, size: int) -> None:
        """Make room for `size` more bytes."""
        if self.coder[2] + size > self.buffer.size:
            self.buffer = np.concatenate((self.buffer, np.zeros(size + self.buffer.size, np.uint8)))

    def uniform(self, low: int, high: int, value: int) -> None:
        """Append an equally probable integer of [low, high]."""
        self.reserve(16)
        _write_uniform(self.buffer, self.coder, low, high, value)

    def integer(self, context: np.ndarray, low: int, high: int, value: int) -> None:
        """Append a near-zero integer of [low, high]."""
        self.reserve(64)
        _write_integer(self.buffer, self.coder, context, DEFAULT_TABLE, low, high, value)

    def finish(self) -> bytes:
        """Everything written, so that a decoder never reads past the end."""
        self.reserve(FLUSH)
        _flush(self.buffer, self.coder)
        return self.buffer[: self.coder[2]].tobytes()
