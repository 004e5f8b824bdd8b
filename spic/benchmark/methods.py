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
from spic.channel.spicfile import to_messages
from spic.codecs import codec_names, get_codec, residual
from spic.errors import BitstreamError, ConfigError, DataError
from spic.machine import set_threads
from spic.pictures.limits import MAX_PIXELS
from spic.pictures.reading import as_pixels
from spic.pictures.sizes import COARSE_FACTOR, WORKING_SIZE, downscale, downscale_bilinear, upscale
from spic.receiver import Receiver
from spic.scsrdm.info import find_decoder
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
        return self._coarse_codec.encode_coarse(
            coarse, **({} if quality is None else {self._coarse_codec.quality_name: quality})
        )

    def decode(self, parts, names):
        return [upscale(c, (c.shape[0] * COARSE_FACTOR, c.shape[1] * COARSE_FACTOR)) for c in self._coarse(parts)]

    def _coarse(self, parts) -> list[np.ndarray]:
        coarse = [as_pixels(self._coarse_codec.decode(part["coarse"])) for part in parts]
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
    message_names = ("ssm", "coarse")

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.protocol = get_protocol(settings.protocol)
        self._receiver = self._noise = None
        if not self.missing:
            _ = self._transmitter  # so that what does not fit is told before the first image

    @cached_property
    def _weights(self):
        return find_decoder(self.decoder, getattr(self.settings, self.decoder))

    @cached_property
    def _transmitter(self) -> Transmitter:
        return Transmitter(
            decoder_weights=self._weights,
            ssm_codec=self.settings.ssm_codec,
            coarse_codec=self._coarse_codec.name,
            seed=self.settings.seed,
        )

    def codecs(self):
        return {"ssm": get_codec(self.settings.ssm_codec), **super().codecs()}

    def counted_codecs(self):
        return {"ssm": get_codec("flif"), **super().codecs()}

    def extension(self, part):
        return "spic" if part == "picture" else super().extension(part)

    def sizes(self, parts):
        if "picture" not in parts:  # what `official_parts` made
            return super().sizes(parts)
        file = read_spic(parts["picture"])
        found = file.bytes_of_parts
        more = {"picture": found["residual"]} if file.residual else {}
        return {"ssm": found["ssm"], "coarse": found["coarse"], **more, "file": len(parts["picture"])}

    def messages(self, parts):
        """SSM and coarse image, each with the head of the file, so that either can be decoded by itself."""
        return to_messages(parts["picture"])

    def stand_ins(self, value):
        coarse = {self.parameter: value}
        return {("coarse",): [("sr", coarse), ("upsampled", coarse)], ("ssm",): [("sdm", {"simplify": 0})]}

    def encode(self, picture, value):
        return self._file(picture, self._quality(value))

    def _file(self, picture: Picture, quality, residual_qp: int | None = None) -> dict[str, bytes]:
        if picture.ssm is None or picture.ssm.shape != picture.pixels.shape[:2]:
            raise DataError("the method spic needs an SSM of the picture's size")
        prepared = self._transmitter.prepare(picture.pixels, picture.ssm)
        return {"picture": write_spic(self._transmitter.code(prepared, quality, residual_qp))}

    def official_parts(self, picture, value):
        """The SSM as the authors' scripts save it: three equal channels of label * 255 / 35, by FLIF."""
        gray = np.minimum(255, np.rint(picture.ssm * (255 / 35))).astype(np.uint8)
        return {
            "ssm.flif": self.counted_codecs()["ssm"].encode(np.repeat(gray[..., None], 3, axis=2)),
            **super().official_parts(picture, value),
        }

    def decode(self, parts, names):
        if self._receiver is None:
            self._load()
        return self._receiver.decode_all([part["picture"] for part in parts], self._noise)

    def _load(self) -> None:
        import torch

        own, protocol = self.settings, self.protocol
        set_threads(own.machine.threads)
        self._receiver = Receiver(
            self._weights,
            device=own.machine.device,
            dtype=own.machine.dtype,
            sampling=protocol.sampling and protocol.sampling.to_dict(),
            void_is_null=protocol.void_is_null,
        )
        if protocol.one_generator:
            generator = torch.Generator().manual_seed(own.seed)
            self._noise = lambda shape: torch.randn(shape, generator=generator)


class DsslicMethod(SpicMethod):
    """DSSLIC of Akbari, Liang and Han (ICASSP 2019): what `spic` sends, and the residual of its image by BPG.

    The images are rebuilt as the decoder's weights recommend under every protocol, since a residual fits no others.
    """

    follows_protocol = counts_officially = False
    message_names = ("ssm", "coarse", "residual")

    def __init__(self, settings: Settings):
        super().__init__(replace(settings, protocol="corrected"))
        self.parameter, self.quality_range = (self.parameter, "residual_qp"), None

    def codecs(self):
        return {**super().codecs(), "residual": get_codec(residual.CODEC)}

    def check_point(self, value):
        super().check_point(value[self.parameter[0]])
        residual.check_qp(value["residual_qp"])

    def stand_ins(self, value):
        """Without the residual what `spic` would show; a residual alone is worth nothing."""
        coarse = {self.parameter[0]: value[self.parameter[0]]}
        by_coarse, by_ssm = [("sr", coarse), ("upsampled", coarse)], [("sdm", {"simplify": 0})]
        found = {("ssm", "coarse"): [("spic", coarse)], ("coarse",): by_coarse, ("ssm",): by_ssm}
        return found | {("coarse", "residual"): by_coarse, ("ssm", "residual"): by_ssm}

    def encode(self, picture, value):
        set_threads(self.settings.machine.threads or 1)  # whatever the job's cores: the residual depends on it
        return self._file(picture, self._quality(value[self.parameter[0]]), residual.check_qp(value["residual_qp"]))


class SpicLabelmapMethod(SpicMethod):
    """`spic` with the SSM by our own coder `labelmap`, whatever `ssm_codec` is; smaller than FLIF."""

    def __init__(self, settings: Settings):
        super().__init__(replace(settings, ssm_codec="labelmap"))


class Spic20Method(SpicMethod):
    """What `spic` sends, drawn by the paper's chain of 20 steps, with weights that were trained for it.

    They sample as they recommend; under the protocols `official` that is the authors' chain, as with `spic`.
    """

    decoder = "spic_20_weights"


_LOSSLESS = "jpegxl-lossless"  # the codec behind coarse_codec "lossless"
_BUILT_IN = {
    "spic": SpicMethod,
    "spic_labelmap": SpicLabelmapMethod,
    "spic_20": Spic20Method,
    "upsampled": UpsampledMethod,
    "sr": "spic.benchmark.methods_ablations:SrMethod",
    "sdm": "spic.benchmark.methods_ablations:SdmMethod",
    "ldm": "spic.benchmark.ldm:LdmMethod",
    "learned": "spic.benchmark.learned:LearnedMethod",
    "dsslic": DsslicMethod,
    "spic_video": "spic.benchmark.methods_clips:SpicVideoMethod",
    "hevc": "spic.benchmark.methods_clips:HevcMethod",
    "av1": "spic.benchmark.methods_clips:Av1Method",
}
_WITH_OPTIONS = ("ldm", "learned", "spic_video", "hevc", "av1")


def method_names() -> list[str]:
    """Names that `get_method` knows, sorted: entry points and every codec for images at a rate one can set."""
    names = set(plugins.names("spic.methods", _BUILT_IN))
    for name in codec_names():
        with suppress(ConfigError):  # of a codec that is for something else, or another package's that is broken
            CodecMethod(Settings(), name)
            names.add(name)
    return sorted(names)


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
