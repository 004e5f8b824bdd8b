"""WebP through Pillow's libwebp: VP8 key frames for images, VP8L for label maps. The slowest, best effort (6)."""

import numpy as np

from spic.codecs.base import Codec, check_array, check_bytes, check_size
from spic.codecs.pillow import decode_with_pillow, encode_with_pillow, pillow_versions
from spic.errors import BitstreamError

_METHOD = 6
_MAX_SIDE = 16383  # 14 bits
_START_CODE = b"\x9d\x01\x2a"
_LOSSLESS_MARK = 0x2F


class WebpCodec(Codec):
    """WebP, lossy; `quality` is libwebp's, 0 to 100."""

    name = "webp"
    kind = "picture"
    extension = "webp"
    quality_name = "quality"
    max_side = _MAX_SIDE
    quality_range = (0, 100, 1)

    def versions(self) -> dict[str, str]:
        return super().versions() | pillow_versions("webp")

    def encode(self, image: np.ndarray, quality: float = 50) -> bytes:
        """Code uint8 sRGB (H, W, 3)."""
        image = check_array(image, (3,))
        self.check_sides(*image.shape[:2])
        self.check_quality(quality)
        return encode_with_pillow(image, "WEBP", quality=quality, method=_METHOD)

    def decode(self, data: bytes) -> np.ndarray:
        """Decode to uint8 (H, W, 3); `BitstreamError` for damage, lossless files, alpha, animations, metadata."""
        data = check_bytes(data)
        _check_file(data, b"VP8 ")
        return decode_with_pillow(data, "WEBP", "WebP")


class WebpLosslessCodec(Codec):
    """WebP without loss, for label maps (as three equal channels, which its palette makes one again)."""

    name = "webp-lossless"
    kind = "label"
    extension = "webp"
    max_side = _MAX_SIDE

    def versions(self) -> dict[str, str]:
        return super().versions() | pillow_versions("webp")

    def encode(self, image: np.ndarray) -> bytes:
        """Code uint8 (H, W)."""
        image = check_array(image, (), labels=True)
        self.check_sides(*image.shape[:2])
        gray = np.repeat(image[..., None], 3, axis=2)
        return encode_with_pillow(gray, "WEBP", lossless=True, quality=100, method=_METHOD, exact=True)

    def decode(self, data: bytes) -> np.ndarray:
        """Decode to uint8 (H, W); `BitstreamError` for damage, colours, lossy files, alpha, animations, metadata."""
        data = check_bytes(data)
        _check_file(data, b"VP8L")
        image = decode_with_pillow(data, "WEBP", "WebP")
        if (image != image[..., :1]).any():
            raise BitstreamError("WebP: a label map has no colours")
        return np.ascontiguousarray(image[..., 0])


def _check_file(data: bytes, kind: bytes) -> None:
    """Refuse what is not the simple file format with one chunk of that kind, and sizes out of range (RFC 9649)."""
    if data[:4] != b"RIFF" or data[8:16] != b"WEBP" + kind:
        raise BitstreamError(f"not a WebP file of the kind {kind.decode().strip()}")
    length = int.from_bytes(data[16:20], "little")
    padded = length + (length & 1)
    if len(data) != 20 + padded or int.from_bytes(data[4:8], "little") != 12 + padded:
        raise BitstreamError("WebP: the file is cut, or more than one picture")
    body = data[20:]
    if kind == b"VP8 ":
        if body[3:6] != _START_CODE or len(body) < 10:
            raise BitstreamError("WebP: no key frame")
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    else:
        if len(body) < 5 or body[0] != _LOSSLESS_MARK:
            raise BitstreamError("WebP: no lossless picture")
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    check_size(width, height, "WebP")
