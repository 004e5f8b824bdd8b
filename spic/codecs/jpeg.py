"""JPEG through Pillow's libjpeg-turbo: what everyone's images are in.

Baseline with Huffman tables made for the image and 4:2:0 chroma, as BPG has it; at the rates of interest here it
is some percent smaller than progressive JPEG. The file is JFIF, headers and tables counted.
"""

import numpy as np

from spic.codecs.base import Codec, check_array, check_bytes
from spic.codecs.pillow import decode_with_pillow, encode_with_pillow, pillow_versions
from spic.errors import BitstreamError

_SOI, _EOI, _SOS = b"\xff\xd8", b"\xff\xd9", b"\xff\xda"
_MAX_SCANS = 32  # usual progressive files have 10; each one costs the time of the whole image


class JpegCodec(Codec):
    """JPEG, 4:2:0; `quality` is libjpeg's, 1 to 100."""

    name = "jpeg"
    kind = "picture"
    extension = "jpg"
    quality_name = "quality"
    max_side = 65500  # of libjpeg
    quality_range = (1, 100, 1)

    def versions(self) -> dict[str, str]:
        return super().versions() | pillow_versions("jpg", "libjpeg_turbo")

    def encode(self, image: np.ndarray, quality: int = 50) -> bytes:
        """Code uint8 sRGB (H, W, 3) or gray (H, W, 1)."""
        image = check_array(image, (1, 3))
        self.check_sides(*image.shape[:2])
        quality = round(self.check_quality(quality))
        subsampling = {"subsampling": "4:2:0"} if image.shape[2] == 3 else {}
        return encode_with_pillow(image, "JPEG", quality=quality, optimize=True, **subsampling)

    def decode(self, data: bytes) -> np.ndarray:
        """Decode to uint8 (H, W, 3) or (H, W, 1); `BitstreamError` for CMYK, cut files and far too many scans."""
        data = check_bytes(data)
        if data[:2] != _SOI or data[-2:] != _EOI:
            raise BitstreamError("JPEG: not a whole JPEG file")
        if data.count(_SOS) > _MAX_SCANS:
            raise BitstreamError(f"JPEG: more than {_MAX_SCANS} scans")
        return decode_with_pillow(data, "JPEG", "JPEG", ("RGB", "L"))
