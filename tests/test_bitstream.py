"""The .spic container: what it costs, what it keeps, and what it refuses; checked against the page that defines it."""

import re
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spic.bitstream import CODECS, LABEL_SPACES, SpicFile, read_spic, write_spic
from spic.errors import BitstreamError, ConfigError, DataError, SpicError
from spic.scsrdm.sampling import Sampling

DEFAULT = SpicFile(
    size=(256, 512),
    original_size=(256, 512),
    label_space="camvid11",
    ssm_codec="flif",
    coarse_codec="bpg",
    weights_id="8ed36d30",
    ssm=b"s" * 1296,
    coarse=b"coarse" * 100,
)


def sealed(data: bytes) -> bytes:
    return data + struct.pack(">I", zlib.crc32(data))


def overhead(file: SpicFile) -> int:
    return len(write_spic(file)) - len(file.ssm) - len(file.coarse)


def test_default_settings_cost_at_most_24_bytes():
    assert overhead(DEFAULT) == 21
    for original in ((360, 480), (1080, 1920), (16383, 1)):
        assert overhead(replace(DEFAULT, original_size=original)) <= 24
    assert overhead(replace(DEFAULT, size=(1024, 2048), original_size=(1024, 2048), ssm=b"s" * 30000)) <= 24


def test_bytes_are_those_of_the_specification():
    """Written out by hand from docs/spic-format.md."""
    file = replace(DEFAULT, original_size=(360, 480), seed=300, ssm=b"SSM", coarse=b"COARSE")
    head = b"SPIC" + bytes((1, 0x12, 1, 63, 127, 0x82, 0x68, 0x83, 0x60)) + bytes.fromhex("8ed36d30")
    expected = sealed(head + b"\x02\x02\x82\x2c" + b"\0" + b"\3SSM" + b"COARSE")
    assert write_spic(file) == expected and read_spic(expected) == file


def test_sampling_as_specified():
    steps = {"sampler": "ddim", "guidance": 1.5, "steps": 8, "start": 192}
    data = write_spic(replace(DEFAULT, sampling=Sampling.from_dict(steps)))
    assert b"\x01\x0c\x02" + struct.pack(">d", 1.5) + b"\x08\x81\x40" in data
    timesteps = {"sampler": "published", "guidance": 1.0, "timesteps": [0, 10, 192]}
    data = write_spic(replace(DEFAULT, sampling=Sampling.from_dict(timesteps)))
    assert b"\x01\x0e\x00" + struct.pack(">d", 1.0) + b"\x00\x00\x0a\x81\x36" in data
    for sampling in (steps, timesteps, {**steps, "steps": 1}, {**timesteps, "timesteps": [999]}):
        file = read_spic(write_spic(replace(DEFAULT, sampling=Sampling.from_dict(sampling))))
        assert file.sampling.to_dict() == sampling


def test_numbers_of_codecs_and_label_spaces_never_change():
    page = (Path(__file__).parent.parent / "docs" / "spic-format.md").read_text()
    rows = re.findall(r"(\d+) \| `([\w-]+)`", page)
    assert {name: int(number) for number, name in rows} == {**CODECS, **LABEL_SPACES}
    assert list(CODECS)[:4] == ["flif", "bpg", "png", "jpeg2000"] and list(CODECS.values()) == list(range(1, 13))
    for known, most in ((CODECS, 15), (LABEL_SPACES, 255)):
        assert len(set(known.values())) == len(known) and all(0 < number <= most for number in known.values())


def test_names_without_a_number():
    file = replace(DEFAULT, ssm_codec="mine", coarse_codec="their-codec", label_space="planets9")
    assert read_spic(write_spic(file)) == file
    for wrong in ({"ssm_codec": ""}, {"coarse_codec": "x" * 65}, {"label_space": "ä"}, {"ssm_codec": "a\n"}):
        with pytest.raises(ConfigError):
            write_spic(replace(DEFAULT, **wrong))


def test_unknown_optional_fields_are_skipped_and_critical_ones_refused():
    data = write_spic(DEFAULT)[:-4]
    place = data.index(b"\0\x8a\x10" + b"s")  # the end of the fields
    with_optional = sealed(data[:place] + b"\x7f\x03abc" + data[place:])
    assert read_spic(with_optional) == DEFAULT
    with pytest.raises(BitstreamError, match="critical field 0xff"):
        read_spic(sealed(data[:place] + b"\xff\x00" + data[place:]))
    with pytest.raises(BitstreamError, match="rising order"):
        read_spic(sealed(data[:place] + b"\x02\x01\x05\x02\x01\x05" + data[place:]))


def test_unknown_versions_and_numbers_are_refused():
    data = bytearray(write_spic(DEFAULT)[:-4])
    for at, value, match in (
        (4, 3, "version 3"),
        (5, 0xF2, "SSM codec 15"),
        (5, 0x1F, "coarse codec 15"),
        (6, 99, "99"),
    ):
        changed = bytearray(data)
        changed[at] = value
        with pytest.raises(BitstreamError, match=match):
            read_spic(sealed(bytes(changed)))
    data[6] = 0  # a name is promised and missing
    with pytest.raises(BitstreamError, match="contradict"):
        read_spic(sealed(bytes(data)))


def test_damage_is_noticed():
    data = write_spic(DEFAULT)
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 4
        with pytest.raises(BitstreamError):
            read_spic(bytes(changed))
    for length in range(0, len(data), 5):
        with pytest.raises(BitstreamError):
            read_spic(data[:length])
    for other in (None, "SPIC", 5):
        with pytest.raises(BitstreamError):
            read_spic(other)
    assert read_spic(bytearray(data)) == read_spic(memoryview(data)) == DEFAULT


@pytest.mark.parametrize("field", ["size", "original_size"])
def test_sizes_are_limited_before_anything_else(field):
    file, what = replace(DEFAULT, **{field: (4096, 4100)}), "original" if "original" in field else "working"
    with pytest.raises(BitstreamError, match=rf"{what} size 4100x4096 is out of range \(max_pixels is 16793599\)"):
        read_spic(write_spic(file), max_pixels=4096 * 4100 - 1)
    assert read_spic(write_spic(file), max_pixels=4096 * 4100) == file
    with pytest.raises(DataError, match="65540x4 is out of range"):
        write_spic(replace(DEFAULT, **{field: (4, 65540)}))
    with pytest.raises((DataError, ConfigError)):
        write_spic(replace(DEFAULT, **{field: (0, 4)}))


def test_what_is_written_is_read_by_default(monkeypatch):
    """Sizes of today's cameras, to the limit; beyond it the writer refuses, and so does the reader."""
    for size in ((4000, 6000), (6000, 8000), (8192, 8192)):
        for field in ("size", "original_size"):
            file = replace(DEFAULT, **{field: size})
            assert read_spic(write_spic(file)) == file
    large = replace(DEFAULT, original_size=(8192, 8193))
    with pytest.raises(DataError, match="original size 8193x8192 is out of range"):
        write_spic(large)
    monkeypatch.setattr("spic.bitstream.MAX_PIXELS", 1 << 40)
    with pytest.raises(BitstreamError, match="original size 8193x8192 is out of range"):
        read_spic(write_spic(large))


def test_what_can_not_be_written():
    sampling = {"sampler": "ddim", "guidance": 1.0, "steps": 8, "start": 100}
    for wrong in (
        {"size": (255, 512)},
        {"ssm": b""},
        {"coarse": b""},
        {"weights_id": "8ed36d3"},
        {"weights_id": "8ed36d30aa"},
        {"weights_id": None},
        {"seed": -1},
        {"seed": 1 << 63},
        {"seed": 1.0},
        {"sampling": {**sampling, "sampler": "magic"}},
        {"sampling": {**sampling, "steps": 102}},
        {"sampling": {**sampling, "start": 1000}},
        {"sampling": {**sampling, "guidance": float("nan")}},
        {"sampling": {**sampling, "guidance": 1001}},
        {"sampling": {"sampler": "ddim", "guidance": 1.0, "timesteps": [5, 5]}},
        {"sampling": {"sampler": "ddim", "guidance": 1.0, "timesteps": []}},
    ):
        with pytest.raises((ConfigError, DataError)):
            if "sampling" in wrong:
                wrong = {"sampling": Sampling.from_dict(wrong["sampling"])}
            write_spic(replace(DEFAULT, **wrong))


def test_noise_differs_between_pictures_and_seeds_only():
    other = replace(DEFAULT, coarse=b"another QP", original_size=(9, 9))
    assert other.noise_seed == DEFAULT.noise_seed == zlib.crc32(DEFAULT.ssm)
    seeds = {DEFAULT.noise_seed, replace(DEFAULT, ssm=b"t").noise_seed, replace(DEFAULT, seed=1).noise_seed}
    assert len(seeds) == 3 and all(0 <= seed < 1 << 32 for seed in seeds)


def test_rate_counts_the_payloads():
    assert DEFAULT.bpp == 8 * (1296 + 600) / (256 * 512)


names = st.sampled_from([*CODECS, "other"])
side = st.integers(1, 900)


@settings(deadline=None, max_examples=100)
@given(
    st.builds(
        SpicFile,
        size=st.tuples(side, side).map(lambda s: (4 * s[0], 4 * s[1])),
        original_size=st.tuples(side, side),
        label_space=st.sampled_from([*LABEL_SPACES, "space"]),
        ssm_codec=names,
        coarse_codec=names,
        weights_id=st.binary(min_size=4, max_size=4).map(bytes.hex),
        ssm=st.binary(min_size=1),
        coarse=st.binary(min_size=1),
        sampling=st.none()
        | st.fixed_dictionaries(
            {
                "sampler": st.sampled_from(["published", "ancestral", "ddim"]),
                "guidance": st.floats(-1000, 1000),
                "timesteps": st.sets(st.integers(0, 999), min_size=1).map(sorted),
            }
        ).map(Sampling.from_dict),
        seed=st.integers(0, 2**63 - 1),
    )
)
def test_any_file_comes_back(file):
    assert read_spic(write_spic(file)) == file


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_end_in_a_bitstream_error_or_a_file(data, head):
    data = sealed((b"SPIC\x01" if head else b"") + data)
    try:
        file = read_spic(data)
    except SpicError as error:
        assert type(error) is BitstreamError
    else:
        assert len(file.ssm) + len(file.coarse) < len(data)


def test_reading_is_light():
    code = "import sys, spic, spic.bitstream; print([m for m in ('numpy', 'PIL', 'torch', 'av') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
