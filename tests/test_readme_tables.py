"""What README and docs show is what `docs/tables.py` makes of registry and results."""

import csv
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
PUBLISHED = ROOT / "results" / "published"
BENCHMARKS = PUBLISHED / "benchmarks"
VERSIONS = sorted(PUBLISHED.glob("[0-9]*"), key=lambda path: [*map(int, path.name.split("."))])


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


def test_pages_name_published_files_that_there_are():
    for page in [*PAGES, *PUBLISHED.rglob("README.md")]:
        for name in re.findall(r"results/published/[\w./-]*[\w/]", page.read_text("utf-8")):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_older_versions_keep_their_tables_and_no_figures():
    *older, present = VERSIONS
    for version in older:
        assert {path.suffix for path in version.rglob("*.*")} == {".csv", ".md"}
        for name in ("camvid/points.csv", "camvid/matched.csv", "street_scenes/points.csv"):
            assert (version / name).is_file() and (present / name).is_file()


def edit(path: Path, change) -> None:
    """Pass the rows of a CSV file through `change`, which also may add columns."""
    with path.open(newline="") as file:
        rows = [*map(change, csv.DictReader(file))]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_the_present_version_is_compared_with_the_last(copy):
    present = copy / "results" / "published" / VERSIONS[-1].name / "camvid"
    last = copy / "results" / "published" / VERSIONS[-2].name / "camvid"

    def points(row):
        return row | {"miou": "0.9", "lpips": "0.25"} if row["point"] == "coarse_qp35" else row

    def matched(row):
        return row | {"miou": "0.9" if row["method"] == "spic" else "0.5"}

    for folder in (last, present):
        edit(folder / "points.csv", lambda row: row | {"lpips": "", "fid": "", "miou": "0.8"})
        edit(folder / "matched.csv", lambda row: row | {"lpips": "", "miou": "0.75"})
    edit(present / "points.csv", points)
    edit(present / "matched.csv", matched)
    run(copy, "--write")
    block = re.search(r"<!-- since -->\n(.*)\n<!-- /since -->", (copy / "docs/results.md").read_text("utf-8"), re.S)[1]
    rows = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:] for line in block.splitlines()}
    at = rows[f"{last.parent.name} → {present.parent.name} (difference)"].index("QP 35")
    assert rows["mIoU"][at] == "0.800 → 0.900 (+0.100)" and rows["mIoU"][at - 1] == "0.800 → 0.800 (+0.000)"
    assert rows["mIoU minus BPG's"][at] == "+0.000 → +0.400 (+0.400)"
    assert rows["LPIPS, lower is better"][at] == "not measured → 0.250"
    assert "LPIPS minus BPG's" not in rows and "FID" not in rows


def test_further_judges_and_lpips_are_shown_where_they_were_measured(copy):
    tables = copy / "results" / "published" / VERSIONS[-1].name / "camvid"
    values = {"miou_gt_other": "0.3", "miou_judge_other": "0.4", "lpips": "0.2"}
    for name in ("points.csv", "matched.csv"):
        edit(tables / name, lambda row: row | values | {"miou_gt_other": "0.5" if row["method"] == "spic" else "0.3"})
    with (tables / "judge.csv").open("a") as file:
        file.write("camvid,other,mean,0.6\n")
    run(copy, "--write")
    readme, page = ((copy / name).read_text("utf-8") for name in ("README.md", "docs/results.md"))
    assert "\n| mIoU of other to ground truth | +0.200 to +0.200 | +0.200 to +0.200 | +0.200 to +0.200 |\n" in readme
    assert re.search(r"^By other it has 0.500 to ground truth, .*BPG more than \d.* more than \d", readme, re.M)
    assert re.search(r", the judge 0\.\d{3}.*, other 0.600\.$", readme, re.M)
    assert "| LPIPS, lower is better | +0.000 to" in readme
    title = next(line for line in page.splitlines() if line.startswith("| method | point |"))
    assert "| mIoU by other |" in title and "| mIoU of other to ground truth |" in title and "| LPIPS |" in title


def test_every_measured_file_says_where_it_is_from():
    said = set(re.findall(r"^\| `(.+?\.csv)` \|", (BENCHMARKS / "README.md").read_text("utf-8"), re.MULTILINE))
    assert said == {path.name for path in BENCHMARKS.glob("*.csv")}


def test_tables_name_what_there_is(blocks):
    for name in ("`spic`", "`bpg`", "`avif`", "`jpegxl`", "`webp-lossless`"):
        assert name in blocks["methods"]
    for name in ("`cityscapes`", "`folder`", "`street_scenes_city`"):
        assert name in blocks["datasets"]
