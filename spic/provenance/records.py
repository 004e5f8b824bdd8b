"""What a job read and wrote, by content: one small JSON beside what it wrote, verified by the next job that reads it.

`encode.provenance.json` in the folder of a chunk is the record of rule `encode`:

    rule, wildcards     which job
    spic, versions      of this package and of the libraries that the job had loaded
    params              the job's settings, hashes of weights and versions of codecs among them
    machine             device, dtype and torch_threads, for jobs of networks
    inputs              {path: SHA-256} of the artefacts it read
    outputs             {name: {sha256, files: {name: first half of its SHA-256}}}; no `files` for a plain file
    started, seconds, cpu_seconds   UTC, by the clock, by the processor with the imports

A folder's SHA-256 is that of its files' names and hashes. Hidden files are the workflow's and do not count.
"""

import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import spic
from spic.errors import DataError
from spic.files import write_bytes
from spic.strict_json import to_json
from spic.weights import sha256

SUFFIX = ".provenance.json"
_LIBRARIES = ("av", "imagecodecs", "numba", "numpy", "PIL", "torch")  # that have a say in results


def describe(path) -> dict:
    """Hashes of a file or folder, as `outputs` of a record holds them; `DataError` if it is not there."""
    path = Path(path)
    if path.is_file():
        return {"sha256": sha256(path)}
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder")
    files = sorted(Path(at, name) for at, _, names in os.walk(path) for name in names if not name.startswith("."))
    hashes = {file.relative_to(path).as_posix(): sha256(file) for file in files}
    text = "".join(f"{name}\0{value}\n" for name, value in hashes.items())
    return {
        "sha256": hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest(),
        "files": {name: value[:32] for name, value in hashes.items()},
    }


def check_inputs(paths) -> dict[str, str]:
    """Check that artefacts are what the jobs that wrote them recorded.

    Parameters
    ----------
    paths : iterable of path-like
        Files and folders; those that no record beside them names are passed over.

    Returns
    -------
    dict of str to str
        SHA-256 of those that a record names.

    Raises
    ------
    DataError
        Names the file that is missing, new or changed since.
    """
    paths = list(map(Path, paths))
    known = {folder: outputs_beside(folder) for folder in {path.parent for path in paths}}
    return {
        str(path): _checked(path, known[path.parent][path.name]) for path in paths if path.name in known[path.parent]
    }


def outputs_beside(folder) -> dict[str, dict]:
    """What the records in a folder say of the artefacts in it, {name: {rule, sha256, files}}."""
    return {
        name: {"rule": record["rule"], **hashes}
        for record in map(read_record, sorted(Path(folder).glob(f"*{SUFFIX}")))
        for name, hashes in record["outputs"].items()
    }


def read_record(path) -> dict:
    """Read one record; `DataError` names it if it is damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(Path(path).read_text())
        if all(isinstance(record[key], kind) for key, kind in (("rule", str), ("inputs", dict), ("outputs", dict))):
            return record
    raise DataError(f"{path}: damaged record; remove it and run again")


def write_record(path, *, outputs, **facts) -> None:
    """Write the record of a job that is done.

    Parameters
    ----------
    path : path-like
        The record, in the folder of the outputs or above it.
    outputs : iterable of path-like
        Files and folders that the job wrote.
    **facts
        The other keys (see above), of what JSON can hold; paths become strings.
    """
    record = {
        **facts,
        "spic": spic.__version__,
        "versions": {
            "python": sys.version.split()[0],
            **{one: getattr(sys.modules[one], "__version__", "unknown") for one in _LIBRARIES if one in sys.modules},
        },
        "outputs": {Path(one).relative_to(Path(path).parent).as_posix(): describe(one) for one in outputs},
    }
    write_bytes(path, (to_json(record, indent=1, default=str) + "\n").encode())


def _checked(path: Path, said: dict) -> str:
    advice = f"remove {path} and run again"
    try:
        found = describe(path)
    except DataError:
        raise DataError(f"{path}: gone since job {said['rule']} wrote it; run again") from None
    files, recorded = found.get("files", {}), said.get("files", {})
    for name in sorted(files.keys() | recorded.keys()):
        if files.get(name) != recorded.get(name):
            what = "gone" if name not in files else "changed" if name in recorded else "new"
            raise DataError(f"{path / name}: {what} since job {said['rule']} wrote {path}; {advice}")
    if found["sha256"] != said["sha256"]:
        raise DataError(f"{path}: changed since job {said['rule']} wrote it; {advice}")
    return found["sha256"]
