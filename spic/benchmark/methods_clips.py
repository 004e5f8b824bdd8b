"""Methods that code the images of a chunk as a clip, each given those before it: ours, HEVC and AV1.

All three code with low delay and begin anew every so many frames (`method_options: {NAME: {every: 30}}`). What an image
costs are the bytes of its own parts; so a chunk should be a clip (`chunk_size`).
"""

from itertools import tee

import numpy as np

from spic.benchmark.method import Method, Settings
from spic.errors import ConfigError, DataError
from spic.machine import set_threads
from spic.pictures.sizes import WORKING_SIZE

_EVERY = 30


class _Part:
    """What `Method.codecs` says of a part of a clip."""

    def __init__(self, name: str, extension: str, versions):
        self.name, self.extension, self.versions = name, extension, versions


class _ClipMethod(Method):
    """Codes chunks; a single image is a clip of one frame. `known` are its options and their defaults."""

    of_clips = True
    known = {"every": _EVERY}

    def __init__(self, settings: Settings):
        super().__init__(settings)
        given = settings.options
        if unknown := set(given) - set(self.known):
            raise ConfigError(f"method_options: {sorted(unknown)[0]!r} is none of {', '.join(self.known)}")
        for name, value in given.items():
            if isinstance(self.known[name], bool) and not isinstance(value, bool):
                raise ConfigError(f"method_options: {name} must be true or false, not {value!r}")
        self.options = {**self.known, **given}
        every = self.options["every"]
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ConfigError(f"method_options: every must be a whole number from 1 on, not {every!r}")

    def encode(self, picture, value):
        (parts,) = self.encode_chunk([picture], value)
        return parts

    def decode(self, parts, names):
        return list(self.decode_chunk(parts, names))


class SpicVideoMethod(_ClipMethod):
    """SSMs by `labelmap` given those before, the coarse images as one HEVC stream, both joined by our decoder.

    The parts are those of a `.spicv` file. Options: `every`, `smooth`, `halve` (see `spic.video.ClipTransmitter`) and
    `steady` (see `spic.video.ClipReceiver`).
    """

    parameter = "coarse_qp"
    needs_ssm = True
    decoder = "decoder_weights"
    known = {"every": _EVERY, "smooth": True, "halve": False, "steady": True}

    @property
    def quality_range(self):
        from spic.video.hevc import QP_RANGE

        return QP_RANGE

    def codecs(self):
        from spic.codecs.bpg import hevc
        from spic.codecs.labelmap.prior import SHIPPED_AFTER
        from spic.weights import sha256, shipped

        ssm = {"code": "1", "prior": sha256(shipped(SHIPPED_AFTER))}
        coarse = {"code": "1", "steady": "1"}  # the latter is raised when `spic.video.steady` shows something else
        return {
            "ssm": _Part("labelmap-clip", "lmap", lambda: ssm),
            "coarse": _Part("hevc-clip", "hevc", lambda: coarse | hevc.versions()),
        }

    def check_point(self, value):
        from spic.video.hevc import HevcEncoder

        HevcEncoder((16, 16), value, 1)

    def encode_chunk(self, pictures, value):
        from spic.transmitter import Transmitter
        from spic.video import ClipTransmitter

        sender = Transmitter(decoder_weights=self.settings.decoder_weights, seed=self.settings.seed)
        images, maps = tee(pictures)
        coding = {name: value for name, value in self.options.items() if name != "steady"}
        clip = ClipTransmitter(value, **coding, sender=sender)
        for frame in clip.code((one.pixels for one in images), (_ssm_of(one) for one in maps)):
            yield {"ssm": frame.ssm or b"", "coarse": frame.coarse}

    def decode_chunk(self, parts, names):
        from spic.codecs.labelmap.clip import MapsDecoder
        from spic.receiver import Receiver
        from spic.video.container import CodedFrame, clip_head
        from spic.video.hevc import begins_anew
        from spic.video.receiver import decode_parts, draw

        own = self.settings
        set_threads(own.machine.threads)
        receiver = Receiver(own.decoder_weights, device=own.machine.device, dtype=own.machine.dtype)
        size = MapsDecoder.shipped().decode(parts[0]["ssm"]).shape
        space = receiver.info.label_space or "camvid11"
        head = clip_head(size, size, space, receiver.info.weights_id, seed=own.seed)
        frames = (
            CodedFrame(i, begins_anew(one["coarse"]), one["ssm"] or None, one["coarse"]) for i, one in enumerate(parts)
        )
        yield from draw(receiver, decode_parts(head, frames), self.options["steady"])


class _StreamMethod(_ClipMethod):
    """Whole images as one stream."""

    def codecs(self):
        from spic.codecs.bpg import hevc

        name = type(self).__name__.removesuffix("Method").lower()
        return {"picture": _Part(name, name, lambda: {"code": "1", **hevc.versions()})}

    def encode_chunk(self, pictures, value):
        coder = None
        for picture in pictures:
            coder = coder or self.encoder(picture.pixels.shape[:2], value)
            yield {"picture": coder.encode(picture.pixels)}
        if hasattr(coder, "close"):
            coder.close()

    def decode_chunk(self, parts, names):
        decoder = self.decoder_of(WORKING_SIZE)
        for part in parts:
            yield decoder.decode(part["picture"])

    def check_point(self, value):
        self.encoder(WORKING_SIZE, value)  # it opens with the first image


class HevcMethod(_StreamMethod):
    """Whole images by libx265, low delay (no B pictures), preset slow; `qp` is that of predicted pictures."""

    parameter = "qp"
    quality_range = (0, 51, 1)

    def encoder(self, size, value):
        from spic.video.hevc import WHOLE, HevcEncoder

        return HevcEncoder(size, value, self.options["every"], WHOLE)

    def decoder_of(self, size):
        from spic.video.hevc import WHOLE, HevcDecoder

        return HevcDecoder(size, WHOLE)


class Av1Method(_StreamMethod):
    """Whole images by SVT-AV1, low delay, preset 4."""

    parameter = "crf"
    quality_range = (1, 63, 1)

    def encoder(self, size, value):
        from spic.video.av1 import Av1Encoder

        return Av1Encoder(size, value, self.options["every"])

    def decoder_of(self, size):
        from spic.video.av1 import Av1Decoder

        return Av1Decoder(size)


def _ssm_of(picture) -> np.ndarray:
    if picture.ssm is None or picture.ssm.shape != picture.pixels.shape[:2]:
        raise DataError("the method spic_video needs an SSM of the picture's size")
    return picture.ssm
