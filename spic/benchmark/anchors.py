"""Anchors: published numbers of others, drawn beside a run's where a config asks for them (`anchors`).

One JSON file per codec and data set, as CompressAI lays out its results, {"name", "description", "results": {"bpp":
[...], metric: [...]}}, and beside these `source` (where the numbers are published), `protocol` (how they were measured)
and `warning` (why they cannot be compared with a run's; null where they can). Metrics have their names in points.csv.
"""

import json
import math
from pathlib import Path

from spic.errors import DataError

FOLDER = Path("results", "published", "anchors")  # in the clone
_TEXTS = ("name", "description", "source", "protocol")


def anchor_path(name: str) -> str:
    """Where an anchor is: its own path where it ends in .json, else the file of that name in `FOLDER`."""
    return name if name.endswith(".json") else str(FOLDER / f"{name}.json")


def read_anchor(path) -> dict:
    """Read an anchor; `DataError` says in one line what is missing or wrong in its file."""
    try:
        found = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from None
    problem = _problem(found) if isinstance(found, dict) else "expected a table"
    if problem:
        raise DataError(f"{path}: {problem}")
    return found


def _problem(anchor: dict) -> str | None:
    for key in _TEXTS:
        if not isinstance(anchor.get(key), str) or not anchor[key].strip():
            return f"needs {key!r}, a text"
    if "warning" not in anchor or not isinstance(anchor["warning"], str | None):
        return "needs 'warning', a text or null"
    results = anchor.get("results")
    if not isinstance(results, dict) or not isinstance(results.get("bpp"), list) or not results["bpp"]:
        return "needs 'results' with the rates 'bpp'"
    for key, values in results.items():
        if not isinstance(values, list) or len(values) != len(results["bpp"]):
            return f"{key}: expected a list as long as bpp"
        if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
            return f"{key}: expected finite numbers"
    return None if min(results["bpp"]) > 0 else "bpp: expected rates above 0"
