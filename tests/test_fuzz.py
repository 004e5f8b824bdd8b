"""The mutation loop of `make fuzz`: a few cases of every decoder, and that it notices what it is there for."""

import importlib.util
import random
import time
from pathlib import Path

import numpy as np
import pytest

from spic.bitstream import read_spic
from spic.codecs import get_codec
from spic.errors import BitstreamError

SPEC = importlib.util.spec_from_file_location("fuzz", Path(__file__).with_name("fuzz.py"))
fuzz = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fuzz)
import fuzz_changes  # noqa: E402  (beside it, on the path since)


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


def test_every_target_has_sizes_to_make_wrong(found):
    assert fuzz_changes.KNOWN == set(found)
    for name, (_, corpus) in found.items():
        for data in corpus:
            sizes = list(fuzz_changes._SIZES[name](data))
            assert sizes and all(size.put(size.value) == data for size in sizes), name
            assert all(0 <= size.value <= size.most for size in sizes), name
        wrong = {fuzz_changes.wrong_size(random.Random(i), name, corpus[0]) for i in range(40)}
        assert len(wrong - {corpus[0]}) > 8, name


@pytest.mark.parametrize(
    ("name", "less"),  # what the format stores of a side: the side, or the side less one
    [(name, 0) for name in ("avif", "bpg", "jpeg", "jpeg2000", "png", "webp")]
    + [(name, 1) for name in ("flif", "jpegxl", "labelmap", "webp-lossless")],
)
def test_the_sizes_are_those_of_the_picture(name, less):
    codec = get_codec(name)
    image = np.zeros((19, 333, 3) if codec.takes("picture") else (19, 333), np.uint8)
    values = [size.value for size in fuzz_changes._SIZES[name](codec.encode(image))]
    assert 19 - less in values and 333 - less in values


def test_checksums_of_both_versions_are_made_right(found):
    decode, corpus = found["spic"]
    assert {data[4] for data in corpus} == {1, 2}
    for data in corpus:
        assert fuzz_changes.sealed_spic(data) == data
        changed = bytearray(data)
        changed[-6] ^= 1  # of the last payload
        with pytest.raises(BitstreamError, match="CRC-32 differs"):
            decode(bytes(changed))
        assert read_spic(fuzz_changes.sealed_spic(bytes(changed))) != read_spic(data)


def test_a_splice_is_made_of_both():
    first, second = bytes(range(0, 100)), bytes(range(50, 150))
    for seed in range(50):
        data = fuzz_changes.splice(random.Random(seed), first, second)
        assert set(data) <= set(first) | set(second)
    spliced = {fuzz_changes.splice(random.Random(seed), first, second) for seed in range(50)}
    assert bytes(range(150)) in spliced and len(spliced) > 20  # joined where both have the same bytes


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
