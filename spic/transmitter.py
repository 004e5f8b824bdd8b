"""The transmitter: an image to the bytes of a `.spic` file.

    >>> from spic import Receiver, Transmitter            # doctest: +SKIP
    >>> bits = Transmitter().encode(image)                # doctest: +SKIP
    >>> rebuilt = Receiver().decode(bits)                 # doctest: +SKIP

docs/python-api.md has examples that run, docs/spic-format.md the file format.
"""

import logging
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from spic.bitstream import Residual, SpicFile, check_sizes, write_spic
from spic.codecs import get_codec, residual
from spic.errors import ConfigError, DataError
from spic.pictures.labels import get_label_space
from spic.pictures.limits import MAX_PIXELS
from spic.pictures.reading import as_pixels
from spic.pictures.sizes import COARSE_FACTOR, downscale, enlarge_labels, resize, working_size
from spic.pictures.streets import looks_like_a_street
from spic.scsrdm.info import describe_decoder

LOG = logging.getLogger(__name__)
NO_STREET = "warning: this does not look like a street; the shipped networks only know street scenes"
_SIZE_MULTIPLE = 16  # of working sizes, at least


@dataclass(frozen=True)
class Prepared:
    """An image at working size with its SSM: what is coded.

    Attributes
    ----------
    pixels : numpy.ndarray
        uint8 sRGB (H, W, 3).
    ssm : numpy.ndarray
        uint8 (H, W).
    original_size : (int, int)
        Height and width of the image as it came.
    is_street : bool or None
        Whether the SSM is that of a street (see `spic.pictures.streets`); None where that was not asked.
    """

    pixels: np.ndarray
    ssm: np.ndarray
    original_size: tuple[int, int]
    is_street: bool | None = None


class Transmitter:
    """Makes `.spic` files.

    Parameters
    ----------
    segmenter : str
        Name in `spic.segmentation.get_segmenter`; it loads with the first image that comes without an SSM.
    segmenter_weights, decoder_weights : path-like, optional
        Of the segmenter, and of the decoder the file is meant for (only its id and settings are read): a file, of the
        decoder also the name of shipped ones. None: shipped.
    ssm_codec, coarse_codec : str
        Names in `spic.codecs.get_codec`.
    quality : number, optional
        Setting of the coarse codec: its `qp` (0..51, BPG), `bpp`, `quality`; the codec's own choice by default.
    target_bpp : float, optional
        Instead of `quality`: the best one at this rate or below, in bits of both payloads a pixel of the working size.
    residual_qp : int, optional
        Send the residual too, what the image differs from the one that the receiver rebuilds, by BPG at this `qp`. The
        image is rebuilt for that on the CPU in float32.
    sampling : dict, optional
        What to recommend to the receiver instead of the decoder weights' own settings: some of sampler, steps, start,
        timesteps, guidance. Those that equal the weights' own take no bytes.
    seed : int
        0 to 2**63 - 1; 0 takes no bytes.
    simplify : int
        Islands of the SSM under so many pixels go to their surroundings before it is coded; 0 keeps it as it is.
    native : bool
        Keep the image's own size instead of reducing its longer side to 512.
    device, dtype : str
        Of the segmenter, as in `spic.machine`.

    Raises
    ------
    ConfigError, WeightsError
        For settings and weights that do not exist or do not fit each other.
    """

    def __init__(
        self,
        segmenter: str = "street",
        segmenter_weights=None,
        decoder_weights=None,
        *,
        ssm_codec: str = "flif",
        coarse_codec: str = "bpg",
        quality=None,
        target_bpp: float | None = None,
        residual_qp: int | None = None,
        sampling: dict | None = None,
        seed: int = 0,
        simplify: int = 0,
        native: bool = False,
        device: str = "auto",
        dtype: str = "auto",
    ):
        self.ssm_codec, self.coarse_codec = get_codec(ssm_codec), get_codec(coarse_codec)
        if not self.ssm_codec.takes("label") or self.ssm_codec.quality_name:
            raise ConfigError(f"ssm_codec {ssm_codec!r} does not code label maps without loss")
        if not self.coarse_codec.takes("picture"):
            raise ConfigError(f"coarse_codec {coarse_codec!r} is for label maps only")
        if (quality, target_bpp) != (None, None) and self.coarse_codec.quality_name is None:
            raise ConfigError(f"coarse_codec {coarse_codec!r} is lossless: its rate cannot be set")
        if quality is not None and target_bpp is not None:
            raise ConfigError("give either a quality or a target_bpp, not both")
        if target_bpp is not None and not (target_bpp > 0 and math.isfinite(target_bpp)):
            raise ConfigError(f"target_bpp {target_bpp}: expected a number above 0")
        if target_bpp is not None and self.coarse_codec.quality_range is None:
            name = self.coarse_codec.quality_name
            raise ConfigError(f"target_bpp: coarse_codec {coarse_codec!r} has no quality_range of its {name}")
        if residual_qp is not None:
            residual.check_qp(residual_qp)
        if residual_qp is not None and target_bpp is not None:
            raise ConfigError("give either a residual_qp or a target_bpp, not both: a residual has a rate of its own")
        self.quality, self.target_bpp, self.residual_qp = quality, target_bpp, residual_qp
        self._decoder_weights, self.decoder = decoder_weights, describe_decoder(decoder_weights)
        wanted = self.decoder.sampling.merge(sampling or {})
        self.sampling = None if wanted == self.decoder.sampling else wanted
        self.seed, self.native, self.simplify = seed, native, simplify
        self._segmenter = {"name": segmenter, "weights": segmenter_weights, "device": device, "dtype": dtype}

    @cached_property
    def segmenter(self):
        """The segmenter, loaded when it is first asked for."""
        from spic.segmentation import get_segmenter

        segmenter = get_segmenter(**self._segmenter)
        if self.decoder.label_space not in (None, segmenter.label_space.name):
            raise ConfigError(
                f"the segmenter's label space is {segmenter.label_space.name}, the decoder's {self.decoder.label_space}"
            )
        return segmenter

    @property
    def label_space(self):
        """Label space of the SSM: the decoder's, where its weights name one."""
        return get_label_space(self.decoder.label_space) if self.decoder.label_space else self.segmenter.label_space

    def encode(self, image, ssm: np.ndarray | None = None) -> bytes:
        """Return the `.spic` file of an image; logs a warning where it does not look like a street.

        Parameters
        ----------
        image : numpy.ndarray or PIL.Image.Image
            uint8 or uint16 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); sRGB. Any PIL image, its EXIF rotation applied.
        ssm : numpy.ndarray, optional
            uint8 (H, W) with ids of the label space; the image then keeps its size, whose sides must be multiples
            of 4. By default the segmenter makes it, at working size.

        Raises
        ------
        DataError
            For images and maps of other types and shapes, or of sizes that the file or a codec can not hold.
        ConfigError
            `target_bpp` can not be reached, or the quality is out of range.
        """
        prepared = self.prepare(image, ssm)
        if prepared.is_street is False:
            LOG.warning(NO_STREET)
        return write_spic(self.code(prepared))

    def prepare(self, image, ssm: np.ndarray | None = None) -> Prepared:
        """Bring an image to working size and segment it; arguments as for `encode`."""
        pixels = as_pixels(image)
        original = pixels.shape[:2]
        if ssm is not None:
            labels = self.label_space.check(np.asarray(ssm), "SSM")
            if labels.shape != original or original[0] % COARSE_FACTOR or original[1] % COARSE_FACTOR:
                raise DataError(f"an SSM of {labels.shape} and a picture of {original}: want one size, multiples of 4")
            self._check_sizes(original, original)
            return Prepared(pixels, labels, original)
        multiple = math.lcm(_SIZE_MULTIPLE, self.decoder.size_multiple)
        size = working_size(original, multiple, **({"longer_side": None} if self.native else {}))
        self._check_sizes(size, original)
        small = resize(pixels, working_size(original, multiple))
        labels = self.segmenter.segment(small[None])[0]
        is_street = looks_like_a_street(labels, self.label_space)
        if self.native:
            small, labels = resize(pixels, size), enlarge_labels(labels, size)
        return Prepared(small, labels, original, is_street)

    def _check_sizes(self, size, original) -> None:
        """`DataError` for what could not be coded in the end, before the work begins."""
        check_sizes(size, original, MAX_PIXELS, DataError)
        self.ssm_codec.check_sides(*size)
        self.coarse_codec.check_sides(*(side // COARSE_FACTOR for side in size))

    def code(self, prepared: Prepared, quality=None, residual_qp: int | None = None) -> SpicFile:
        """Code what `prepare` made; `quality` and `residual_qp` take the place of the transmitter's own for this image.

        Raises
        ------
        ConfigError
            As `encode` does.
        """
        quality = self.quality if quality is None else quality
        residual_qp = self.residual_qp if residual_qp is None else residual_qp
        labels = prepared.ssm
        if self.simplify:
            from spic.codecs.simplify import simplify

            labels = simplify(labels, self.simplify)
        ssm = self.ssm_codec.encode(labels)
        coarse = downscale(prepared.pixels)
        name = self.coarse_codec.quality_name
        if quality is None and self.target_bpp is not None:
            payload = self._within_target(coarse, 8 * len(ssm) / prepared.ssm.size)
        else:
            payload = self.coarse_codec.encode_coarse(coarse, **({} if quality is None else {name: quality}))
        file = SpicFile(
            size=prepared.ssm.shape,
            original_size=prepared.original_size,
            label_space=self.label_space.name,
            ssm_codec=self.ssm_codec.name,
            coarse_codec=self.coarse_codec.name,
            weights_id=self.decoder.weights_id,
            ssm=ssm,
            coarse=payload,
            sampling=self.sampling,
            seed=self.seed,
        )
        return file if residual_qp is None else self._with_residual(file, prepared.pixels, residual_qp)

    @cached_property
    def _receiver(self):
        """As far as residuals are concerned, the receiver of these files."""
        from spic.receiver import Receiver

        return Receiver(self._decoder_weights, device="cpu", dtype="float32")

    def _with_residual(self, file: SpicFile, pixels: np.ndarray, qp: int) -> SpicFile:
        rebuilt = self._receiver.decode(write_spic(replace(file, original_size=file.size)))
        return replace(file, residual=Residual(residual.CODEC, *residual.encode_residual(pixels, rebuilt, qp)))

    def _within_target(self, coarse: np.ndarray, ssm_bpp: float) -> bytes:
        """The coarse image at the best quality for which `target_bpp` has room beside the SSM."""
        from spic.metrics.matching import find_quality

        codec, coded, scale = self.coarse_codec, {}, COARSE_FACTOR**2

        def rate_of(quality):
            coded[quality] = codec.encode_coarse(coarse, **{codec.quality_name: quality})
            return 8 * len(coded[quality]) / (coarse.shape[0] * coarse.shape[1])

        left = max(self.target_bpp * (1 + 1e-9) - ssm_bpp, 1e-9) * scale  # in bits per pixel of the coarse image
        try:
            match = find_quality(codec.quality_name, codec.quality_range, rate_of, left, at_most=True)
        except ConfigError as error:
            needs = str(error)
        else:
            if match.setting is not None:
                return coded[match.setting]
            needs = f"the coarse picture {match.rate / scale:.4f} or more"
        raise ConfigError(f"{self.target_bpp} bpp is out of reach: the SSM takes {ssm_bpp:.4f} bpp, {needs}")
