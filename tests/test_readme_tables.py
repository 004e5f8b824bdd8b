"""The README's tables are those that the registry gives."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def blocks():
    script = [sys.executable, str(ROOT / "docs" / "tables.py")]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    return dict(zip(("methods", "datasets"), done.stdout.strip().split("\n\n<!--", 1), strict=True))


@pytest.mark.parametrize("name", ["methods", "datasets"])
def test_readme_has_the_tables_of_the_registry(blocks, name):
    block = blocks[name] if name == "methods" else f"<!--{blocks[name]}"
    assert block.startswith(f"<!-- {name} -->\n") and block.endswith(f"\n<!-- /{name} -->")
    assert block in (ROOT / "README.md").read_text(), "run `python docs/tables.py --write`"


def test_tables_name_what_there_is(blocks):
    for name in ("`spic`", "`bpg`", "`avif`", "`jpegxl`", "`webp-lossless`"):
        assert name in blocks["methods"]
    for name in ("`cityscapes`", "`folder`", "`street_scenes_city`"):
        assert name in blocks["datasets"]
