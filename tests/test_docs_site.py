"""The site: every link leads somewhere, every page is in it, and the reference has the public names."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
GLOBS = ("*.md", "config/*.md", "results/published/**/README.md", "spic/weights/*.md", "docs/*.md")
PAGES = sorted(path for glob in GLOBS for path in ROOT.glob(glob))
PUBLIC = ["Transmitter", "Receiver", "get_codec", "get_segmenter", "internimage.build", "scsrdm.build"]
PUBLIC += ["config_from_official", "sample", "mean_iou", "frechet_distance"]


class _Config(yaml.SafeLoader):
    """Takes a name of Python's for its text."""


_Config.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, name, node: name)
CONFIG = yaml.load((ROOT / "mkdocs.yml").read_text(), _Config)


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^ *```.*?^ *```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target, anchor in re.findall(r"\]\((?![a-z]+:)([^)#\s]*)#?([^)\s]*)\)", text):
        there = page.parent / target if target else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}#{anchor}"


def navigation(entry=CONFIG["nav"]) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for one in (entry.values() if isinstance(entry, dict) else entry) for page in navigation(one)]


def test_every_page_is_in_the_navigation():
    ours = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert sorted(navigation()) == sorted([*ours, "index.md", "CHANGELOG.md", "config/README.md"])


def test_the_reference_has_the_public_names():
    listed = re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "reference.md").read_text(), re.M)
    for name in listed:
        home, _, last = name.rpartition(".")
        thing = getattr(importlib.import_module(home), last, None) or importlib.import_module(name)
        assert thing.__doc__, name
    for name in PUBLIC:
        home, _, last = name.rpartition(".")
        assert any(one.endswith(f".{last}") and home in one for one in listed), name


@pytest.mark.slow
@pytest.mark.workflow
def test_the_rule_graph_is_the_workflow_s():
    drawn = subprocess.run([sys.executable, ROOT / "docs" / "rulegraph.py"], capture_output=True, text=True, check=True)
    assert "encode --> decode" in drawn.stdout
    assert drawn.stdout.strip() in (ROOT / "docs" / "architecture.md").read_text(), "run `make docs`"


@pytest.mark.slow
def test_the_site_is_built(tmp_path, published):
    pytest.importorskip("material")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", site]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    reference = (site / "reference.html").read_text()
    assert "mean_iou" in reference and "Raises" in reference
    assert "search_index" in " ".join(map(str, site.rglob("*"))) and (site / "figures" / "street.webp").exists()
    assert f'href="results/published/{published.name}/camvid/claims.html"' in (site / "index.html").read_text()
