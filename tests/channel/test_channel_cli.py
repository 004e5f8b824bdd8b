"""`spic transmit`."""

import json

import pytest
from typer.testing import CliRunner

from spic.bitstream import SpicFile, read_spic, write_spic
from spic.cli import app

DATA = write_spic(SpicFile((256, 512), (480, 960), "camvid11", "flif", "bpg", "0123abcd", b"S" * 700, b"C" * 900))


@pytest.fixture
def street(tmp_path):
    path = tmp_path / "street.spic"
    path.write_bytes(DATA)
    return path


def transmit(*arguments):
    return CliRunner().invoke(app, ["transmit", *map(str, arguments)])


def failed(*arguments) -> str:
    done = transmit(*arguments)
    assert done.exit_code == 1 and done.stderr.count("\n") == 1 and done.stdout == ""
    return done.stderr


def test_far_above_the_cliff_the_file_arrives_as_it_was(street, tmp_path):
    pytest.importorskip("sionna")
    done = transmit(
        street, "-o", tmp_path / "r.spic", "--snr", 20, "--modulation", "16qam", "--code-rate", "2/3", "--json"
    )
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    # two messages of 700 and 900 bytes with head and section: 7 and 8 packets of 384 symbols
    assert (record["packets"], record["lost_packets"], record["channel_uses"]) == (15, 0, 15 * 384)
    assert record["arrived"] == ["ssm", "coarse"] and (tmp_path / "r.spic").read_bytes() == DATA


def test_unequal_protection_loses_the_coarse_image_alone(street, tmp_path):
    pytest.importorskip("sionna")
    arguments = ("--snr", 1.5, "--code-rate", "ssm=1/3,coarse=9/10", "--packet-bytes", 64)
    done = transmit(street, "-o", tmp_path / "r.spic", *arguments)
    assert done.exit_code == 0 and done.stdout.endswith("packets lost, coarse missing\n")
    left = read_spic((tmp_path / "r.spic").read_bytes())
    assert left.missing == ("coarse",) and left.ssm == b"S" * 700 and left.original_size == (480, 960)


def test_nothing_arrives_and_nothing_is_written(street, tmp_path):
    said = failed(street, "-o", tmp_path / "r.spic", "--erasure", 1)
    assert said == f"spic: {street}: nothing arrived (15360 channel uses, 15 of 15 packets lost)\n"
    assert not (tmp_path / "r.spic").exists()


def test_other_files_are_one_message(tmp_path):
    (tmp_path / "a.bpg").write_bytes(b"BPG" * 100)
    assert transmit(tmp_path / "a.bpg", "-o", tmp_path / "b.bpg", "--flip", 0).exit_code == 0
    assert (tmp_path / "b.bpg").read_bytes() == b"BPG" * 100
    assert "nothing arrived" in failed(tmp_path / "a.bpg", "-o", tmp_path / "c.bpg", "--flip", 0.3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "expected one of --snr, --erasure, --flip"),
        (("--snr", 3, "--flip", 0.1), "expected one of --snr, --erasure, --flip"),
        (("--snr", 3, "--modulation", "8psk"), "modulation '8psk'"),
        (("--snr", 3, "--code-rate", "1/9"), "code rate '1/9'"),
        (("--snr", 3, "--code-rate", "ssm=1/2"), "--code-rate names none for coarse"),
        (("--snr", 3, "--code-rate", "map=1/2,coarse=1/3"), "--code-rate map=1/2,coarse=1/3: expected a rate"),
        (("--snr", 3, "--fading", "rice"), "fading 'rice'"),
        (("--erasure", 2), "probability 2.0"),
        (("--erasure", 0, "--packet-bytes", 8), "packet_bytes 8"),
    ],
)
def test_one_line_for_what_is_wrong(street, tmp_path, arguments, message):
    assert message in failed(street, "-o", tmp_path / "r.spic", *arguments)
    assert not (tmp_path / "r.spic").exists()


def test_damaged_empty_and_missing_files(tmp_path):
    (tmp_path / "a.spic").write_bytes(DATA[:-3])
    (tmp_path / "b.spic").write_bytes(b"")
    for name, message in {"a": "CRC", "b": "a message of 0 bytes", "c": "No such file"}.items():
        assert message in failed(tmp_path / f"{name}.spic", "-o", tmp_path / "r.spic", "--erasure", 0)
