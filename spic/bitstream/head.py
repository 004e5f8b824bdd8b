"""The head of a `.spic` file, the same in both versions: codecs, label space, sizes, decoder, and fields by tag."""

import struct
from itertools import accumulate, pairwise

from spic.bitstream.content import SpicFile
from spic.bitstream.values import Reader, number
from spic.errors import BitstreamError, ConfigError
from spic.pictures.limits import COARSE_FACTOR
from spic.scsrdm.sampling import SAMPLERS, Sampling

CRITICAL = 0x80  # bit of a tag or kind: a reader that does not know it must refuse the file

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

_SAMPLING, _SEED = 0x01, 0x02
_LABEL_SPACE, _SSM_CODEC, _COARSE_CODEC = 0x81, 0x82, 0x83
_MAX_NAME = 64
_MAX_GUIDANCE = 1000


def write_head(file: SpicFile) -> bytes:
    """Codecs to the byte that ends the fields; `ConfigError` for values that the format can not express."""
    fields = []
    if file.sampling is not None:
        fields.append((_SAMPLING, _write_sampling(file.sampling)))
    if file.seed:
        fields.append((_SEED, number(file.seed)))
    numbers = []
    for tag, name, known in (
        (_LABEL_SPACE, file.label_space, LABEL_SPACES),
        (_SSM_CODEC, file.ssm_codec, CODECS),
        (_COARSE_CODEC, file.coarse_codec, CODECS),
    ):
        numbers.append(known.get(name, 0))
        if name not in known:
            fields.append((tag, _write_name(name)))
    original = b"\0" if file.original_size == file.size else b"".join(map(number, file.original_size))
    head = [
        bytes((numbers[1] << 4 | numbers[2], numbers[0])),
        *(number(side - 1) for side in file.coarse_size),
        original,
        _write_id(file.weights_id),
        *(bytes((tag,)) + number(len(value)) + value for tag, value in fields),
        b"\0",
    ]
    return b"".join(head)


def read_head(reader: Reader) -> dict:
    """Inverse of `write_head`, as keywords of `SpicFile`."""
    codecs, label_space = reader.take(2)
    size = tuple(COARSE_FACTOR * (reader.number() + 1) for _ in range(2))
    height = reader.number()
    original = (height, reader.number()) if height else size
    weights_id = reader.take(4).hex()
    fields = _read_fields(reader)
    return {
        "size": size,
        "original_size": original,
        "label_space": _name(label_space, LABEL_SPACES, fields.get(_LABEL_SPACE), "label space"),
        "ssm_codec": _name(codecs >> 4, CODECS, fields.get(_SSM_CODEC), "SSM codec"),
        "coarse_codec": _name(codecs & 15, CODECS, fields.get(_COARSE_CODEC), "coarse codec"),
        "weights_id": weights_id,
        "sampling": _read_sampling(fields[_SAMPLING]) if _SAMPLING in fields else None,
        "seed": _read_seed(fields[_SEED]) if _SEED in fields else 0,
    }


def codec_name(value: int, what: str) -> str:
    """Name of the codec of that number; `BitstreamError` where there is none."""
    return _name(value, CODECS, None, what)


def _read_fields(reader: Reader) -> dict[int, bytes]:
    """Known fields by tag; unknown ones are skipped, or refused where they are critical. Tags rise strictly."""
    fields, last = {}, 0
    while tag := reader.byte():
        if tag <= last:
            raise BitstreamError(".spic: fields are not in rising order")
        last = tag
        value = reader.take(reader.number())
        if tag in (_SAMPLING, _SEED, _LABEL_SPACE, _SSM_CODEC, _COARSE_CODEC):
            fields[tag] = value
        elif tag & CRITICAL:
            raise BitstreamError(f".spic: critical field {tag:#04x} is not known here; a newer spic may read it")
    return fields


def _name(value: int, known: dict[str, int], field: bytes | None, what: str) -> str:
    """Name of a codec or label space, by its number or, for number 0, by the field."""
    if (value == 0) != (field is not None):
        raise BitstreamError(f".spic: number and name of the {what} contradict each other")
    if field is not None:
        try:
            name = field.decode("ascii")
        except UnicodeDecodeError:
            name = ""
        if not name.isprintable() or not 0 < len(name) <= _MAX_NAME:
            raise BitstreamError(f".spic: the name of the {what} is damaged")
        return name
    for name, one in known.items():
        if one == value:
            return name
    raise BitstreamError(f".spic: {what} {value} is not known here; a newer spic may read it")


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
    return head + b"".join(map(number, numbers))


def _read_sampling(value: bytes) -> Sampling:
    if len(value) < 11 or value[0] >= len(SAMPLERS):
        raise BitstreamError(".spic: the sampling field is damaged or recommends a sampler that is not known here")
    index, guidance = struct.unpack_from(">Bd", value)
    if not abs(guidance) <= _MAX_GUIDANCE:
        raise BitstreamError(f".spic: guidance {guidance} is out of range")
    steps, *numbers = Reader(value, 9).numbers()
    try:
        if not steps:
            return Sampling(SAMPLERS[index], timesteps=tuple(accumulate(numbers)), guidance=guidance)
        (start,) = numbers
        return Sampling(SAMPLERS[index], steps, start, guidance=guidance)
    except (ConfigError, ValueError):
        raise BitstreamError(".spic: the sampling field asks for impossible timesteps") from None


def _read_seed(value: bytes) -> int:
    numbers = Reader(value).numbers()
    if len(numbers) != 1:
        raise BitstreamError(".spic: the seed is damaged")
    return numbers[0]
