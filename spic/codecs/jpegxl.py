"""JPEG XL through imagecodecs' libjxl: without loss for label maps, lossy for images.

Bare codestreams without a container. Lossless at effort 9, where it pays; lossy at libjxl's own 7, since 9 takes five
times as long and gives no better PSNR at the same rate.
"""

import numpy as np

from spic.codecs.base import Codec, check_array, check_bytes, check_size
from spic.errors import BitstreamError, memory_shortage

_SIGNATURE = b"\xff\x0a"
_LOSSLESS_EFFORT, _LOSSY_EFFORT = 9, 7
_SIZE_BITS = (9, 13, 18, 30)
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}  # width : height


class JpegXlLosslessCodec(Codec):
    """JPEG XL without loss, 8-bit gray (label maps) or RGB."""

    name = "jpegxl-lossless"
    kind = "both"
    extension = "jxl"
    max_side = 1 << 18  # of level 5; beyond it libjxl writes a container

    def versions(self) -> dict[str, str]:
        import imagecodecs

        return super().versions() | {
            "imagecodecs": imagecodecs.__version__,
            "libjxl": imagecodecs.jpegxl_version().removeprefix("libjxl "),
        }

    def encode(self, image: np.ndarray) -> bytes:
        """Code uint8 (H, W) or (H, W, 3) without loss, as a bare codestream."""
        import imagecodecs

        image = check_array(image, (3,), labels=True)
        self.check_sides(*image.shape[:2])
        return imagecodecs.jpegxl_encode(image, lossless=True, effort=_LOSSLESS_EFFORT, numthreads=1)

    def decode(self, data: bytes) -> np.ndarray:
        """Decode a bare codestream of one 8-bit image.

        Returns
        -------
        numpy.ndarray
            uint8 (H, W) or (H, W, 3).

        Raises
        ------
        BitstreamError
            For damaged data, boxes, alpha, other depths, previews, animations and rotated images.
        """
        import imagecodecs

        data = check_bytes(data)
        height, width = _read_header(data)
        try:
            image = imagecodecs.jpegxl_decode(data, index=0, numthreads=1)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise BitstreamError(f"JPEG XL: {memory_shortage(error) or error}") from None
        if image.dtype != np.uint8 or image.shape not in ((height, width), (height, width, 3)):
            raise BitstreamError("JPEG XL: the picture is not as its header says")
        return image


class JpegXlCodec(JpegXlLosslessCodec):
    """JPEG XL, lossy; `distance` is libjxl's (1 is hardly visible, larger is worse), 0.1 to 25."""

    name = "jpegxl"
    kind = "picture"
    quality_name = "distance"
    quality_range = (0.1, 25, 0)

    def encode(self, image: np.ndarray, distance: float = 4) -> bytes:
        """Code uint8 sRGB (H, W, 3) as a bare codestream."""
        import imagecodecs

        image = check_array(image, (3,))
        self.check_sides(*image.shape[:2])
        distance = float(self.check_quality(distance))
        return imagecodecs.jpegxl_encode(image, distance=distance, effort=_LOSSY_EFFORT, numthreads=1)


def _read_header(data: bytes) -> tuple[int, int]:
    """Return height and width; refuse images of kinds that the decoder does not take (ISO/IEC 18181-1, annex D)."""
    if data[:2] != _SIGNATURE or len(data) < 6:
        raise BitstreamError("not a JPEG XL codestream")
    value = int.from_bytes(data[2:32], "little")  # bits are stored least significant first

    def take(count: int) -> int:
        nonlocal value
        bits, value = value & ((1 << count) - 1), value >> count
        return bits

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take(_SIZE_BITS[take(2)]) + 1

    height = side()
    ratio = take(3)
    width = height * _RATIOS[ratio][0] // _RATIOS[ratio][1] if ratio else side()
    check_size(width, height, "JPEG XL")
    if not take(1):  # not all defaults: then extra fields, float samples, depth, 16-bit buffers, extra channels
        extra, is_float, depth, _, channels = take(1), take(1), take(2), take(1), take(2)
        if extra or is_float or depth or channels:
            raise BitstreamError("JPEG XL: only plain 8-bit gray and RGB are supported")
    return height, width
