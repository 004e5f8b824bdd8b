"""FLIF16, the lossless format the SPIC paper sends segmentation maps in: our own decoder and encoder.

The format in layers, one file each: `rangecoder`, `integers`, `trees` (which context codes a value), `scanlines` and
`interlaced` (pixel order, prediction, properties), `ranges`, `transforms`, `header`; `decoder` and `encoder` put them
in the order of the file, `learn` grows the trees. Importing this module imports numba.
"""

import numpy as np

from spic.codecs.base import Codec, check_array, check_bytes
from spic.codecs.flif.decoder import decode
from spic.codecs.flif.encoder import encode
from spic.errors import ConfigError

__all__ = ["FlifCodec"]


class FlifCodec(Codec):
    """Lossless coder of label maps (H, W) and, without its compression tuned for them, of images (H, W, 3 or 4)."""

    name = "flif"
    kind = "label"
    extension = "flif"
    quality_name = None

    def encode(self, image: np.ndarray, **quality) -> bytes:
        """Code uint8 (H, W), (H, W, 3) or (H, W, 4) as a FLIF16 file; `DataError` for any other array."""
        if quality:
            raise ConfigError(f"flif is lossless and has no setting {', '.join(quality)}")
        image = check_array(image, (3, 4), labels=True)
        return encode(image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0))

    def decode(self, data: bytes) -> np.ndarray:
        """Return uint8 (H, W) of a gray file, (H, W, 3 or 4) of a colour file; `BitstreamError` if it is damaged."""
        planes = decode(check_bytes(data))
        return planes[0] if len(planes) == 1 else np.ascontiguousarray(np.moveaxis(planes, 0, 2))
