"""The `.spicv` file: a head and a section for each part of each frame, written and read as a stream (docs/video.md).

The head is that of a `.spic` file, a section has the layout of those of `.spic` version 2. Nothing is held in memory
but one section.
"""

import zlib
from dataclasses import dataclass
from fractions import Fraction

from spic.bitstream import SpicFile
from spic.bitstream.content import check_sizes
from spic.bitstream.head import read_head, write_head
from spic.bitstream.values import Reader, number
from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures.limits import MAX_PIXELS

MAGIC, VERSION = b"SPCV", 1
SSM_CODEC, COARSE_CODEC = "labelmap", "hevc"
_ALONE = 0x10  # added to the kind of a part that builds on nothing before
_SSM, _COARSE, _END = 1, 2, 0x20
_KINDS = {_SSM, _COARSE, _SSM + _ALONE, _COARSE + _ALONE, _END}
_MAX_RATE = 100_000
_MAX_HEAD = 1 << 12


@dataclass(frozen=True)
class CodedFrame:
    """One frame as it is coded.

    Attributes
    ----------
    number : int
        From 0 on.
    alone : bool
        Whether it builds on no frame before.
    ssm : bytes or None
        Its SSM, as `spic.codecs.labelmap.clip` codes it; None where the receiver takes it from its neighbours.
    coarse : bytes
        Its coarse image, as `spic.video.hevc` codes it.
    """

    number: int
    alone: bool
    ssm: bytes | None
    coarse: bytes


def clip_head(size, original_size, label_space: str, weights_id: str, sampling=None, seed: int = 0) -> SpicFile:
    """What a `.spicv` file says of all of its frames, as a `.spic` file with empty parts."""
    check_sizes(size, original_size, MAX_PIXELS, DataError)
    names = label_space, SSM_CODEC, COARSE_CODEC
    return SpicFile(tuple(size), tuple(original_size), *names, weights_id, b"", b"", sampling, seed)


class ClipWriter:
    """Writes a `.spicv` file to an open binary file.

    Parameters
    ----------
    file : binary file
        With a method `write`.
    head : SpicFile
        As `clip_head` gives it.
    rate : Fraction
        Frames per second.
    """

    def __init__(self, file, head: SpicFile, rate: Fraction):
        rate = Fraction(rate)
        if not 0 < rate.numerator <= _MAX_RATE or not rate.denominator <= _MAX_RATE:
            raise ConfigError(f"{rate} frames per second: out of range")
        data = write_head(head) + number(rate.numerator) + number(rate.denominator)
        data = MAGIC + bytes((VERSION,)) + number(len(data)) + data
        self._file, self._crc, self._count = file, zlib.crc32(data), 0
        self.bytes = 0
        self._write(data + self._crc.to_bytes(4, "big"))

    def write(self, frame: CodedFrame) -> None:
        """Append the next frame; the first one must be alone."""
        parts = [] if frame.ssm is None else [(_SSM, frame.ssm)]
        for kind, payload in (*parts, (_COARSE, frame.coarse)):
            self._section(kind + frame.alone * _ALONE, payload)
        self._count += 1

    def end(self) -> None:
        """Say that no frame is missing behind the last one."""
        self._section(_END, b"")

    def _section(self, kind: int, payload: bytes) -> None:
        data = bytes((kind,)) + number(len(payload)) + payload
        self._write(data + _crc(data, self._crc, self._count))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self.bytes += len(data)


class ClipReader:
    """Reads a `.spicv` file from an open binary file, frame by frame.

    Parameters
    ----------
    file : binary file
        With a method `read`; `starts` and `seek` need `seek` and `tell` too.
    max_pixels : int
        Larger working and original sizes are refused.

    Attributes
    ----------
    head : SpicFile
        As `clip_head` gives it.
    rate : Fraction
        Frames per second.

    Raises
    ------
    BitstreamError
        The head is damaged, or says what is not allowed.
    """

    def __init__(self, file, max_pixels: int = MAX_PIXELS):
        self._file, self._count = file, 0
        start = self._take(5, "its head")
        if start[:4] != MAGIC:
            raise BitstreamError("not a .spicv file: wrong magic")
        if start[4] != VERSION:
            raise BitstreamError(f".spicv version {start[4]} is not known here (known: {VERSION})")
        length, spelled = self._number("its head")
        if length > _MAX_HEAD:
            raise BitstreamError(".spicv: the head is damaged")
        data = self._take(length, "its head")
        self._crc = zlib.crc32(start + spelled + data)
        if self._take(4, "its head") != self._crc.to_bytes(4, "big"):
            raise BitstreamError(".spicv: the head is damaged (CRC-32 differs)")
        reader = Reader(data)
        self.head = SpicFile(ssm=b"", coarse=b"", **read_head(reader))
        numerator, denominator = reader.number(), reader.number()
        if not reader.done() or not (0 < numerator <= _MAX_RATE and 0 < denominator <= _MAX_RATE):
            raise BitstreamError(".spicv: the head is damaged")
        self.rate = Fraction(numerator, denominator)
        check_sizes(self.head.size, self.head.original_size, max_pixels, BitstreamError)
        if (self.head.ssm_codec, self.head.coarse_codec) != (SSM_CODEC, COARSE_CODEC):
            raise BitstreamError(f".spicv: codecs other than {SSM_CODEC} and {COARSE_CODEC} are not known here")
        height, width = self.head.size
        self._most = 8 * height * width + (1 << 12)  # no part of a frame is longer

    def __iter__(self):
        """Yield `CodedFrame`s up to the end.

        Raises
        ------
        BitstreamError
            A section is damaged or out of place, or the file was cut; the frames before it were given.
        """
        while True:
            sections = self._sections()
            if sections is None:
                return
            kinds = [kind for kind, _ in sections]
            alone = kinds[-1] == _COARSE + _ALONE
            wanted = [_SSM + alone * _ALONE, kinds[-1]]
            if (kinds != wanted and (alone or kinds != wanted[1:])) or (self._count == 0 and not alone):
                raise BitstreamError(f".spicv: frame {self._count} is not as it should be")
            ssm = sections[0][1] if len(sections) == 2 else None
            self._count += 1
            yield CodedFrame(self._count - 1, alone, ssm, sections[-1][1])

    def _sections(self):
        """[(kind, payload)] of the next frame: up to two; None at the end."""
        found = []
        while not found or found[-1][0] & ~_ALONE != _COARSE:
            kind, payload = self._section()
            if kind == _END and not found and not payload:
                if self._file.read(1):
                    raise BitstreamError(".spicv: there is something behind the end")
                return None
            if kind == _END or len(found) == 2:
                raise BitstreamError(f".spicv: frame {self._count} is not as it should be")
            found.append((kind, payload))
        return found

    def _section(self):
        where = f"frame {self._count}"
        kind = self._take(1, where)
        length, spelled = self._number(where)
        if kind[0] not in _KINDS or length > self._most:
            raise BitstreamError(f".spicv: {where} is damaged")
        payload = self._take(length, where)
        if self._take(4, where) != _crc(kind + spelled + payload, self._crc, self._count):
            raise BitstreamError(f".spicv: {where} is damaged (CRC-32 differs)")
        return kind[0], payload

    def starts(self) -> list[tuple[int, int]]:
        """(number, place in the file) of the frames that are alone, from here on; only lengths are read.

        It ends without an error where the file was cut, and goes back to where it began.
        """
        begin, count, found = self._file.tell(), self._count, []
        place = begin
        try:
            while True:
                kind = self._take(1, "a frame")[0]
                length, _ = self._number("a frame")
                if kind not in _KINDS or kind == _END or length > self._most:
                    break
                self._file.seek(length + 4, 1)
                if kind == _SSM + _ALONE:
                    found.append((count, place))
                if kind & ~_ALONE == _COARSE:
                    count += 1
                place = self._file.tell()
        except BitstreamError:
            pass
        self._file.seek(begin)
        return found

    def seek(self, frame: int) -> int:
        """Go to the last frame up to `frame` that is alone; returns its number. Only before frames were read."""
        number_of, place = max((start for start in self.starts() if start[0] <= frame), default=(0, None))
        if place is not None:
            self._file.seek(place)
            self._count = number_of
        return number_of

    def _take(self, count: int, where: str) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise BitstreamError(f"the .spicv file ends early, in {where}")
        return data

    def _number(self, where: str) -> tuple[int, bytes]:
        """A number, and its bytes."""
        data = self._take(1, where)
        while data[-1] > 127 and len(data) < 10:
            data += self._take(1, where)
        return Reader(data).number(), data


def _crc(data: bytes, head: int, frame: int) -> bytes:
    """CRC-32 of a section: it goes on from that of the head and the number of the frame, so that none is misplaced."""
    return zlib.crc32(data, zlib.crc32(frame.to_bytes(8, "big"), head)).to_bytes(4, "big")
