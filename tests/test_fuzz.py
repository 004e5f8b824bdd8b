"""The mutation loop of `make fuzz`: a few cases of every decoder, and that it notices what it is there for."""

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest

from spic.errors import BitstreamError

SPEC = importlib.util.spec_from_file_location("fuzz", Path(__file__).with_name("fuzz.py"))
fuzz = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fuzz)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    found = fuzz.targets(tmp_path_factory.mktemp("fuzz"))
    for decode, corpus in found.values():
        for data in corpus:
            decode(data)
    return found


def test_a_few_cases(found):
    assert {"flif", "bpg", "spic", "weights", "png", "jpeg2000"} <= set(found)
    for index in range(300):
        name, data = fuzz.make_case(1, index, found)
        assert fuzz.try_case(found[name][0], data) is None, (name, index)


def test_cases_can_be_made_again(found):
    cases = [fuzz.make_case(5, index, found) for index in range(60)]
    assert cases == [fuzz.make_case(5, index, found) for index in range(60)]
    assert {name for name, _ in cases} == set(found) and len({data for _, data in cases}) > 50


def test_what_counts_as_a_finding(monkeypatch):
    def refuses(data):
        raise BitstreamError("no")

    def raises(data):
        raise IndexError("index 7")

    def hoards(data):
        return np.ones(80 << 20, np.uint8).sum()

    assert fuzz.try_case(refuses, b"") is None and fuzz.try_case(len, b"") is None
    assert fuzz.try_case(raises, b"") == "IndexError: index 7"
    monkeypatch.setattr(fuzz, "MAX_MEGABYTES", 40)
    if fuzz._megabytes("VmRSS"):
        assert fuzz.try_case(hoards, b"").endswith(" MB")
    monkeypatch.setattr(fuzz, "MAX_SECONDS", 0.05)

    def idles(data):
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass

    assert fuzz.try_case(idles, b"").endswith(" s")
