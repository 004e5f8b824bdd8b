"""What a method is: a way to code an image, as the benchmark sees it: parts of bytes out, an image back in.

A *method* has *points*, settings of its rate. The workflow writes every part to a file of its own, and the sum of the
file sizes is the rate; decoding sees nothing but those bytes (and the decoder's weights).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from spic.machine import AUTO, Machine
from spic.scsrdm.info import shipped_decoder

BATCH = 4  # images a method decodes at once


@dataclass(frozen=True)
class Picture:
    """What a transmitter has: uint8 sRGB `pixels` (H, W, 3) and, where a method sends one, the uint8 `ssm` (H, W)."""

    pixels: np.ndarray
    ssm: np.ndarray | None = None


@dataclass(frozen=True)
class Settings:
    """Choices that hold for a whole run: codec names, decoder weights (None: shipped, if they are), machine and so on.

    `coarse_codec` "lossless" is the paper's first approach, the coarse image without source coding loss.
    `method_options` has the options of each method by its name; `get_method` hands a method of another package its own
    as `options`, just as the config has them.
    """

    ssm_codec: str = "flif"
    coarse_codec: str = "bpg"
    decoder_weights: str | None = None
    spic_20_weights: str | None = None
    sr_weights: str | None = None
    sdm_weights: str | None = None
    ldm_weights: str | None = None
    learned_python: str | None = None
    machine: Machine = AUTO
    seed: int = 0
    protocol: str = "corrected"
    method_options: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)


class Method(ABC):
    """One way to code an image.

    Attributes
    ----------
    parameter : str or tuple of str
        Name of the setting that a point fixes, as configs spell it ("qp", "coarse_qp", "bpp"). Where there are several,
        a value of a point is {name: number}.
    quality_range : (number, number, number) or None
        Its range as `Codec.quality_range` has it; None: `spic compare` cannot look for a rate.
    needs_ssm : bool
        Whether `encode` wants `Picture.ssm`.
    decoder : str or None
        Which of the `Settings` names the weights of its decoder, if it has one: "decoder_weights" and so on.
    of_clips : bool
        Whether it codes an image given those before it in its chunk.
    follows_protocol : bool
        Whether coded bytes or images depend on `Settings.protocol`; the workflow then keeps them apart.
    counts_officially : bool
        Whether `official_parts` differs from what `encode` makes.
    reads : tuple of str
        Further `Settings` that results depend on, and `libraries`, whose versions do.
    message_names : tuple of str
        What `messages` gives.
    has_rate : bool
        Whether its bytes are a rate in bits per pixel.
    """

    parameter: str | tuple[str, ...]
    quality_range = None
    needs_ssm = False
    decoder = None
    of_clips = False
    follows_protocol = False
    counts_officially = False
    reads: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    message_names = ("image",)
    has_rate = True

    def __init__(self, settings: Settings):
        self.settings = settings

    def files(self) -> list[str]:
        """Files that results depend on beside the decoder's weights: by content, the workflow computes anew."""
        return []

    @property
    def missing(self) -> str | None:
        """The setting without which this method can not decode: names weights, is not given, and none are shipped."""
        if self.decoder is None or getattr(self.settings, self.decoder) is not None or shipped_decoder(self.decoder):
            return None
        return self.decoder

    @property
    def lack(self) -> str | None:
        """What this method needs and has not, in words that follow "method NAME needs"; None where it is ready."""
        return f"{self.missing}, and none are shipped (docs/decoder.md)" if self.missing else None

    def check_point(self, value) -> None:
        """`ConfigError` where no image of the working size can be coded at the point `value`; asked before a run."""
        return None

    @abstractmethod
    def encode(self, picture: Picture, value) -> dict[str, bytes]:
        """Code `picture` at the point `value`: part name ("ssm", "coarse", "picture") to bytes."""

    @abstractmethod
    def decode(self, parts: list[dict[str, bytes]], names: list[str]) -> list[np.ndarray]:
        """Rebuild a few images, uint8 (H, W, 3), from their parts.

        `names` are for methods that draw random numbers and store no seed: one generator per image, so that its
        result does not depend on its neighbours. Damaged parts raise `BitstreamError`.
        """

    def encode_chunk(self, pictures: Iterable[Picture], value) -> Iterator[dict[str, bytes]]:
        """Yield the parts of each image of a chunk, in their order; a method of clips codes each given those before."""
        for picture in pictures:
            yield self.encode(picture, value)

    def decode_chunk(self, parts: list[dict[str, bytes]], names: list[str]) -> Iterator[np.ndarray]:
        """Yield the images of a chunk, in their order, as `decode` does."""
        for start in range(0, len(names), BATCH):
            yield from self.decode(parts[start : start + BATCH], names[start : start + BATCH])

    def official_parts(self, picture: Picture, value) -> dict[str, bytes]:
        """The files whose bytes the authors' scripts count for this image, {"part.extension": bytes}.

        Nobody decodes them. Only asked where `counts_officially`.
        """
        raise NotImplementedError

    def sizes(self, parts: dict[str, bytes]) -> dict[str, int]:
        """Bytes that one coded image costs, by what they are spent on; by default the length of each part.

        The sum over "ssm", "coarse" and "picture" is the rate `bpp`. Where a file holds more than its payloads, "file"
        is the length of all that is sent (`bpp_file`); without that key the payloads are all that is sent.
        """
        return {part: len(data) for part, data in parts.items()}

    def messages(self, parts: dict[str, bytes]) -> dict[str, bytes]:
        """What a coded image is sent as over a noisy channel, {message: bytes}: each arrives whole or is lost.

        By default one message, "image", of all parts.
        """
        return {"image": b"".join(parts.values())}

    def stand_ins(self, value) -> dict[tuple[str, ...], list[tuple[str, dict]]]:
        """What shows an image of which some messages are lost: {messages that arrived: [(method, its point), ...]}.

        The first point that the run has is taken; where there is none the image is lost.
        """
        return {}

    def extension(self, part: str) -> str:
        """File extension of a part, without the dot."""
        return self.codecs()[part].extension

    @abstractmethod
    def codecs(self) -> dict:
        """Part name to the codec that makes it."""

    def counted_codecs(self) -> dict:
        """The same for `official_parts`."""
        return self.codecs()
