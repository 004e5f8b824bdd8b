"""PNG through Pillow: the lossless yardstick everyone knows."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from spic.codecs.base import Codec, check_array, check_bytes, check_size
from spic.codecs.pillow import pillow_versions, quiet
from spic.errors import BitstreamError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 6: 4}  # of the PNG colour types gray, RGB, RGBA
_DEFLATE_RATIO = 1032  # no deflate stream grows more


class PngCodec(Codec):
    """PNG with 8-bit gray (label maps), RGB or RGBA samples."""

    name = "png"
    kind = "both"
    extension = "png"

    def versions(self) -> dict[str, str]:
        return super().versions() | pillow_versions("zlib", "zlib_ng")

    def encode(self, image: np.ndarray) -> bytes:
        """Code uint8 (H, W), (H, W, 3) or (H, W, 4) without loss."""
        out = io.BytesIO()
        Image.fromarray(check_array(image, (3, 4), labels=True)).save(out, "PNG", optimize=True)
        return out.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        """Decode to uint8 (H, W), (H, W, 3) or (H, W, 4); `BitstreamError` for palettes, other depths and damage."""
        data = check_bytes(data)
        if data[:8] != _SIGNATURE or data[12:16] != b"IHDR" or len(data) < 33:
            raise BitstreamError("not a PNG file")
        width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
        check_size(width, height, "PNG")
        _check_chunks(data)
        if depth != 8 or colour not in _CHANNELS:
            raise BitstreamError(f"PNG: colour type {colour} with {depth} bits is not supported")
        shape = (height, width, _CHANNELS[colour])[: 2 if colour == 0 else 3]
        if height * width * _CHANNELS[colour] > _DEFLATE_RATIO * len(data):
            raise BitstreamError(f"PNG: {len(data)} bytes cannot hold {width}x{height} pixels")
        try:
            with quiet(), Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                image = np.array(picture)
        except (OSError, ValueError, SyntaxError, struct.error, zlib.error, Image.DecompressionBombError) as error:
            raise BitstreamError(f"PNG: {error}") from None
        if image.dtype != np.uint8 or image.shape != shape:
            raise BitstreamError("PNG: the picture is not as its header says")
        return image


def _check_chunks(data: bytes) -> None:
    """Walk to IEND and verify the checksums: Pillow forgives a cut or damaged end of the pixel data."""
    position, kind = 8, b""
    while kind != b"IEND":
        body = data[position + 4 : position + 8 + int.from_bytes(data[position : position + 4], "big")]
        position += 8 + len(body)
        stored, kind = data[position - 4 : position], body[:4]
        if len(stored) < 4 or zlib.crc32(body) != int.from_bytes(stored, "big"):
            raise BitstreamError("PNG: a chunk is damaged or cut")
