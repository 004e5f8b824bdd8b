"""The images of a clip as one AV1 stream, low delay: SVT-AV1 codes, dav1d decodes, both through PyAV.

A peer of the benchmark, not a part of `.spicv` files.
"""

import os
from contextlib import contextmanager, suppress

import numpy as np

from spic.errors import BitstreamError, ConfigError
from spic.video.planes import decode_one, new_decoder, padded_size, to_frame

CRF_RANGE = (1, 63, 1)
_PRESET = 4
_BLOCK, _LEAST = 8, 64  # SVT-AV1 refuses shorter sides


@contextmanager
def _ordinary_priority():
    """Take back the real-time priority that SVT-AV1 gives to its threads and to the process where root runs it.

    All that such a process starts later inherits it, and a busy child then leaves no core to anything else.
    """
    if not hasattr(os, "sched_getscheduler"):  # not on Linux
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    yield
    for thread in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setscheduler(int(thread), policy, priority)


class Av1Encoder:
    """Codes images in the order of a clip; parameters as `spic.video.hevc.HevcEncoder` has them, `crf` from 1 to 63."""

    def __init__(self, size: tuple[int, int], crf: int, every: int):
        import av

        if isinstance(crf, bool) or not isinstance(crf, (int, np.integer)) or not CRF_RANGE[0] <= crf <= CRF_RANGE[1]:
            raise ConfigError(f"crf must be a whole number from {CRF_RANGE[0]} to {CRF_RANGE[1]}, got {crf!r}")
        if "libsvtav1" not in av.codecs_available:
            raise ConfigError("this PyAV has no SVT-AV1")
        os.environ.setdefault("SVT_LOG", "1")  # errors only
        self.size, self._padded, self._count = tuple(size), padded_size(size, _BLOCK, _LEAST), 0
        self._encoder = av.CodecContext.create("libsvtav1", "w")
        self._encoder.height, self._encoder.width = self._padded
        self._encoder.pix_fmt, self._encoder.framerate, self._encoder.gop_size = "yuv420p", 30, every
        low_delay = f"pred-struct=1:lookahead=0:lp=1:keyint={every}:scd=0"
        self._encoder.options = {"preset": str(_PRESET), "crf": str(int(crf)), "svtav1-params": low_delay}
        with _ordinary_priority():
            self._encoder.open()

    def encode(self, image: np.ndarray) -> bytes:
        """Code the next image, uint8 (H, W, 3): one temporal unit. `DataError` for another array or size."""
        import av

        frame = to_frame(image, self.size, self._padded, self._count)
        self._count += 1
        try:
            packets = self._encoder.encode(frame)
        except av.FFmpegError as error:
            raise ConfigError(f"SVT-AV1 cannot code {self.size[1]}x{self.size[0]} ({error.strerror})") from None
        if len(packets) != 1:
            raise ConfigError("this SVT-AV1 does not code an image at once")
        return bytes(packets[0])

    def close(self) -> None:
        """Say that no image follows; without it SVT-AV1 complains on stderr."""
        if self._count:
            self._encoder.encode(None)


class Av1Decoder:
    """Decodes what an `Av1Encoder` coded, in the same order."""

    def __init__(self, size: tuple[int, int]):
        self.size, self._padded = tuple(size), padded_size(size, _BLOCK, _LEAST)
        self._decoder = new_decoder("libdav1d", self._padded, max_frame_delay="1")

    def decode(self, data: bytes) -> np.ndarray:
        """The next image, uint8 (H, W, 3); `BitstreamError` as `decode_one` raises it."""
        if not data:
            raise BitstreamError("AV1: no data")
        return decode_one(self._decoder, data, self.size, self._padded, "AV1")
