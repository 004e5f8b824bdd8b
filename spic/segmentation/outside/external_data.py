"""Which other files an ONNX file names, read from its bytes before onnxruntime opens any of them.

Large networks keep tensors beside the ONNX file ("external data"). The names come from the file, so a hostile one could
have any file of the machine read. Only files in the folder of the ONNX file, or below it, are accepted.

Source: onnx.proto3 of ONNX 1.16; the encoding is that of Protocol Buffers.
"""

from functools import cache
from pathlib import Path

from spic.errors import WeightsError

# Message: its fields that lead to tensors, and the message of each.
_FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DEEPEST = 100  # nested messages, as Protocol Buffers has it


def external_files(path: Path) -> list[Path]:
    """The files that an ONNX file names, sorted.

    Raises
    ------
    WeightsError
        The file is not ONNX, or names a file that is missing, not a plain file, or outside of its folder.
    """
    stat = path.stat()
    folder, found = path.resolve().parent, []
    for location in _locations(path, stat.st_size, stat.st_mtime_ns):
        file = (folder / location).resolve()
        if not location or Path(location).is_absolute() or not file.is_relative_to(folder):
            raise WeightsError(f"{path}: names data outside of its folder ({location!r})")
        if not file.is_file():
            raise WeightsError(f"{path}: its data {location!r} is missing")
        found.append(path.parent / location)
    return found


@cache
def _locations(path: Path, size: int, date: int) -> tuple[str, ...]:
    found = set()
    try:
        _walk(memoryview(path.read_bytes()), "model", found, 0)
        return tuple(sorted(found))
    except (IndexError, ValueError) as error:
        raise WeightsError(f"{path}: not an ONNX file ({error})") from None


def _walk(data: memoryview, message: str, found: set[str], depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    for number, content in _fields(data):
        inner = _FIELDS[message].get(number)
        if inner is None or content is None:
            continue
        if inner == "entry":
            pair = dict(_fields(content))
            if bytes(pair.get(1) or b"") == b"location":
                found.add(bytes(pair.get(2) or b"").decode())
        else:
            _walk(content, inner, found, depth + 1)


def _fields(data: memoryview):
    """Yield (field number, content) of a message; the content is None where it is a number."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind, content = key & 7, None
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 1:
            at += 8
        elif kind == 5:
            at += 4
        elif kind == 2:
            length, at = _varint(data, at)
            content, at = data[at : at + length], at + length
        else:
            raise ValueError("unknown kind of field")
        if at > len(data) or key < 8:
            raise ValueError("cut or damaged")
        yield key >> 3, content


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number is too long")
