"""Our own lossless coder of label maps: candidate labels asked for one by one, mixed contexts, a binary range coder.

Layers, one file each: `logistic` (probabilities and logits in integers), `rangecoder`, `contexts` (neighbours and
candidates), `network` (the trained part), `mixer`, `model` (the order of things for a pixel), `prior` (what training
left), `stream` (header, checksum). Everything that decides a byte is an integer. Importing this module imports numba.
"""

import numpy as np

from spic.codecs.base import Codec, check_array, check_bytes
from spic.codecs.labelmap.prior import SHIPPED, Prior, read_prior, shipped_prior
from spic.codecs.labelmap.stream import VERSION, decode, encode
from spic.errors import ConfigError

__all__ = ["LabelMapCodec", "LabelMapPlainCodec", "Prior", "read_prior", "shipped_prior"]


class LabelMapPlainCodec(Codec):
    """Lossless coder of label maps (H, W) with ids 0..255, that learns everything from the map itself."""

    name = "labelmap-plain"
    kind = "label"
    extension = "lmap"
    quality_name = None

    def prior(self) -> Prior | None:
        """What the coder begins with."""
        return None

    def versions(self) -> dict[str, str]:
        return super().versions() | {"stream": str(VERSION)}

    def encode(self, image: np.ndarray, **quality) -> bytes:
        """Code uint8 (H, W) without loss; `DataError` for any other array."""
        if quality:
            raise ConfigError(f"{self.name} is lossless and has no setting {', '.join(quality)}")
        return encode(check_array(image, (), labels=True), self.prior())

    def decode(self, data: bytes) -> np.ndarray:
        """Return uint8 (H, W); `BitstreamError` if `data` is damaged or was coded with another prior."""
        return decode(check_bytes(data), self.prior())


class LabelMapCodec(LabelMapPlainCodec):
    """The same with a prior learned from street maps: the shipped one, or that of a file."""

    name = "labelmap"

    def __init__(self, prior_file=None):
        self._file = prior_file
        self._prior: Prior | None = None

    def versions(self) -> dict[str, str]:
        """With the hash of the prior's file."""
        from spic.weights import sha256, shipped

        return super().versions() | {"prior": sha256(self._file or shipped(SHIPPED))}

    def prior(self) -> Prior:
        """The prior, read on first use; `WeightsError` if its file is missing or damaged."""
        if self._prior is None:
            self._prior = read_prior(self._file) if self._file else shipped_prior()
        return self._prior
