"""The `.spic` file: segmentation map and coarse image with what a receiver must know (docs/spic-format.md).

Parsing needs no codec, no numpy and no torch, and reads nothing but lengths that the bytes themselves bear out.
"""

import struct
import zlib
from dataclasses import dataclass
from itertools import accumulate, pairwise

from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures.limits import COARSE_FACTOR, MAX_PIXELS
from spic.scsrdm.sampling import SAMPLERS, Sampling

MAGIC = b"SPIC"
VERSION = 1
MAX_SIDE = (1 << 16) - 1

# Numbers of codecs and label spaces; 0 stands for one that a field names. Never change or reuse a number.
CODECS = {
    "flif": 1,
    "bpg": 2,
    "png": 3,
    "jpeg2000": 4,
    "jpegxl-lossless": 5,
    "jpegxl": 6,
    "jpeg": 7,
    "webp": 8,
    "webp-lossless": 9,
    "avif": 10,
    "labelmap": 11,
    "labelmap-plain": 12,
}
LABEL_SPACES = {"camvid11": 1, "cityscapes19": 2}

_CRITICAL = 0x80  # bit of a tag: a reader that does not know the field must refuse the file
_SAMPLING, _SEED = 0x01, 0x02
_LABEL_SPACE, _SSM_CODEC, _COARSE_CODEC = 0x81, 0x82, 0x83
_MAX_NUMBER = 1 << 63
_MAX_NAME = 64
_MAX_GUIDANCE = 1000


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
    ssm, coarse : bytes
        Payloads, complete files of their codecs.
    sampling : spic.scsrdm.sampling.Sampling or None
        Recommended settings; None recommends the weights' own.
    seed : int
        Chosen by the sender, 0 to 2**63 - 1.
    """

    size: tuple[int, int]
    original_size: tuple[int, int]
    label_space: str
    ssm_codec: str
    coarse_codec: str
    weights_id: str
    ssm: bytes
    coarse: bytes
    sampling: Sampling | None = None
    seed: int = 0

    @property
    def coarse_size(self) -> tuple[int, int]:
        """Height and width of the coarse image."""
        return self.size[0] // COARSE_FACTOR, self.size[1] // COARSE_FACTOR

    @property
    def noise_seed(self) -> int:
        """Seed of the decoder's noise, 0 to 2**32 - 1: differs from image to image, not from QP to QP."""
        return zlib.crc32(self.ssm) ^ (self.seed * 0x9E3779B1 & 0xFFFFFFFF)

    @property
    def bpp(self) -> float:
        """Rate as the paper counts it: bits of both payloads a pixel of the working size."""
        return 8 * (len(self.ssm) + len(self.coarse)) / (self.size[0] * self.size[1])


def write_spic(file: SpicFile) -> bytes:
    """Return the bytes of a file; `DataError` or `ConfigError` for values that the format can not express."""
    check_sizes(file.size, file.original_size, MAX_PIXELS, DataError)
    _check_payloads(file, DataError)
    fields = []
    if file.sampling is not None:
        fields.append((_SAMPLING, _write_sampling(file.sampling)))
    if file.seed:
        fields.append((_SEED, _number(file.seed)))
    numbers = []
    for tag, name, known in (
        (_LABEL_SPACE, file.label_space, LABEL_SPACES),
        (_SSM_CODEC, file.ssm_codec, CODECS),
        (_COARSE_CODEC, file.coarse_codec, CODECS),
    ):
        numbers.append(known.get(name, 0))
        if name not in known:
            fields.append((tag, _write_name(name)))
    original = b"\0" if file.original_size == file.size else b"".join(map(_number, file.original_size))
    head = [
        MAGIC + bytes((VERSION, numbers[1] << 4 | numbers[2], numbers[0])),
        *(_number(side - 1) for side in file.coarse_size),
        original,
        _write_id(file.weights_id),
        *(bytes((tag,)) + _number(len(value)) + value for tag, value in fields),
        b"\0" + _number(len(file.ssm)),
    ]
    data = b"".join((*head, file.ssm, file.coarse))
    return data + zlib.crc32(data).to_bytes(4, "big")


def read_spic(data: bytes, max_pixels: int = MAX_PIXELS) -> SpicFile:
    """Parse a file.

    Parameters
    ----------
    data : bytes
        The whole file.
    max_pixels : int
        Most pixels that the working and the original size may have.

    Raises
    ------
    BitstreamError
        For anything that docs/spic-format.md does not allow: damage, versions and critical fields not known here, sizes
        out of range.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise BitstreamError(f"expected bytes, got {type(data).__name__}")
    data = bytes(data)
    if data[:4] != MAGIC:
        raise BitstreamError("not a .spic file: wrong magic")
    if len(data) > 4 and data[4] != VERSION:
        raise BitstreamError(f".spic version {data[4]} is not known here (known: {VERSION}); a newer spic may read it")
    if len(data) < 9 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise BitstreamError("the .spic file is damaged or cut (CRC-32 differs)")
    reader = _Reader(data[:-4], 5)
    codecs, label_space = reader.take(2)
    size = tuple(COARSE_FACTOR * (reader.number() + 1) for _ in range(2))
    height = reader.number()
    original = (height, reader.number()) if height else size
    weights_id = reader.take(4).hex()
    fields = _read_fields(reader)
    ssm = reader.take(reader.number())
    file = SpicFile(
        size=size,
        original_size=original,
        label_space=_name(label_space, LABEL_SPACES, fields.get(_LABEL_SPACE), "label space"),
        ssm_codec=_name(codecs >> 4, CODECS, fields.get(_SSM_CODEC), "SSM codec"),
        coarse_codec=_name(codecs & 15, CODECS, fields.get(_COARSE_CODEC), "coarse codec"),
        weights_id=weights_id,
        ssm=ssm,
        coarse=reader.rest(),
        sampling=_read_sampling(fields[_SAMPLING]) if _SAMPLING in fields else None,
        seed=_read_seed(fields[_SEED]) if _SEED in fields else 0,
    )
    check_sizes(file.size, file.original_size, max_pixels, BitstreamError)
    _check_payloads(file, BitstreamError)
    return file


def check_sizes(size, original_size, max_pixels: int, error) -> None:
    """Raise `error`, an exception type, for (height, width) that a file can not say, or of more than `max_pixels`."""
    for what, (height, width) in (("working", size), ("original", original_size)):
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
            raise error(f".spic: {what} size {width}x{height} is out of range (sides of 1 to {MAX_SIDE} pixels)")
        if height * width > max_pixels:
            raise error(f".spic: {what} size {width}x{height} is out of range (max_pixels is {max_pixels})")
    if size[0] % COARSE_FACTOR or size[1] % COARSE_FACTOR:
        raise error(f".spic: sides of the working size must be multiples of {COARSE_FACTOR}, not {tuple(size)}")


def _check_payloads(file: SpicFile, error) -> None:
    if not file.ssm or not file.coarse:
        raise error(".spic: a payload is empty")


def _read_fields(reader: "_Reader") -> dict[int, bytes]:
    """Known fields by tag; unknown ones are skipped, or refused where they are critical. Tags rise strictly."""
    fields, last = {}, 0
    while tag := reader.byte():
        if tag <= last:
            raise BitstreamError(".spic: fields are not in rising order")
        last = tag
        value = reader.take(reader.number())
        if tag in (_SAMPLING, _SEED, _LABEL_SPACE, _SSM_CODEC, _COARSE_CODEC):
            fields[tag] = value
        elif tag & _CRITICAL:
            raise BitstreamError(f".spic: critical field {tag:#04x} is not known here; a newer spic may read it")
    return fields


def _name(number: int, known: dict[str, int], field: bytes | None, what: str) -> str:
    """Name of a codec or label space, by its number or, for number 0, by the field."""
    if (number == 0) != (field is not None):
        raise BitstreamError(f".spic: number and name of the {what} contradict each other")
    if field is not None:
        try:
            name = field.decode("ascii")
        except UnicodeDecodeError:
            name = ""
        if not name.isprintable() or not 0 < len(name) <= _MAX_NAME:
            raise BitstreamError(f".spic: the name of the {what} is damaged")
        return name
    for name, value in known.items():
        if value == number:
            return name
    raise BitstreamError(f".spic: {what} {number} is not known here; a newer spic may read it")


def _write_name(name: str) -> bytes:
    if not isinstance(name, str) or not (name.isascii() and name.isprintable() and 0 < len(name) <= _MAX_NAME):
        raise ConfigError(f"a .spic file can not name {name!r}")
    return name.encode()


def _write_id(weights_id: str) -> bytes:
    try:
        value = bytes.fromhex(weights_id)
    except (TypeError, ValueError):
        value = b""
    if len(value) != 4:
        raise ConfigError(f"weights id {weights_id!r}: expected 8 hexadecimal digits")
    return value


def _write_sampling(sampling: Sampling) -> bytes:
    """Sampler, guidance, then steps and start, or 0 and the timesteps: the first, then the differences."""
    if sampling.timesteps is None:
        numbers = [sampling.steps, sampling.start]
    else:
        numbers = [0, sampling.timesteps[0], *(b - a for a, b in pairwise(sampling.timesteps))]
    if not abs(sampling.guidance) <= _MAX_GUIDANCE:
        raise ConfigError(f"a .spic file can not recommend the guidance {sampling.guidance}")
    head = struct.pack(">Bd", SAMPLERS.index(sampling.sampler), sampling.guidance)
    return head + b"".join(map(_number, numbers))


def _read_sampling(value: bytes) -> Sampling:
    if len(value) < 11 or value[0] >= len(SAMPLERS):
        raise BitstreamError(".spic: the sampling field is damaged or recommends a sampler that is not known here")
    index, guidance = struct.unpack_from(">Bd", value)
    if not abs(guidance) <= _MAX_GUIDANCE:
        raise BitstreamError(f".spic: guidance {guidance} is out of range")
    steps, *numbers = _numbers(_Reader(value, 9))
    try:
        if not steps:
            return Sampling(SAMPLERS[index], timesteps=tuple(accumulate(numbers)), guidance=guidance)
        (start,) = numbers
        return Sampling(SAMPLERS[index], steps, start, guidance=guidance)
    except (ConfigError, ValueError):
        raise BitstreamError(".spic: the sampling field asks for impossible timesteps") from None


def _read_seed(value: bytes) -> int:
    numbers = _numbers(_Reader(value, 0))
    if len(numbers) != 1:
        raise BitstreamError(".spic: the seed is damaged")
    return numbers[0]


def _number(value: int) -> bytes:
    """Base-128, most significant group first; all bytes but the last have bit 7 set."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_NUMBER:
        raise ConfigError(f"a .spic file can not store {value!r}: expected a whole number from 0 to 2**63 - 1")
    groups = [value & 127]
    while value := value >> 7:
        groups.append(value & 127 | 128)
    return bytes(reversed(groups))


def _numbers(reader: "_Reader") -> list[int]:
    numbers = []
    while not reader.done():
        numbers.append(reader.number())
    return numbers


class _Reader:
    """Takes bytes and numbers from the front; never more than there are."""

    def __init__(self, data: bytes, position: int):
        self.data, self.position = data, position

    def done(self) -> bool:
        return self.position == len(self.data)

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.position:
            raise BitstreamError("the .spic file ends early")
        self.position += count
        return self.data[self.position - count : self.position]

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.position)

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        value = self.byte()
        if value == 0x80:
            raise BitstreamError(".spic: a number with a leading zero group")
        if value < 128:
            return value
        value &= 127
        while True:
            byte = self.byte()
            value = value << 7 | byte & 127
            if value >= _MAX_NUMBER:
                raise BitstreamError(".spic: a number is out of range")
            if byte < 128:
                return value
