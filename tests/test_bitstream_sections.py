"""Version 2 of the .spic container: sections, missing parts, a residual; against the page that defines it."""

import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spic.bitstream import Residual, SpicFile, read_spic, split_spic, version_of, write_spic
from spic.errors import BitstreamError, ConfigError, DataError, SpicError

PLAIN = SpicFile(
    size=(256, 512),
    original_size=(256, 512),
    label_space="camvid11",
    ssm_codec="flif",
    coarse_codec="bpg",
    weights_id="8ed36d30",
    ssm=b"s" * 1296,
    coarse=b"coarse" * 100,
)
FULL = replace(PLAIN, residual=Residual("bpg", 2, b"residual" * 999))
PARTS = ("ssm", "coarse", "residual")


def crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


def by_hand(file: SpicFile, parts: int, sections) -> bytes:
    """Version 2 as the page says, around a head that `write_spic` wrote for version 1."""
    head = write_spic(replace(file, ssm=b"S", coarse=b"C", residual=None))[5:-7] + bytes((parts,))  # ... 1 S C CRC-32
    start = b"SPIC\x02" + bytes((len(head),)) + head
    return start + crc(start) + b"".join(section + crc(start + section) for section in sections)


def test_bytes_are_those_of_the_specification():
    """Written out by hand from docs/spic-format.md."""
    file = replace(PLAIN, original_size=(360, 480), seed=300, ssm=b"SSM", coarse=None)
    file = replace(file, residual=Residual("png", 3, b"RES"))
    head = bytes((0x12, 1, 63, 127, 0x82, 0x68, 0x83, 0x60)) + bytes.fromhex("8ed36d30") + b"\x02\x02\x82\x2c\x00"
    start = b"SPIC\x02" + bytes((len(head) + 1,)) + head + b"\x05"
    sections = [b"\x01\x03SSM", b"\x03\x05\x03\x03RES"]
    expected = start + crc(start) + b"".join(section + crc(start + section) for section in sections)
    assert write_spic(file) == expected == by_hand(file, 5, sections) and read_spic(expected) == file


def test_version_1_is_written_wherever_it_can_be():
    assert write_spic(PLAIN)[4] == version_of(write_spic(PLAIN)) == 1
    for file in (FULL, replace(PLAIN, ssm=None), replace(PLAIN, coarse=None), replace(PLAIN, ssm=None, coarse=None)):
        assert version_of(write_spic(file)) == 2 and read_spic(write_spic(file)) == file
        with pytest.raises(ConfigError, match="version 1 can not hold"):
            write_spic(file, version=1)
    assert read_spic(write_spic(PLAIN, version=2)) == PLAIN and write_spic(PLAIN, version=1) == write_spic(PLAIN)
    with pytest.raises(ConfigError, match="version 3 can not hold"):
        write_spic(PLAIN, version=3)


def test_what_sections_cost():
    payload = 1296 + 600
    assert len(write_spic(PLAIN)) - payload == 21 and len(write_spic(PLAIN, version=2)) - payload == 35
    assert len(write_spic(FULL)) - payload - 8 * 999 == 44
    assert FULL.bpp == 8 * (payload + 8 * 999) / (256 * 512)


def test_missing_parts_are_named():
    assert PLAIN.missing == FULL.missing == () and replace(FULL, ssm=None).missing == ("ssm",)
    lost = replace(PLAIN, ssm=None, coarse=None)
    assert lost.missing == ("ssm", "coarse") and lost.bpp == 0 and lost.noise_seed == 0
    assert replace(PLAIN, coarse=None).noise_seed == PLAIN.noise_seed


def test_split_and_lost():
    """What a channel does: any sections may be lost or damaged, and the others are read."""
    data = write_spic(FULL)
    parts = split_spic(data)
    assert list(parts) == ["head", *PARTS] and b"".join(parts.values()) == data
    for kept in range(8):
        names = [name for i, name in enumerate(PARTS) if kept >> i & 1]
        wanted = replace(FULL, **{name: None for name in PARTS if name not in names})
        lost = b"".join(parts[name] for name in ("head", *names))
        damaged = b"".join(
            part if name in ("head", *names) else part[:-5] + b"?" + part[-4:] for name, part in parts.items()
        )
        assert read_spic(lost, allow_missing=True) == read_spic(damaged, allow_missing=True) == wanted
        assert read_spic(write_spic(wanted)) == wanted  # said by the file itself: nothing is asked for
        if kept != 7:
            with pytest.raises(BitstreamError, match="there is no section for the"):
                read_spic(lost)
            with pytest.raises(BitstreamError, match="is damaged"):
                read_spic(damaged)
    with pytest.raises(BitstreamError, match="version 1 has no sections"):
        split_spic(write_spic(PLAIN))
    with pytest.raises(BitstreamError, match="ends early"):
        split_spic(data[:-1])


def test_a_cut_file_keeps_its_whole_sections():
    data, parts = write_spic(FULL), split_spic(write_spic(FULL))
    ends = [len(parts["head"]) + len(parts["ssm"]), len(data) - len(parts["residual"]), len(data)]
    for length in (*range(len(parts["head"]), len(data), 97), *ends):
        found = read_spic(data[:length], allow_missing=True)
        assert [getattr(found, name) is not None for name in PARTS] == [length >= end for end in ends]
        if length < len(data):
            with pytest.raises(BitstreamError):
                read_spic(data[:length])


def test_damage_is_noticed():
    data = write_spic(replace(FULL, ssm=b"s" * 40, coarse=b"c" * 40, residual=Residual("bpg", 2, b"r" * 40)))
    head = len(split_spic(data)["head"])
    for at in range(len(data)):
        for bit in (1, 0x80):
            changed = bytearray(data)
            changed[at] ^= bit
            with pytest.raises(BitstreamError):
                read_spic(bytes(changed))
            if at < head:
                with pytest.raises(BitstreamError):
                    read_spic(bytes(changed), allow_missing=True)


def test_a_section_of_another_file_is_not_taken():
    first, second = (split_spic(write_spic(file, version=2)) for file in (PLAIN, replace(PLAIN, seed=1)))
    mixed = first["head"] + second["ssm"] + first["coarse"]
    with pytest.raises(BitstreamError, match=r"section 1 of the \.spic file is damaged"):
        read_spic(mixed)
    assert read_spic(mixed, allow_missing=True) == replace(PLAIN, ssm=None)


def test_unknown_kinds_are_skipped_or_refused():
    ssm, coarse, more = b"\x01\x01S", b"\x02\x01C", b"\x10\x04more"
    file = replace(PLAIN, ssm=b"S", coarse=b"C")
    assert read_spic(by_hand(file, 3, [ssm, coarse, more])) == file
    assert list(split_spic(by_hand(file, 3, [ssm, coarse, more]))) == ["head", "ssm", "coarse"]
    for wrong, match in (
        ([ssm, coarse, b"\x90\x01x"], "critical section 0x90"),
        ([coarse, ssm], "rising order"),
        ([ssm, ssm, coarse], "rising order"),
        ([b"\x00\x01x", ssm, coarse], "rising order"),
        ([ssm, coarse, b"\x03\x03\x02\x02R"], "of which the head does not say"),
        ([ssm, b"\x02\x00"], "payload of the coarse image is empty"),
        ([ssm], "no section for the coarse image"),
        ([ssm, coarse, b""], "ends early"),
    ):
        with pytest.raises(BitstreamError, match=match):
            read_spic(by_hand(file, 3, wrong))
    for parts in (0x0B, 0x83):
        with pytest.raises(BitstreamError, match="says more than is known"):
            read_spic(by_hand(file, parts, [ssm, coarse]))


@pytest.mark.parametrize(
    ("payload", "match"),
    [
        (b"", "ends early"),
        (b"\x02", "ends early"),
        (b"\x02\x02", "payload of the residual is empty"),
        (b"\x02\x00R", "scale 0 of the residual"),
        (b"\x00\x02R", "contradict"),
        (b"\x63\x02R", "residual codec 99 is not known"),
    ],
)
def test_wrong_residuals(payload, match):
    section = b"\x03" + bytes((len(payload),)) + payload
    with pytest.raises(BitstreamError, match=match):
        read_spic(by_hand(replace(PLAIN, ssm=b"S", coarse=b"C"), 7, [b"\x01\x01S", b"\x02\x01C", section]))


def test_a_length_beyond_the_file_allocates_nothing():
    huge = b"\x01" + b"\xff" * 8 + b"\x7f" + b"S"  # 2^63 - 1 bytes
    data = by_hand(replace(PLAIN, ssm=b"S", coarse=b"C"), 3, [huge])
    with pytest.raises(BitstreamError, match="ends early"):
        read_spic(data)
    assert read_spic(data, allow_missing=True).missing == ("ssm", "coarse")
    with pytest.raises(BitstreamError, match="ends early"):
        read_spic(b"SPIC\x02" + b"\xff" * 8 + b"\x7f")


def test_what_can_not_be_written():
    for wrong in ({"data": b""}, {"scale": 0}, {"scale": 256}, {"codec": "mine"}):
        with pytest.raises((DataError, ConfigError)):
            write_spic(replace(FULL, residual=replace(FULL.residual, **wrong)))


payloads = st.none() | st.binary(min_size=1, max_size=300)


@settings(deadline=None, max_examples=100)
@given(payloads, payloads, payloads, st.integers(1, 255))
def test_any_file_comes_back(ssm, coarse, residual, scale):
    residual = residual and Residual("bpg", scale, residual)
    file = replace(PLAIN, ssm=ssm, coarse=coarse, residual=residual)
    assert read_spic(write_spic(file, version=2)) == file == read_spic(write_spic(file), allow_missing=True)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60), st.integers(0, 255), st.booleans())
def test_any_bytes_end_in_a_bitstream_error_or_a_file(data, parts, allow_missing):
    try:
        found = read_spic(by_hand(PLAIN, parts, []) + data, allow_missing=allow_missing)
    except SpicError as error:
        assert type(error) is BitstreamError
    else:
        assert sum(found.bytes_of_parts.values()) <= len(data)
