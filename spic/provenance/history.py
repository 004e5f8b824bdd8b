"""What made the numbers of a run: the records of its jobs (`spic.provenance.records`), joined.

One entry per row of points.csv.
"""

from pathlib import Path

from spic.errors import DataError
from spic.provenance.fingerprints import digest
from spic.provenance.records import SUFFIX, describe, read_record
from spic.strict_json import to_json

_NAMES = ("protocol", "method", "point")


def read_run(folder) -> dict:
    """Read all records of a run.

    Parameters
    ----------
    folder : path-like
        results/<run>.

    Returns
    -------
    dict
        Path of the record, as seen from the folder, to the record.

    Raises
    ------
    DataError
        There are no records, or one is damaged.
    """
    paths = sorted(Path(folder).rglob(f"*{SUFFIX}"))
    if not paths:
        raise DataError(f"{folder}: no records of a run (*{SUFFIX})")
    return {path.relative_to(folder).as_posix(): read_record(path) for path in paths}


def points(folder) -> list[dict]:
    """What made each point of a run, as `spic provenance --json` prints it.

    Each entry has protocol, method, point; `settings`; `codecs`, `weights` (name to version or SHA-256); `machine`
    (device, dtype, torch_threads); `spic` and `versions` (of libraries), lists where jobs differ; `inputs` (what was
    coded and compared with) and `coded`, name of the folder to SHA-256; `started` (the first job's, UTC), `finished`
    (the start of the last) and `seconds`, `cpu_seconds` by job.
    """
    records = read_run(folder)
    ends = [record for record in records.values() if record["rule"] == "summarize"]
    if not ends:
        raise DataError(f"{folder}: no point is finished")
    return [_point(end, records, f"results/{Path(folder).resolve().name}/") for end in ends]


def stale(folder, content: bool = False) -> list[str]:
    """What does not fit together in a run: artefacts that were made from others than there are now.

    Parameters
    ----------
    folder : path-like
        results/<run>.
    content : bool
        Also hash every artefact again and compare; one that was removed on purpose is passed over.

    Returns
    -------
    list of str
        One line each; empty where all is well.
    """
    folder, found = Path(folder), []
    records = read_run(folder)
    made = _made(records)
    start = f"results/{folder.resolve().name}/"
    for where, record in records.items():
        for path, value in record["inputs"].items():
            if made.get(path.removeprefix(start), {"sha256": value})["sha256"] != value:
                found.append(f"{where}: made from another {path} than there is now")
        for name, said in record["outputs"].items() if content else ():
            path = (folder / where).parent / name
            if path.exists() and describe(path)["sha256"] != said["sha256"]:
                found.append(f"{path}: changed since job {record['rule']} wrote it")
    return found


def text(entries: list[dict]) -> str:
    """The same for people: first what all points have in common, then each point with what is its own."""
    shown = [_flat(entry) for entry in entries]
    common = {key: value for key, value in shown[0].items() if all(one.get(key) == value for one in shown)}
    width = 2 + max(len(key) for one in shown for key in one)
    lines = [f"{key:<{width}}{value}" for key, value in common.items()]
    for one in shown:
        own = [key for key in one if key not in common and key not in _NAMES]
        lines += ["", " ".join(one[key] for key in _NAMES), *(f"  {key:<{width}}{one[key]}" for key in own)]
    return "\n".join(lines)


def _made(records: dict) -> dict[str, dict]:
    return {
        (Path(where).parent / name).as_posix(): {**said, "record": where}
        for where, record in records.items()
        for name, said in record["outputs"].items()
    }


def _point(end: dict, records: dict, start: str) -> dict:
    made, jobs, read, todo = _made(records), {}, {}, [end]
    while todo:  # from the summary back to the images
        for path, value in todo.pop()["inputs"].items():
            local = path.removeprefix(start)
            read[local] = value
            where = made.get(local, {}).get("record")
            if where is not None and where not in jobs:
                jobs[where] = records[where]
                todo.append(records[where])
    used = [*jobs.values(), end]
    rules = sorted({record["rule"] for record in used})
    coding = [record for record in used if record["rule"] in ("encode", "decode")]
    return {
        "run": end["params"]["run"],
        "protocol": end["wildcards"]["protocol"],
        "method": end["params"]["method"],
        "point": end["wildcards"]["point"],
        "settings": _joined(coding, "settings") | {"ssm_source": end["params"]["ssm_source"] or None},
        "codecs": _joined(coding, "codecs"),
        "weights": _joined(used, "weights"),
        "machine": next((record["machine"] for record in used if record["machine"]), None),
        "spic": _all(record["spic"] for record in used),
        "versions": {
            name: _all(record["versions"][name] for record in used if name in record["versions"])
            for name in sorted({name for record in used for name in record["versions"]})
        },
        "inputs": {path: read[path] for path in sorted(read) if path.endswith(("/pictures", "/labels", "/ssm"))},
        "coded": {path: read[path] for path in sorted(read) if path.endswith(("/coded", "/counted_official"))},
        "started": min(record["started"] for record in used),
        "finished": max(record["started"] for record in used),
        **{
            key: {rule: round(sum(one[key] for one in used if one["rule"] == rule), 3) for rule in rules}
            for key in ("seconds", "cpu_seconds")
        },
    }


def _joined(records, key) -> dict:
    return {name: value for record in records for name, value in record["params"].get(key, {}).items()}


def _all(values):
    """The one value there is, or the sorted list of several."""
    found = sorted(set(values))
    return found[0] if len(found) == 1 else found


def _flat(entry: dict) -> dict[str, str]:
    """One level of "a.b" keys to texts; hashes cut to what tells them apart, many of them to one."""
    flat = {}
    for key, value in entry.items():
        if key in ("inputs", "coded"):
            flat[key] = f"{digest(value)} ({len(value)} folders)"
        elif key in ("seconds", "cpu_seconds"):
            flat[key] = f"{sum(value.values()):.1f}"
        else:
            flat |= {f"{key}.{name}": value[name] for name in value} if isinstance(value, dict) else {key: value}
    short = {key: value[:16] if isinstance(value, str) and len(value) == 64 else value for key, value in flat.items()}
    return {key: value if isinstance(value, str) else to_json(value) for key, value in short.items()}
