"""The receiver: the bytes of a `.spic` file to an image."""

import logging
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from spic.bitstream import SpicFile, read_spic
from spic.codecs import get_codec
from spic.codecs.base import at_most
from spic.codecs.residual import add_residual
from spic.errors import BitstreamError, ConfigError, DataError, WeightsError
from spic.pictures.labels import get_label_space
from spic.pictures.limits import MAX_PIXELS
from spic.pictures.reading import as_pixels
from spic.pictures.sizes import resize, upscale
from spic.scsrdm.info import DecoderInfo, describe_decoder
from spic.scsrdm.sampling import Sampling
from spic.weights import known_as

LOG = logging.getLogger(__name__)
MAX_STEPS = 100  # network passes that a file may ask for, so that nobody's bytes keep a receiver busy for hours
_NOTES = {
    "ssm": "the SSM is missing; decoded from the coarse image alone",
    "coarse": "the coarse image is missing; decoded from the SSM alone",
    "residual": "the residual is left out; it fits the file's own weights, sampling, seed, SSM and coarse image only",
}


@dataclass(frozen=True)
class Parts:
    """What a file says without the diffusion model, the same pixels on every machine; None for what it lacks."""

    file: SpicFile
    ssm: np.ndarray | None
    coarse: np.ndarray | None
    residual: np.ndarray | None = None

    def get(self, name: str) -> np.ndarray:
        """Part "ssm" or "coarse"; `BitstreamError` where it is missing."""
        if name in self.file.missing:
            raise BitstreamError(f".spic: {_NOTES[name].partition(';')[0]}")
        return getattr(self, name)


class Receiver:
    """Rebuilds images from `.spic` files.

    A file without an SSM is decoded by the decoder of method `sr`, one without a coarse image by that of `sdm`, which
    has to invent colours and light.
    With a residual the network runs in float32.

    Parameters
    ----------
    weights : path-like, optional
        Of the decoder: a file, or the name of shipped ones; None takes the shipped "street-decoder".
    any_weights : bool
        Decode files that were made for other decoder weights too, with a warning. Those made for what an earlier
        release had under the name of these weights are decoded in any case, with one.
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
    sr_weights, sdm_weights : path-like, optional
        Of the decoders that see the coarse image alone, and the SSM alone, as above; None takes the shipped
        "street-sr" and "street-sdm".
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
        sr_weights=None,
        sdm_weights=None,
        device: str = "auto",
        dtype: str = "auto",
    ):
        self.weights, self.any_weights = weights, any_weights
        self.max_pixels, self.max_steps = max_pixels, max_steps
        self.sampling, self.seed = sampling, seed
        self._machine, self._void_is_null = {"device": device, "dtype": dtype}, void_is_null
        self._one_sided = {"sr_weights": sr_weights, "sdm_weights": sdm_weights}
        self._stand_ins = {}

    @cached_property
    def info(self) -> DecoderInfo:
        """Id and settings of the decoder's weights."""
        return describe_decoder(self.weights)

    @cached_property
    def decoder(self):
        """The network, loaded when the first image is rebuilt."""
        from spic.scsrdm.decoder import Decoder

        return Decoder(self.info.path, **self._machine, void_is_null=self._void_is_null)

    @cached_property
    def exact_decoder(self):
        """The same in float32: what a residual was taken against."""
        from spic.scsrdm.decoder import Decoder

        if self.decoder.dtype == "float32":
            return self.decoder
        return Decoder(self.info.path, self._machine["device"], "float32", void_is_null=self._void_is_null)

    def decode(self, data: bytes) -> np.ndarray:
        """Rebuild an image; logs a warning for each of the `notes`.

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
            The bytes are damaged or hostile, or need what this version lacks; SSM and coarse image are both missing.
        ConfigError
            A part is missing, and the decoder that is named for the other one alone was trained for something else.
        WeightsError
            The file was made for other decoder weights, and that is not allowed; its SSM is of another label space.
        """
        (image,) = self.decode_all([data])
        for note in self.notes(data):
            LOG.warning(".spic: %s", note)
        return image

    def notes(self, data: bytes) -> list[str]:
        """Why the image is not the one that was meant, a sentence each: other weights, parts missing or left out."""
        return self.notes_on(read_spic(data, self.max_pixels))

    def notes_on(self, file: SpicFile) -> list[str]:
        """The same of a file that is read already."""
        other = self._other_weights(file)
        left_out = file.residual is not None and not self._residual_fits(file)
        return [*filter(None, [other]), *(_NOTES[name] for name in (*file.missing, *["residual"] * left_out))]

    def decode_all(self, files: list[bytes], noise=None) -> list[np.ndarray]:
        """Rebuild several images as `decode` does, at once where they have one working size and one sampling.

        `noise(shape)` takes the place of their own noise: one source for all of them, in their order.
        """
        return self.rebuild([self.parts(data) for data in files], noise)

    def rebuild(self, parts: list[Parts], noise=None) -> list[np.ndarray]:
        """The same for files whose parts are decoded already."""
        settings = [self._sampling(part.file) for part in parts]
        alike = {(part.file.size, part.file.missing, part.residual is None) for part in parts}
        if len(alike) > 1 or any(s != settings[0] for s in settings):
            return [self.rebuild([part], noise)[0] for part in parts]
        seeds = [(part.file if self.seed is None else replace(part.file, seed=self.seed)).noise_seed for part in parts]
        pictures = self._rebuild(parts, noise or seeds, settings[0])
        for i, part in enumerate(parts):
            if part.residual is not None and noise is None and self._residual_fits(part.file):
                pictures[i] = add_residual(pictures[i], part.residual, part.file.residual.scale)
        return [resize(p, part.file.original_size) for p, part in zip(pictures, parts, strict=True)]

    def parts(self, data: bytes) -> Parts:
        """Decode what a file holds; needs no network, loads no torch.

        That is SSM, uint8 (H, W), coarse image, uint8 (H / 4, W / 4, 3), and coded residual, uint8 (H, W, 3).
        """
        file = read_spic(data, self.max_pixels)
        space = _known(get_label_space, file.label_space)
        ssm = _decode(file.ssm_codec, file.ssm, file.size, (2,))
        coarse = _decode(file.coarse_codec, file.coarse, file.coarse_size)
        residual = file.residual and _decode(file.residual.codec, file.residual.data, file.size)
        if ssm is not None:
            try:
                space.check(ssm, ".spic")
            except DataError as error:
                raise BitstreamError(str(error)) from None
        return Parts(file, ssm, *(None if image is None else as_pixels(image) for image in (coarse, residual)))

    def preview(self, data: bytes) -> np.ndarray:
        """The coarse image enlarged to the original size: what there is without the diffusion model."""
        parts = self.parts(data)
        return upscale(parts.get("coarse"), parts.file.original_size)

    def _sampling(self, file: SpicFile) -> Sampling:
        """How to sample for a file, after checking that there is a decoder that is meant for it."""
        info = self._info(file)
        self._other_weights(file)
        if file.ssm is not None and info.label_space not in (None, file.label_space):
            raise WeightsError(f"label space {file.label_space}; this decoder knows {info.label_space}")
        own = not file.missing and file.weights_id == info.weights_id
        recommended = (file.sampling if own else None) or info.sampling  # the file's is for its own weights
        sampling = recommended.merge(self.sampling or {})
        if sampling.passes > self.max_steps and not self.sampling:
            raise BitstreamError(
                f".spic: asks for {sampling.passes} network passes, at most {self.max_steps} are allowed"
            )
        return sampling

    def _other_weights(self, file: SpicFile) -> str | None:
        """The note that the file was made for other weights, None where it was not; `WeightsError` if not allowed."""
        made, own = file.weights_id, self.info.weights_id
        if file.missing or made == own:
            return None
        known, now = known_as(made), known_as(own)
        if known and now and known.name == now.name and known.release and not now.release:
            drew = f"the image differs from what {known.release} drew"
            return f"made for {known}, decoded with the one of this version; {drew}"
        told = f"{made} ({known})" if known else made
        if self.any_weights:
            return f"made for decoder weights {told}, decoded with {now or self.info.path}; the image is another one"
        right = f"--decoder {known.name}" if known else "--decoder"
        raise WeightsError(
            f"made for decoder weights {told}, these are {own}: take the right ones by {right}, or these by "
            "--any-weights (the image will differ)"
        )

    def _info(self, file: SpicFile) -> DecoderInfo:
        """Of the decoder for what the file holds."""
        if len(file.missing) > 1:
            raise BitstreamError(".spic: SSM and coarse image are both missing")
        if not file.missing:
            return self.info
        setting = _stand_in(file)
        try:
            return describe_decoder(self._one_sided[setting], setting)
        except ConfigError as error:
            raise ConfigError(f"{_NOTES[file.missing[0]].partition(';')[0]}; {error}") from None

    def _residual_fits(self, file: SpicFile) -> bool:
        """Whether the image will be rebuilt just as the one that the residual was taken against."""
        recommended = file.sampling or self.info.sampling
        as_recommended = recommended.merge(self.sampling or {}) == recommended and self.seed in (None, file.seed)
        own = file.weights_id == self.info.weights_id and not self._void_is_null
        return own and as_recommended and not file.missing

    def _network(self, file: SpicFile):
        if not file.missing:
            return self.decoder if file.residual is None else self.exact_decoder
        from spic.scsrdm.decoder import one_sided

        setting = _stand_in(file)
        if setting not in self._stand_ins:
            self._stand_ins[setting] = one_sided(setting, self._one_sided[setting], **self._machine)
        return self._stand_ins[setting]

    def _rebuild(self, parts: list[Parts], seeds, sampling: Sampling) -> list[np.ndarray]:
        file = parts[0].file
        network = self._network(file)
        batch = None if network.device.startswith("cuda") else 1
        # One at a time an image is independent of its companions to the bit, and on a CPU as fast.
        if "ssm" in file.missing:
            ssm = np.zeros((len(parts), *file.size), np.uint8)
        else:
            ssm = np.stack([part.ssm for part in parts])
        if "coarse" in file.missing:
            coarse = np.zeros((len(parts), *file.coarse_size, 3), np.uint8)
        else:
            coarse = np.stack([part.coarse for part in parts])
        try:
            return list(network(ssm, coarse, seeds, sampling, batch))
        except DataError as error:  # sizes that the network can not take; here they come from the bytes
            raise BitstreamError(str(error)) from None


def _stand_in(file: SpicFile) -> str:
    """The setting whose weights decode a file of which one part is missing."""
    return {"ssm": "sr_weights", "coarse": "sdm_weights"}[file.missing[0]]


def _decode(codec: str, payload: bytes | None, size: tuple[int, int], dimensions=(2, 3)) -> np.ndarray | None:
    """The image of a payload, which must have that size; a codec that is not known is an error also without one."""
    codec = _known(get_codec, codec)
    if payload is None:
        return None
    with at_most(size[0] * size[1]):  # a payload that claims more than the file is refused before it allocates
        image = codec.decode(payload)
    if image.shape[:2] != size or image.ndim not in dimensions:
        raise BitstreamError(f".spic: a payload of {image.shape}, where the file says {size}")
    return image


def _known(find, name: str):
    """`find(name)`; a name that comes from bytes and is not known is an error of the bytes."""
    try:
        return find(name)
    except (ConfigError, DataError) as error:
        raise BitstreamError(f".spic: {error}") from None
