"""The receiver: the bytes of a `.spic` file to an image."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from spic.bitstream import SpicFile, read_spic
from spic.codecs import get_codec
from spic.codecs.base import at_most
from spic.errors import BitstreamError, ConfigError, DataError, WeightsError
from spic.pictures.labels import get_label_space
from spic.pictures.limits import MAX_PIXELS
from spic.pictures.reading import as_pixels
from spic.pictures.sizes import COARSE_FACTOR, resize, upscale
from spic.scsrdm.info import DecoderInfo, describe_decoder
from spic.scsrdm.sampling import Sampling

MAX_STEPS = 100  # network passes that a file may ask for, so that nobody's bytes keep a receiver busy for hours


@dataclass(frozen=True)
class Parts:
    """What a file says without the diffusion model: the same pixels on every machine."""

    file: SpicFile
    ssm: np.ndarray
    coarse: np.ndarray


class Receiver:
    """Rebuilds images from `.spic` files.

    Parameters
    ----------
    weights : path-like, optional
        Of the decoder; None takes the shipped one.
    any_weights : bool
        Decode files that were made for other decoder weights too.
    max_pixels : int
        Larger images are refused before anything is allocated.
    max_steps : int
        Files that recommend more network passes are refused (unless `sampling` overrules them).
    sampling : dict, optional
        Settings of `spic.scsrdm.sample` (sampler, steps, start, timesteps, guidance) that overrule the file's.
    seed : int, optional
        Overrules the file's.
    void_is_null : bool
        Void is the null condition of guidance also for weights that have a class for it.
    device, dtype : str
        As in `spic.machine`.
    """

    def __init__(
        self,
        weights=None,
        *,
        any_weights: bool = False,
        max_pixels: int = MAX_PIXELS,
        max_steps: int = MAX_STEPS,
        sampling: dict | None = None,
        seed: int | None = None,
        void_is_null: bool = False,
        device: str = "auto",
        dtype: str = "auto",
    ):
        self.weights, self.any_weights = weights, any_weights
        self.max_pixels, self.max_steps = max_pixels, max_steps
        self.sampling, self.seed = sampling, seed
        self._options = {"device": device, "dtype": dtype, "void_is_null": void_is_null}

    @cached_property
    def info(self) -> DecoderInfo:
        """Id and settings of the decoder's weights."""
        return describe_decoder(self.weights)

    @cached_property
    def decoder(self):
        """The network, loaded when the first image is rebuilt."""
        from spic.scsrdm.decoder import Decoder

        return Decoder(self.info.path, **self._options)

    def decode(self, data: bytes) -> np.ndarray:
        """Rebuild an image.

        Parameters
        ----------
        data : bytes
            A `.spic` file.

        Returns
        -------
        numpy.ndarray
            uint8 sRGB (H, W, 3) at the original size.

        Raises
        ------
        BitstreamError
            The bytes are damaged or hostile, or need what this version lacks.
        WeightsError
            The file was made for other decoder weights.
        """
        return self.decode_all([data])[0]

    def decode_all(self, files: list[bytes], noise=None) -> list[np.ndarray]:
        """Rebuild several images as `decode` does, at once where they have one working size and one sampling.

        `noise(shape)` takes the place of their own noise: one source for all of them, in their order.
        """
        parts = [self.parts(data) for data in files]
        settings = [self._sampling(part.file) for part in parts]
        if len({part.file.size for part in parts}) > 1 or any(s != settings[0] for s in settings):
            return [self.decode_all([data], noise)[0] for data in files]
        seeds = [(part.file if self.seed is None else replace(part.file, seed=self.seed)).noise_seed for part in parts]
        pictures = self._rebuild(parts, noise or seeds, settings[0])
        return [resize(p, part.file.original_size) for p, part in zip(pictures, parts, strict=True)]

    def parts(self, data: bytes) -> Parts:
        """Decode SSM, uint8 (H, W), and coarse image, uint8 (H / 4, W / 4, 3); needs no network, loads no torch."""
        file = read_spic(data, self.max_pixels)
        space = _known(get_label_space, file.label_space)
        codecs = _known(get_codec, file.ssm_codec), _known(get_codec, file.coarse_codec)
        height, width = file.size
        with at_most(height * width):  # a payload that claims more than the file is refused before it allocates
            ssm = codecs[0].decode(file.ssm)
        with at_most(height * width // COARSE_FACTOR**2):
            coarse = codecs[1].decode(file.coarse)
        if ssm.shape != file.size or coarse.shape[:2] != file.coarse_size:
            raise BitstreamError(f".spic: SSM {ssm.shape} and coarse picture {coarse.shape} are not as the file says")
        try:
            space.check(ssm, ".spic")
        except DataError as error:
            raise BitstreamError(str(error)) from None
        return Parts(file, ssm, as_pixels(coarse))

    def preview(self, data: bytes) -> np.ndarray:
        """The coarse image enlarged to the original size: what there is without the diffusion model."""
        parts = self.parts(data)
        return upscale(parts.coarse, parts.file.original_size)

    def _sampling(self, file: SpicFile) -> Sampling:
        """How to sample for a file, after checking that the decoder is meant for it."""
        if file.weights_id != self.info.weights_id and not self.any_weights:
            raise WeightsError(
                f"made for decoder weights {file.weights_id}, these are {self.info.weights_id}: take the right ones "
                "or decode with these by --any-weights (the picture will differ)"
            )
        if self.info.label_space not in (None, file.label_space):
            raise WeightsError(f"label space {file.label_space}; this decoder knows {self.info.label_space}")
        recommended = file.sampling or self.info.sampling
        sampling = recommended.merge(self.sampling or {})
        if sampling.passes > self.max_steps and not self.sampling:
            raise BitstreamError(
                f".spic: asks for {sampling.passes} network passes, at most {self.max_steps} are allowed"
            )
        return sampling

    def _rebuild(self, parts: list[Parts], seeds, sampling: Sampling) -> list[np.ndarray]:
        batch = None if self.decoder.device.startswith("cuda") else 1
        # One at a time an image is independent of its companions to the bit, and on a CPU as fast.
        ssm, coarse = (np.stack([getattr(part, name) for part in parts]) for name in ("ssm", "coarse"))
        try:
            return list(self.decoder(ssm, coarse, seeds, sampling, batch))
        except DataError as error:  # sizes that the network can not take; here they come from the bytes
            raise BitstreamError(str(error)) from None


def _known(find, name: str):
    """`find(name)`; a name that comes from bytes and is not known is an error of the bytes."""
    try:
        return find(name)
    except (ConfigError, DataError) as error:
        raise BitstreamError(f".spic: {error}") from None
