"""A codec of another package: fewer grey levels, then zlib."""

import zlib

import numpy as np

from spic.codecs.base import Codec, check_array, check_bytes, check_quality, check_size
from spic.errors import BitstreamError


class PosterizeCodec(Codec):
    """Every sample rounded to a multiple of `step`, 1 to 128."""

    name, kind, extension, quality_name = "posterize", "picture", "post", "step"

    def encode(self, image, step=32):
        image, step = check_array(image, (3,)), int(check_quality("step", step, 1, 128))
        head = bytes([step]) + b"".join(side.to_bytes(2, "big") for side in image.shape[:2])
        return head + zlib.compress((image // step).tobytes(), 9)

    def decode(self, data):
        data = check_bytes(data)
        step, height, width = data[:1], int.from_bytes(data[1:3], "big"), int.from_bytes(data[3:5], "big")
        check_size(width, height, "posterize")
        try:
            levels = zlib.decompressobj().decompress(data[5:], height * width * 3)
            levels = np.frombuffer(levels, np.uint8).reshape(height, width, 3)
        except (zlib.error, ValueError) as error:
            raise BitstreamError(f"posterize: {error}") from None
        return (levels.astype(int) * step[0] + step[0] // 2).clip(0, 255).astype(np.uint8)
