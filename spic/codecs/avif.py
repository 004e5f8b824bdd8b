"""AVIF through Pillow's libavif: AV1 key frames by libaom.

4:2:0 chroma as BPG has it, speed 4: three times the time of 6 for 0.2 to 0.3 dB, and 0.1 dB short of 2, which takes
another two and a half times. The rate counts the whole file, of which some 280 bytes are the container.
"""

import numpy as np

from spic.codecs.base import Codec, check_array, check_bytes
from spic.codecs.pillow import decode_with_pillow, encode_with_pillow, pillow_versions
from spic.errors import BitstreamError

_SPEED = 4
_TOP_BOXES = (b"ftyp", b"meta", b"mdat")


class AvifCodec(Codec):
    """AVIF, 4:2:0; `quality` is libavif's, 0 to 100."""

    name = "avif"
    kind = "picture"
    extension = "avif"
    quality_name = "quality"
    max_side = 32768  # of libavif's decoder
    quality_range = (0, 100, 1)

    def versions(self) -> dict[str, str]:
        """With the AV1 libraries behind libavif."""
        try:
            from PIL import _avif
        except ImportError:  # a Pillow without AVIF
            return super().versions() | pillow_versions()
        return super().versions() | pillow_versions("avif") | {"av1": _avif.codec_versions()}

    def encode(self, image: np.ndarray, quality: int = 50) -> bytes:
        """Code uint8 sRGB (H, W, 3). One thread, so that the bytes are the same everywhere."""
        image = check_array(image, (3,))
        self.check_sides(*image.shape[:2])
        quality = round(self.check_quality(quality))
        options = {"quality": quality, "speed": _SPEED, "subsampling": "4:2:0", "codec": "aom"}
        return encode_with_pillow(image, "AVIF", max_threads=1, autotiling=False, **options)

    def decode(self, data: bytes) -> np.ndarray:
        """Decode to uint8 (H, W, 3); `BitstreamError` for damage, alpha and sequences."""
        data = check_bytes(data)
        _check_boxes(data)
        return decode_with_pillow(data, "AVIF", "AVIF")


def _check_boxes(data: bytes) -> None:
    """Refuse other top-level boxes than a still image needs, and a cut last one (ISO/IEC 14496-12, 4.2)."""
    position, kinds = 0, []
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kinds.append(data[position + 4 : position + 8])
        if length < 8 or position + length > len(data):
            raise BitstreamError("AVIF: a box is cut")
        position += length
    if tuple(kinds) != _TOP_BOXES:
        raise BitstreamError("AVIF: not a file of one still picture")
