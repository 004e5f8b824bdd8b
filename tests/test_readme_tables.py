"""The README's tables are those that the registry gives."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("methods", "datasets", "results", "findings")


@pytest.fixture(scope="module")
def blocks():
    script = [sys.executable, str(ROOT / "docs" / "tables.py")]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    found = {name: re.search(f"<!-- {name} -->.*?<!-- /{name} -->", done.stdout, re.DOTALL) for name in NAMES}
    return {name: match[0] for name, match in found.items()}


@pytest.mark.parametrize("name", NAMES)
def test_readme_has_the_tables_of_registry_and_results(blocks, name):
    block = blocks[name]
    assert block.startswith(f"<!-- {name} -->\n") and block.endswith(f"\n<!-- /{name} -->")
    assert block in (ROOT / "README.md").read_text(), "run `python docs/tables.py --write`"


def test_tables_name_what_there_is(blocks):
    for name in ("`spic`", "`bpg`", "`avif`", "`jpegxl`", "`webp-lossless`"):
        assert name in blocks["methods"]
    for name in ("`cityscapes`", "`folder`", "`street_scenes_city`"):
        assert name in blocks["datasets"]
