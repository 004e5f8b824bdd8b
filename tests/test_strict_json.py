"""JSON that other programs can read."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from spic.strict_json import to_json

PACKAGE = Path(__file__).resolve().parents[1] / "spic"


def read(text):
    return json.loads(text, parse_constant=pytest.fail)


def test_what_is_no_finite_number_is_null():
    value = {"a": [1.5, math.inf, (-math.inf, math.nan)], "b": np.float32("inf"), "c": np.array([1, np.nan]), "d": None}
    assert read(to_json(value)) == {"a": [1.5, None, [None, None]], "b": None, "c": [1.0, None], "d": None}
    assert read(to_json({"psnr": [math.inf, -math.inf, math.nan]}, infinite="inf")) == {"psnr": ["inf", "-inf", None]}


def test_everything_else_is_as_python_writes_it():
    value = {"name": 'ü "x"', "n": np.int64(3), "yes": True, "list": [0, 0.1, "inf"], 7: None}
    assert read(to_json(value)) == {"name": 'ü "x"', "n": 3, "yes": True, "list": [0, 0.1, "inf"], "7": None}
    assert to_json({"b": 1, "a": Path("x")}, indent=1, sort_keys=True, default=str) == '{\n "a": "x",\n "b": 1\n}'
    with pytest.raises(TypeError):
        to_json({"x": object()})


def test_nothing_else_in_the_package_writes_json():
    """But for hashes of settings, the check that a config has finite numbers alone, and a worker elsewhere."""
    writers = {path for path in PACKAGE.rglob("*.py") if re.search(r"json\.dumps?\(", path.read_text())}
    names = {path.relative_to(PACKAGE).as_posix() for path in writers}
    hashes = {"provenance/fingerprints.py", "benchmark/observations.py", "weights/__init__.py"}
    assert names == {"strict_json.py", "benchmark/learned_worker.py", *hashes}
