"""Ways to code a picture, as the benchmark sees them: parts of bytes out, a picture back in.

A *method* has *points*, settings of its rate. The workflow writes every part to a file of its own, and the sum of the
file sizes is the rate; decoding sees nothing but those bytes (and the decoder's weights). Methods of other packages
join by an entry point of the group `spic.methods`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from spic import registry
from spic.codecs import get_codec
from spic.errors import BitstreamError, ConfigError, DataError
from spic.images import COARSE_FACTOR, MAX_PIXELS, downscale, upscale


@dataclass(frozen=True)
class Picture:
    """What a transmitter has: uint8 sRGB `pixels` (H, W, 3) and, where a method sends one, the uint8 `ssm` (H, W)."""

    pixels: np.ndarray
    ssm: np.ndarray | None = None


@dataclass(frozen=True)
class Settings:
    """Choices that hold for a whole run: codec names, decoder weights (None: shipped), device and so on."""

    ssm_codec: str = "flif"
    coarse_codec: str = "bpg"
    decoder_weights: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    torch_threads: int | None = None
    seed: int = 0


class Method(ABC):
    """One way to code a picture.

    Attributes
    ----------
    parameter : str
        Name of the setting that a point fixes, as configs spell it ("qp", "coarse_qp", "bpp").
    needs_ssm : bool
        Whether `encode` wants `Picture.ssm`.
    """

    parameter: str
    needs_ssm = False

    def __init__(self, settings: Settings):
        self.settings = settings

    @abstractmethod
    def encode(self, picture: Picture, value) -> dict[str, bytes]:
        """Code `picture` at the point `value`: part name ("ssm", "coarse", "picture") to bytes."""

    @abstractmethod
    def decode(self, parts: list[dict[str, bytes]], names: list[str]) -> list[np.ndarray]:
        """Rebuild a few pictures, uint8 (H, W, 3), from their parts.

        `names` seed whatever is random, one generator a picture, so that a picture's result does not depend on
        its neighbours. Damaged parts raise `BitstreamError`.
        """

    def extension(self, part: str) -> str:
        """File extension of a part, without the dot."""
        return self.codecs()[part].extension

    @abstractmethod
    def codecs(self) -> dict:
        """Part name to the codec that makes it."""


class CodecMethod(Method):
    """The whole picture by one lossy codec: `bpg`, `jpeg2000`."""

    def __init__(self, settings: Settings, codec: str):
        super().__init__(settings)
        self.codec = get_codec(codec)
        self.parameter = self.codec.quality_name

    def codecs(self):
        return {"picture": self.codec}

    def encode(self, picture, value):
        return {"picture": self.codec.encode(picture.pixels, **{self.parameter: value})}

    def decode(self, parts, names):
        return [_rgb(self.codec.decode(part["picture"])) for part in parts]


class UpsampledMethod(Method):
    """The coarse picture alone, upsampled by bicubic interpolation: what the SSM and the model must beat."""

    parameter = "coarse_qp"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        if get_codec(settings.coarse_codec).quality_name is None:
            raise ConfigError(f"coarse_codec {settings.coarse_codec!r} is lossless: its rate cannot be set")

    def codecs(self):
        return {"coarse": get_codec(self.settings.coarse_codec)}

    def encode(self, picture, value):
        codec = self.codecs()["coarse"]
        return {"coarse": codec.encode(downscale(picture.pixels), **{codec.quality_name: value})}

    def decode(self, parts, names):
        return [upscale(c, (c.shape[0] * COARSE_FACTOR, c.shape[1] * COARSE_FACTOR)) for c in self._coarse(parts)]

    def _coarse(self, parts) -> list[np.ndarray]:
        codec = self.codecs()["coarse"]
        coarse = [_rgb(codec.decode(part["coarse"])) for part in parts]
        for picture in coarse:
            if picture.shape[0] * picture.shape[1] * COARSE_FACTOR**2 > MAX_PIXELS:
                raise BitstreamError(f"a coarse picture of {picture.shape[1]}x{picture.shape[0]} is too large")
        return coarse


class SpicMethod(UpsampledMethod):
    """The paper's method: SSM coded losslessly, coarse picture by BPG, both decoded and joined by SCSRDM."""

    needs_ssm = True

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._decoder = None

    def codecs(self):
        return {"ssm": get_codec(self.settings.ssm_codec), **super().codecs()}

    def encode(self, picture, value):
        if picture.ssm is None or picture.ssm.shape != picture.pixels.shape[:2]:
            raise DataError("the method spic needs an SSM of the picture's size")
        return {"ssm": self.codecs()["ssm"].encode(picture.ssm), **super().encode(picture, value)}

    def decode(self, parts, names):
        if self._decoder is None:
            from spic.devices import set_threads
            from spic.scsrdm.decoder import Decoder

            set_threads(self.settings.torch_threads)
            self._decoder = Decoder(self.settings.decoder_weights, self.settings.device, self.settings.dtype)
        codec = self.codecs()["ssm"]
        ssm, coarse = [codec.decode(part["ssm"]) for part in parts], self._coarse(parts)
        for labels, picture in zip(ssm, coarse, strict=True):
            if labels.ndim != 2 or labels.shape != tuple(COARSE_FACTOR * side for side in picture.shape[:2]):
                raise BitstreamError(f"an SSM of {labels.shape} does not belong to a coarse picture {picture.shape}")
        if len({labels.shape for labels in ssm}) > 1:
            raise BitstreamError("the pictures of a batch differ in size")
        seeds = [picture_seed(name, self.settings.seed) for name in names]
        try:
            return list(self._decoder(np.stack(ssm), np.stack(coarse), seeds))
        except DataError as error:  # sizes that the network cannot take; here they come from the bytes
            raise BitstreamError(str(error)) from None


def _rgb(picture: np.ndarray) -> np.ndarray:
    """What a codec gave, (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), as (H, W, 3): gray repeated, alpha dropped."""
    picture = picture[..., None] if picture.ndim == 2 else picture
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture[..., :3]


def picture_seed(name: str, seed: int) -> int:
    """Seed of one picture's noise: depends on its name and the run's seed, not on its place in a batch."""
    import zlib

    return zlib.crc32(name.encode()) ^ (seed * 0x9E3779B1 & 0xFFFFFFFF)


_BUILT_IN = {
    "spic": SpicMethod,
    "upsampled": UpsampledMethod,
    "bpg": lambda settings: CodecMethod(settings, "bpg"),
    "jpeg2000": lambda settings: CodecMethod(settings, "jpeg2000"),
}


def method_names() -> list[str]:
    """Names that `get_method` knows, sorted, entry points included."""
    return registry.names("spic.methods", _BUILT_IN)


def get_method(name: str, settings: Settings | None = None) -> Method:
    """Return the method called `name`; `ConfigError` lists the known ones."""
    return registry.find("spic.methods", _BUILT_IN, name, "method")(settings or Settings())


def point_name(parameter: str, value) -> str:
    """Name of a point, also its folder: `qp30`, `coarse_qp35`, `bpp0.25`."""
    return f"{parameter}{value}"
