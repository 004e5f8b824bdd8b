"""What README and docs show is what `docs/tables.py` makes of registry and results."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "config" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MARKED = [
    (page, name) for page in PAGES for name in re.findall(r"^<!-- /(.+) -->$", page.read_text("utf-8"), re.MULTILINE)
]
BENCHMARKS = ROOT / "results" / "published" / "benchmarks"


def run(root: Path, *arguments: str) -> str:
    script = [sys.executable, str(root / "docs" / "tables.py"), *arguments]
    return subprocess.run(script, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def blocks():
    found = re.finditer(r"<!-- ([^/]\S*) -->\n.*?\n<!-- /\1 -->", run(ROOT), re.DOTALL)
    return {match[1]: match[0] for match in found}


@pytest.fixture
def copy(tmp_path):
    """Pages, script and results in a folder of their own."""
    shutil.copy(ROOT / "README.md", tmp_path)
    for folder in ("config", "docs", "results/published", "spic/weights"):
        only_text = shutil.ignore_patterns("*.webp", "*.png", "*.svg", "*.safetensors", "__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=only_text)
    return tmp_path


@pytest.mark.parametrize(("page", "name"), MARKED, ids=[f"{page.stem}-{name}" for page, name in MARKED])
def test_a_page_has_the_block_of_the_script(blocks, page, name):
    assert blocks[name] in page.read_text("utf-8"), "run `python docs/tables.py --write`"


def test_every_block_stands_in_one_page(blocks):
    assert sorted(blocks) == sorted(name for _, name in MARKED)


def test_writing_again_changes_nothing(copy):
    run(copy, "--write")
    for page in PAGES:
        assert (copy / page.relative_to(ROOT)).read_bytes() == page.read_bytes(), page.name


def test_a_new_measurement_reaches_its_page(copy):
    sizes = copy / "results" / "published" / "benchmarks" / "flif_sizes.csv"
    sizes.write_text(re.sub(r"^(flif,\d+),\d+,", r"\1,4321,", sizes.read_text(), flags=re.MULTILINE))
    run(copy, "--write")
    assert "| **this codec** | 4321 |" in (copy / "docs" / "flif.md").read_text("utf-8")


def test_every_measured_file_says_where_it_is_from():
    said = set(re.findall(r"^\| `(.+?\.csv)` \|", (BENCHMARKS / "README.md").read_text("utf-8"), re.MULTILINE))
    assert said == {path.name for path in BENCHMARKS.glob("*.csv")}


def test_tables_name_what_there_is(blocks):
    for name in ("`spic`", "`bpg`", "`avif`", "`jpegxl`", "`webp-lossless`"):
        assert name in blocks["methods"]
    for name in ("`cityscapes`", "`folder`", "`street_scenes_city`"):
        assert name in blocks["datasets"]
