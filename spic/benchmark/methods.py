"""The methods that are built in, and how a method is found by its name (`spic.benchmark.method` says what one is).

Every lossy codec is a method of its own name. Methods of other packages join by an entry point of the group
`spic.methods`.
"""

from contextlib import suppress
from dataclasses import replace
from functools import cached_property

import numpy as np

from spic import plugins
from spic.benchmark.method import Method, Picture, Settings
from spic.benchmark.protocols import get_protocol
from spic.bitstream import read_spic, write_spic
from spic.codecs import codec_names, get_codec
from spic.errors import BitstreamError, ConfigError, DataError
from spic.machine import set_threads
from spic.pictures.limits import MAX_PIXELS
from spic.pictures.reading import as_pixels
from spic.pictures.sizes import COARSE_FACTOR, WORKING_SIZE, downscale, downscale_bilinear, upscale
from spic.receiver import Receiver
from spic.transmitter import Transmitter


class CodecMethod(Method):
    """The whole image by one lossy codec; every such codec is a method of its own name."""

    def __init__(self, settings: Settings, codec: str):
        super().__init__(settings)
        self.codec = get_codec(codec)
        if not self.codec.takes("picture") or self.codec.quality_name is None:
            raise ConfigError(f"codec {codec!r} is not for pictures at a rate one can set: it is no method")
        self.parameter, self.quality_range = self.codec.quality_name, self.codec.quality_range

    def codecs(self):
        return {"picture": self.codec}

    def check_point(self, value):
        self.encode(Picture(np.zeros((*WORKING_SIZE, 3), np.uint8)), value)  # black costs the fewest bits

    def encode(self, picture, value):
        return {"picture": self.codec.encode(picture.pixels, **{self.parameter: value})}

    def decode(self, parts, names):
        return [as_pixels(self.codec.decode(part["picture"])) for part in parts]


class UpsampledMethod(Method):
    """The coarse image alone, upsampled by bicubic interpolation: what the SSM and the model must beat."""

    counts_officially = True

    def __init__(self, settings: Settings):
        super().__init__(settings)
        name = settings.coarse_codec
        self._coarse_codec = get_codec(_LOSSLESS if name == "lossless" else name)
        if not self._coarse_codec.takes("picture"):
            raise ConfigError(f"coarse_codec {name!r} is for label maps only")
        # a lossless codec has no setting: what is left to choose is the scale, of which there is one
        self.parameter = f"coarse_{self._coarse_codec.quality_name or 'factor'}"
        self.quality_range = self._coarse_codec.quality_range

    def codecs(self):
        return {"coarse": self._coarse_codec}

    def check_point(self, value):
        self._encode_coarse(np.zeros((*(side // COARSE_FACTOR for side in WORKING_SIZE), 3), np.uint8), value)

    def encode(self, picture, value):
        return {"coarse": self._encode_coarse(downscale(picture.pixels), value)}

    def official_parts(self, picture, value):
        return {
            f"coarse.{self._coarse_codec.extension}": self._encode_coarse(downscale_bilinear(picture.pixels), value)
        }

    def _quality(self, value):
        """What a point sets of the coarse codec: nothing of a lossless one."""
        if self._coarse_codec.quality_name is not None:
            return value
        if value != COARSE_FACTOR:
            raise ConfigError(f"coarse_factor {value!r}: only {COARSE_FACTOR} is supported")
        return None

    def _encode_coarse(self, coarse, value) -> bytes:
        quality = self._quality(value)
        return self._coarse_codec.encode(
            coarse, **({} if quality is None else {self._coarse_codec.quality_name: quality})
        )

    def decode(self, parts, names):
        return [upscale(c, (c.shape[0] * COARSE_FACTOR, c.shape[1] * COARSE_FACTOR)) for c in self._coarse(parts)]

    def _coarse(self, parts) -> list[np.ndarray]:
        codec = self.codecs()["coarse"]
        coarse = [as_pixels(codec.decode(part["coarse"])) for part in parts]
        for picture in coarse:
            if picture.shape[0] * picture.shape[1] * COARSE_FACTOR**2 > MAX_PIXELS:
                raise BitstreamError(f"a coarse picture of {picture.shape[1]}x{picture.shape[0]} is too large")
        return coarse


class SpicMethod(UpsampledMethod):
    """The paper's method: SSM coded losslessly, coarse image by BPG, both decoded and joined by SCSRDM.

    It writes `.spic` files, by the same transmitter and receiver that `spic encode` and `spic decode` use.
    """

    needs_ssm = True
    decoder = "decoder_weights"
    follows_protocol = True

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.protocol = get_protocol(settings.protocol)
        self._transmitter = Transmitter(
            decoder_weights=settings.decoder_weights,
            ssm_codec=settings.ssm_codec,
            coarse_codec=self._coarse_codec.name,
            seed=settings.seed,
        )
        self._receiver = self._noise = None

    def codecs(self):
        return {"ssm": self._transmitter.ssm_codec, **super().codecs()}

    def counted_codecs(self):
        return {"ssm": get_codec("flif"), **super().codecs()}

    def extension(self, part):
        return "spic" if part == "picture" else super().extension(part)

    def sizes(self, parts):
        if "picture" not in parts:  # what `official_parts` made
            return super().sizes(parts)
        file = read_spic(parts["picture"])
        return {"ssm": len(file.ssm), "coarse": len(file.coarse), "file": len(parts["picture"])}

    def encode(self, picture, value):
        if picture.ssm is None or picture.ssm.shape != picture.pixels.shape[:2]:
            raise DataError("the method spic needs an SSM of the picture's size")
        prepared = self._transmitter.prepare(picture.pixels, picture.ssm)
        return {"picture": write_spic(self._transmitter.code(prepared, self._quality(value)))}

    def official_parts(self, picture, value):
        """The SSM as the authors' scripts save it: three equal channels of label * 255 / 35, by FLIF."""
        gray = np.minimum(255, np.rint(picture.ssm * (255 / 35))).astype(np.uint8)
        ssm = self.counted_codecs()["ssm"].encode(np.repeat(gray[..., None], 3, axis=2))
        return {"ssm.flif": ssm, **super().official_parts(picture, value)}

    def decode(self, parts, names):
        if self._receiver is None:
            self._load()
        return self._receiver.decode_all([part["picture"] for part in parts], self._noise)

    def _load(self) -> None:
        import torch

        own, protocol = self.settings, self.protocol
        set_threads(own.machine.threads)
        self._receiver = Receiver(
            own.decoder_weights,
            device=own.machine.device,
            dtype=own.machine.dtype,
            sampling=protocol.sampling and protocol.sampling.to_dict(),
            void_is_null=protocol.void_is_null,
        )
        if protocol.one_generator:
            generator = torch.Generator().manual_seed(own.seed)
            self._noise = lambda shape: torch.randn(shape, generator=generator)


class _Ablation(Method):
    """A method whose decoder sees one of the two conditions; the other is replaced by zeros."""

    @cached_property
    def _network(self):
        from spic.scsrdm.decoder import one_sided

        own = self.settings
        set_threads(own.machine.threads)
        return one_sided(self.decoder, getattr(own, self.decoder), own.machine.device, own.machine.dtype)

    def _rebuild(self, maps: list[np.ndarray], coarse: list[np.ndarray]) -> list[np.ndarray]:
        # one at a time, so that no image depends on its companions
        pairs = zip(maps, coarse, strict=True)
        return [self._network(ssm[None], small[None], [self.settings.seed], batch=1)[0] for ssm, small in pairs]


class SrMethod(_Ablation, UpsampledMethod):
    """Ablation: the coarse image through a decoder that was trained without SSMs, a super-resolution diffusion model.

    It has no shipped weights: `spic train decoder --condition coarse` makes them.
    """

    decoder = "sr_weights"
    counts_officially = False

    def decode(self, parts, names):
        coarse = self._coarse(parts)
        maps = [np.zeros((c.shape[0] * COARSE_FACTOR, c.shape[1] * COARSE_FACTOR), np.uint8) for c in coarse]
        return self._rebuild(maps, coarse)


class SdmMethod(_Ablation):
    """Ablation: the SSM alone through a decoder that was trained without coarse images, a semantic diffusion model.

    A point is set by `simplify`: islands of the SSM under so many pixels go to their surroundings before it is coded.
    It has no shipped weights: `spic train decoder --condition ssm` makes them.
    """

    parameter = "simplify"
    needs_ssm = True
    decoder = "sdm_weights"

    def codecs(self):
        return {"ssm": get_codec(self.settings.ssm_codec)}

    def check_point(self, value):
        from spic.codecs.simplify import check_pixels

        check_pixels(value)

    def encode(self, picture, value):
        from spic.codecs.simplify import simplify

        return {"ssm": self.codecs()["ssm"].encode(simplify(picture.ssm, value))}

    def decode(self, parts, names):
        maps = [self.codecs()["ssm"].decode(part["ssm"]) for part in parts]
        if any(map_.ndim != 2 or map_.size > MAX_PIXELS for map_ in maps):
            raise BitstreamError("not the SSM of a picture")
        coarse = [
            np.zeros((-(-m.shape[0] // COARSE_FACTOR), -(-m.shape[1] // COARSE_FACTOR), 3), np.uint8) for m in maps
        ]
        return self._rebuild(maps, coarse)


class SpicLabelmapMethod(SpicMethod):
    """The same with the SSM by our own coder `labelmap`, whatever `ssm_codec` is; smaller than FLIF."""

    def __init__(self, settings: Settings):
        super().__init__(replace(settings, ssm_codec="labelmap"))


_LOSSLESS = "jpegxl-lossless"  # the codec behind coarse_codec "lossless"
_BUILT_IN = {
    "spic": SpicMethod,
    "spic_labelmap": SpicLabelmapMethod,
    "upsampled": UpsampledMethod,
    "sr": SrMethod,
    "sdm": SdmMethod,
    "spic_video": "spic.benchmark.methods_clips:SpicVideoMethod",
    "hevc": "spic.benchmark.methods_clips:HevcMethod",
    "av1": "spic.benchmark.methods_clips:Av1Method",
}

_WITH_OPTIONS = ("spic_video", "hevc", "av1")


def method_names() -> list[str]:
    """Names that `get_method` knows, sorted: entry points and every codec for images at a rate one can set."""
    codecs = {}
    for name in codec_names():
        with suppress(ConfigError):  # another package's that is broken is no method, and hides no other
            codecs[name] = get_codec(name)
    lossy = [name for name, codec in codecs.items() if codec.takes("picture") and codec.quality_name is not None]
    return sorted({*plugins.names("spic.methods", _BUILT_IN), *lossy})


def get_method(name: str, settings: Settings | None = None) -> Method:
    """Return the method called `name`; `ConfigError` lists the known ones, or says what is wrong with its options."""
    settings = settings or Settings()
    options = settings.method_options.get(name) or {}
    if name in plugins.names("spic.methods", _BUILT_IN):
        make = plugins.find("spic.methods", _BUILT_IN, name, "method")
        if options and name in _BUILT_IN and name not in _WITH_OPTIONS:
            raise ConfigError(f"method_options: method {name} has no options")
        method = make(replace(settings, options=options))
        if not isinstance(method, Method):
            raise ConfigError(f"method {name!r}: its entry point gives no Method but {method!r}")
        return method
    if name in codec_names():
        if options:
            raise ConfigError(f"method_options: method {name} is a codec and has no options")
        return CodecMethod(settings, name)
    raise ConfigError(f"unknown method {name!r}; known: {', '.join(method_names())}")


def point_name(point: dict) -> str:
    """Name of a point, also its folder: `qp30`, `bpp0.25`, `coarse_qp35_residual_qp40`."""
    return "_".join(f"{parameter}{value}" for parameter, value in point.items())
