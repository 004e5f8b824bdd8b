"""What releases had under the names of shipped weights stays known when others take their place."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spic import weights
from spic.cli import app
from spic.errors import ConfigError, WeightsError
from spic.weights import known_as, manifest, record_release, register, sha256

ROOT = Path(__file__).resolve().parents[2]


def test_a_release_is_remembered(shipping, tiny_decoder, tiny_chain):
    first = sha256(register("street", tiny_decoder))
    assert known_as(first[:8]) == ("street", None)
    assert record_release("1.0") == {"street": first}
    assert known_as(first[:8]) == ("street", None)  # still shipped
    second = sha256(register("street", tiny_chain))
    assert known_as(first[:8]) == ("street", "1.0") and str(known_as(first[:8])) == "street of 1.0"
    assert known_as(second[:8]) == ("street", None) and str(known_as(second[:8])) == "street"
    assert known_as("0badcafe") is None
    record_release("1.1")
    assert manifest()["street"]["released"] == {"1.0": first, "1.1": second}
    register("street", tiny_decoder)
    assert known_as(first[:8]) == ("street", None) and known_as(second[:8]) == ("street", "1.1")


def test_what_a_release_had_can_not_be_changed(shipping, tiny_decoder, tiny_chain):
    register("street", tiny_decoder)
    record_release("1.0")
    register("street", tiny_chain)
    before = (shipping / "manifest.json").read_bytes()
    with pytest.raises(ConfigError, match=r"release 1\.0 had another street \(\w{8}\)"):
        record_release("1.0")
    with pytest.raises(ConfigError, match="not a plain name"):
        record_release("../1.0")
    (shipping / "street.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="hash differs"):
        record_release("1.1")
    assert (shipping / "manifest.json").read_bytes() == before


def test_by_the_command_line(shipping, tiny_decoder):
    digest = sha256(register("street", tiny_decoder))
    done = CliRunner().invoke(app, ["weights", "release", "1.0"])
    assert done.exit_code == 0 and done.stdout == f"street of 1.0: sha256 {digest}\n"
    assert manifest()["street"]["released"] == {"1.0": digest}


@pytest.mark.parametrize("entry", [5, {"file": "a"}, {"released": []}, {"released": {"1.0": 5}}, {"sha256": None}])
def test_a_damaged_entry_is_named(entry, shipping, tiny_decoder):
    register("street", tiny_decoder)
    known = json.loads((shipping / "manifest.json").read_text())
    known["street"] = known["street"] | entry if isinstance(entry, dict) and "file" not in entry else entry
    (shipping / "manifest.json").write_text(json.dumps(known))
    for read in (
        manifest,
        lambda: known_as("0badcafe"),
        lambda: weights.shipped("street"),
        lambda: record_release("2"),
    ):
        with pytest.raises(WeightsError, match="the manifest entry of 'street' is damaged"):
            read()


def test_what_0_1_0_had():
    released = {name: entry["released"].get("0.1.0", "")[:8] for name, entry in manifest().items()}
    assert released["street-decoder"] == "260316ff" and released["street-judge"] == "e6be88a8"
    assert known_as("260316ff").name == "street-decoder"


def test_all_of_them_are_small():
    """They are in the repository and in the wheel."""
    assert sum(entry["bytes"] for entry in manifest().values()) < 48e6
    for name, entry in manifest().items():
        assert weights.shipped(name).stat().st_size == entry["bytes"]
        assert (weights.FOLDER / f"{name}.md").read_text(encoding="utf-8").startswith(f"# {name}\n")


def test_a_version_that_is_released_has_its_weights_recorded():
    """By the changelog: `spic weights release` comes before the word "unreleased" goes."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    released = [title.split()[0] for title in titles if "unreleased" not in title]
    known = {release for entry in manifest().values() for release in entry["released"]}
    assert "0.1.0" in released and known == set(released)
