"""The `.spic` file: segmentation map and coarse image with what a receiver must know (docs/spic-format.md).

Parsing needs no codec, no numpy and no torch, and reads nothing but lengths that the bytes themselves bear out.
`content` has what a file holds, `head` what both versions begin with, `sections` what version 2 goes on with.
"""

import zlib

from spic.bitstream.content import PARTS, Residual, SpicFile, check_parts, check_sizes
from spic.bitstream.head import CODECS, CRITICAL, LABEL_SPACES, codec_name, read_head, write_head
from spic.bitstream.sections import read_sections, write_section
from spic.bitstream.values import Reader, number
from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures.limits import MAX_PIXELS

__all__ = [
    "CODECS",
    "LABEL_SPACES",
    "Residual",
    "SpicFile",
    "check_sizes",
    "read_spic",
    "split_spic",
    "version_of",
    "write_spic",
]

MAGIC = b"SPIC"
VERSIONS = (1, 2)
_KINDS = {"ssm": 1, "coarse": 2, "residual": 3}  # of sections; bit kind - 1 of the byte that says which there are
_CRC = 4  # bytes


def write_spic(file: SpicFile, version: int | None = None) -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    file : SpicFile
        What it holds.
    version : int, optional
        1 or 2; by default 1 for a file with SSM and coarse image alone, else 2.

    Raises
    ------
    DataError, ConfigError
        For values that the format, or that version of it, can not express.
    """
    check_sizes(file.size, file.original_size, MAX_PIXELS, DataError)
    check_parts(file, DataError)
    plain = file.residual is None and not file.missing
    version = version or (1 if plain else 2)
    if version not in VERSIONS or (version == 1 and not plain):
        raise ConfigError(f".spic version {version} can not hold this file")
    start, head = MAGIC + bytes((version,)), write_head(file)
    if version == 1:
        data = b"".join((start, head, number(len(file.ssm)), file.ssm, file.coarse))
        return data + _crc(data)
    parts = {name: part for name in PARTS if (part := getattr(file, name)) is not None}
    head += bytes((sum(1 << _KINDS[name] - 1 for name in parts),))
    head = start + number(len(head)) + head
    if file.residual is not None:
        parts["residual"] = _write_residual(file.residual)
    sections = [write_section(_KINDS[name], part, zlib.crc32(head)) for name, part in parts.items()]
    return b"".join((head, _crc(head), *sections))


def read_spic(data: bytes, max_pixels: int = MAX_PIXELS, allow_missing: bool = False) -> SpicFile:
    """Parse a file.

    Parameters
    ----------
    data : bytes
        The whole file.
    max_pixels : int
        Most pixels that the working and the original size may have.
    allow_missing : bool
        Of a file of version 2, take sections that are damaged or cut off for missing parts, as what arrived over a
        noisy channel. Otherwise a part is missing only where the file itself says so.

    Raises
    ------
    BitstreamError
        For anything that docs/spic-format.md does not allow: damage, versions and critical fields not known here, sizes
        out of range.
    """
    data = _check_magic(data)
    if data[4] == 1:
        if len(data) < 9 or zlib.crc32(data[:-_CRC]) != int.from_bytes(data[-_CRC:], "big"):
            raise BitstreamError("the .spic file is damaged or cut (CRC-32 differs)")
        reader = Reader(data[:-_CRC], 5)
        head = read_head(reader)
        file = SpicFile(**head, ssm=reader.take(reader.number()), coarse=reader.rest())
    else:
        head, sections = _split(data, allow_missing)
        parts = {name: payload for name, payload, _ in sections if name in _KINDS}
        if "residual" in parts:
            parts["residual"] = _read_residual(parts["residual"])
        file = SpicFile(**head, **{"ssm": None, "coarse": None, **parts})
    check_sizes(file.size, file.original_size, max_pixels, BitstreamError)
    check_parts(file, BitstreamError)
    return file


def split_spic(data: bytes) -> dict[str, bytes]:
    """Divide a file of version 2, whole and undamaged, into what a channel may protect or lose by itself.

    Returns
    -------
    dict of str to bytes
        "head", then "ssm", "coarse" and "residual" as far as the file has them; joined they are the file. Any of them
        but the head may be left out: `read_spic` then reads the rest with `allow_missing`.

    Raises
    ------
    BitstreamError
        As `read_spic` does, and for a file of version 1.
    """
    data = _check_magic(data)
    if data[4] == 1:
        raise BitstreamError(".spic version 1 has no sections; write_spic(read_spic(data), version=2) makes some")
    _, sections = _split(data, False)
    parts = {name: section for name, _, section in sections if name}
    return {"head": data[: len(data) - sum(len(section) for _, _, section in sections)], **parts}


def version_of(data: bytes) -> int:
    """Version of a file, 1 or 2; `BitstreamError` for what begins as neither."""
    return _check_magic(data)[len(MAGIC)]


def _check_magic(data) -> bytes:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise BitstreamError(f"expected bytes, got {type(data).__name__}")
    data = bytes(data)
    if data[: len(MAGIC)] != MAGIC:
        raise BitstreamError("not a .spic file: wrong magic")
    if len(data) == len(MAGIC):
        raise BitstreamError("the .spic file ends early")
    if data[len(MAGIC)] not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise BitstreamError(f".spic version {data[4]} is not known here (known: {known}); a newer spic may read it")
    return data


def _split(data: bytes, allow_missing: bool) -> tuple[dict, list[tuple[str, bytes, bytes]]]:
    """Version 2: what the head says, and (name, payload, all bytes) of its sections; name "" for unknown kinds."""
    reader = Reader(data, len(MAGIC) + 1)
    inner = Reader(reader.take(reader.number()))
    seed = zlib.crc32(data[: reader.position])
    if int.from_bytes(reader.take(_CRC), "big") != seed:
        raise BitstreamError("the head of the .spic file is damaged (CRC-32 differs)")
    head, flags = read_head(inner), inner.byte()
    if flags >> len(_KINDS) or not inner.done():
        raise BitstreamError(".spic: the head says more than is known here; a newer spic may read it")
    promised = [name for name, kind in _KINDS.items() if flags >> kind - 1 & 1]
    names, last, sections = {kind: name for name, kind in _KINDS.items()}, 0, []
    for kind, payload, whole in read_sections(reader, seed, allow_missing):
        if kind not in names and kind & CRITICAL:
            raise BitstreamError(f".spic: critical section {kind:#04x} is not known here; a newer spic may read it")
        if kind <= last:
            raise BitstreamError(".spic: sections are not in rising order")
        last, name = kind, names.get(kind, "")
        if name and name not in promised:
            raise BitstreamError(f".spic: a section for the {PARTS[name]}, of which the head does not say")
        sections.append((name, payload, whole))
    absent = [PARTS[name] for name in promised if name not in [section[0] for section in sections]]
    if absent and not allow_missing:
        raise BitstreamError(f"the .spic file is cut: there is no section for the {absent[0]}")
    return head, sections


def _write_residual(residual: Residual) -> bytes:
    if residual.codec not in CODECS:
        raise ConfigError(f"a .spic file can not hold a residual of the codec {residual.codec!r}")
    return bytes((CODECS[residual.codec], residual.scale)) + residual.data


def _read_residual(payload: bytes) -> Residual:
    reader = Reader(payload)
    return Residual(codec_name(reader.byte(), "residual codec"), reader.byte(), reader.rest())


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CRC, "big")
