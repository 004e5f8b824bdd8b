"""What a result depends on, as short hashes: the workflow puts them into the settings of its jobs.

A job runs again when its settings change. With the content of weights, the code of codecs and all that comes before it
among them, neither a file's date nor the order in which jobs were killed has a say in whether a result is still good.
"""

import hashlib
import importlib
import json
import os
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from spic.datasets import Dataset
from spic.errors import DataError
from spic.files import write_bytes
from spic.methods import Method
from spic.metrics.columns import observations, registered
from spic.weights import sha256, weight_paths

_LARGE = 1 << 26  # bytes; hashes of larger files are kept
_LENGTH = 16  # hexadecimal digits of what goes into settings
_LIBRARIES = {"av": "av", "imagecodecs": "imagecodecs", "PIL": "pillow"}  # that have a say in coded bytes


def digest(*values) -> str:
    """Short hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:_LENGTH]


def weights_hashes(files, kept=None) -> dict[str, str]:
    """Hashes of weights files, by name, each together with the config beside it; a missing file says so.

    Parameters
    ----------
    files : iterable of path-like
        Tensor files, as `spic.weights.weight_paths` names them, or of other formats.
    kept : path-like, optional
        Folder in which hashes of large files are kept for as long as size, dates and inode stay.
    """
    found = {}
    for file in map(Path, files):
        parts = [part for part in dict.fromkeys((file, *weight_paths(file))) if part.is_file()]
        hashes = [_file_hash(part, kept) for part in parts] if file.is_file() else ["missing"]
        found[file.name] = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return found


def codec_versions(method: Method) -> dict[str, str]:
    """Version of each codec of a method: a hash of its source, and the libraries that it calls."""
    return {codec.name: module_version(type(codec).__module__) for codec in method.codecs().values()}


def metrics_version() -> dict:
    """Version of all that makes numbers of what was recorded: this package's metrics, and those of other packages."""
    rows = registered()
    calls = [call for row in rows for call in (row.value, row.interval, row.each) if call is not None]
    modules = {call.__module__ for call in calls if not call.__module__.startswith("spic.metrics.")}
    said = [[value for value in vars(row).values() if isinstance(value, str | int)] for row in rows]
    return {"columns": said, **{name: module_version(name) for name in ["spic.metrics", *sorted(modules)]}}


def observations_version(paired: bool) -> dict[str, list]:
    """Version of each observation that metrics need: of all, or of those that look at originals too."""
    found = {name: one for name, one in observations().items() if paired or not one.paired}
    return {name: [one.version, module_version(one.build.__module__)] for name, one in found.items()}


def pictures_signature(dataset: Dataset, first: int, count: int) -> str:
    """Hash of the names, sizes and dates of the files of some pictures; of the names alone where they are drawn.

    `DataError` names a file that is there no more.
    """
    seen = []
    for i in range(first, min(first + count, len(dataset))):
        try:
            stats = [(path.name, os.stat(path)) for path in dataset.files(i)]
        except OSError as error:  # gone since the data set was opened
            raise DataError(f"{error.filename}: {error.strerror}") from None
        seen.append([dataset.names[i], *([name, one.st_size, one.st_mtime_ns] for name, one in stats)])
    return digest(seen)


@cache
def module_version(module: str) -> str:
    """Hash of a module's source, or of a package's, and the versions of the libraries it calls that matter."""
    file = Path(importlib.import_module(module).__file__)
    sources = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    texts = [source.read_bytes() for source in sources]
    names = {name.decode() for text in texts for name in re.findall(rb"^\s*(?:import|from) (\w+)", text, re.M)}
    libraries = [f"{_LIBRARIES[name]} {_distribution(_LIBRARIES[name])}" for name in sorted(names & set(_LIBRARIES))]
    return ", ".join([f"source {digest([hashlib.sha256(text).hexdigest() for text in texts])}", *libraries])


def _file_hash(path: Path, kept) -> str:
    stat = path.stat()
    if kept is None or stat.st_size < _LARGE:
        return sha256(path)
    facts = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    note = Path(kept) / digest(*facts)
    if note.is_file() and re.fullmatch(r"[0-9a-f]{64}", note.read_text()):
        return note.read_text()
    found = sha256(path)
    write_bytes(note, found.encode())
    return found


def _distribution(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"with Python {sys.version.split()[0]}"
