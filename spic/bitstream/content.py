"""What a `.spic` file holds, as a receiver sees it, and the limits of its sizes."""

import zlib
from dataclasses import dataclass

from spic.pictures.limits import COARSE_FACTOR
from spic.scsrdm.sampling import Sampling

MAX_SIDE = (1 << 16) - 1
MAX_SCALE = 255
PARTS = {"ssm": "SSM", "coarse": "coarse image", "residual": "residual"}  # attributes of a file, in their order


@dataclass(frozen=True)
class Residual:
    """The original minus the rebuilt image, both at working size, coded as an image.

    Attributes
    ----------
    codec : str
        Name of a codec that has a number in the format.
    scale : int
        Levels per level of the coded image, 1 to 255: where that is v, the residual is scale * (v - 128).
    data : bytes
        A complete file of the codec.
    """

    codec: str
    scale: int
    data: bytes

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class SpicFile:
    """What a `.spic` file holds.

    Attributes
    ----------
    size, original_size : (int, int)
        Height and width of the SSM (4 times those of the coarse image), and of the image before it was resized.
    label_space : str
        Name of the SSM's label space.
    ssm_codec, coarse_codec : str
        Names in `spic.codecs.get_codec`.
    weights_id : str
        First 8 hexadecimal digits of the SHA-256 of the decoder's weights file.
    ssm, coarse : bytes or None
        Payloads, complete files of their codecs; None for one that is missing.
    sampling : spic.scsrdm.sampling.Sampling or None
        Recommended settings; None recommends the weights' own.
    seed : int
        Chosen by the sender, 0 to 2**63 - 1.
    residual : Residual or None
        What is to be added to the rebuilt image.
    """

    size: tuple[int, int]
    original_size: tuple[int, int]
    label_space: str
    ssm_codec: str
    coarse_codec: str
    weights_id: str
    ssm: bytes | None
    coarse: bytes | None
    sampling: Sampling | None = None
    seed: int = 0
    residual: Residual | None = None

    @property
    def coarse_size(self) -> tuple[int, int]:
        """Height and width of the coarse image."""
        return self.size[0] // COARSE_FACTOR, self.size[1] // COARSE_FACTOR

    @property
    def noise_seed(self) -> int:
        """Seed of the decoder's noise, 0 to 2**32 - 1: differs from image to image, not from QP to QP."""
        return zlib.crc32(self.ssm or b"") ^ (self.seed * 0x9E3779B1 & 0xFFFFFFFF)

    @property
    def missing(self) -> tuple[str, ...]:
        """Which of "ssm" and "coarse" the file lacks."""
        return tuple(name for name in ("ssm", "coarse") if getattr(self, name) is None)

    @property
    def bytes_of_parts(self) -> dict[str, int]:
        """Length of the payload of each part, "ssm", "coarse" and "residual"; 0 for one that the file lacks."""
        return {name: len(getattr(self, name) or b"") for name in PARTS}

    @property
    def bpp(self) -> float:
        """Rate as the paper counts it: bits of all payloads per pixel of the working size."""
        return 8 * sum(self.bytes_of_parts.values()) / (self.size[0] * self.size[1])


def check_sizes(size, original_size, max_pixels: int, error) -> None:
    """Raise `error`, an exception type, for (height, width) that a file can not say, or of more than `max_pixels`."""
    for what, (height, width) in (("working", size), ("original", original_size)):
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
            raise error(f".spic: {what} size {width}x{height} is out of range (sides of 1 to {MAX_SIDE} pixels)")
        if height * width > max_pixels:
            raise error(f".spic: {what} size {width}x{height} is out of range (max_pixels is {max_pixels})")
    if size[0] % COARSE_FACTOR or size[1] % COARSE_FACTOR:
        raise error(f".spic: sides of the working size must be multiples of {COARSE_FACTOR}, not {tuple(size)}")


def check_parts(file: SpicFile, error) -> None:
    """Raise `error` for parts that are there and empty, and for a residual's scale that a file can not say."""
    for name, spelled in PARTS.items():
        part = getattr(file, name)
        if part is not None and not len(part):
            raise error(f".spic: the payload of the {spelled} is empty")
    if file.residual is not None and not 1 <= file.residual.scale <= MAX_SCALE:
        raise error(f".spic: the scale {file.residual.scale} of the residual is out of range")
