"""What one opens after a run: first page, gallery, tables and Snakemake's report, in a browser without a network."""

import json
import re
import subprocess
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from spic.pictures.reading import read_picture
from spic.run.launch import write_report

pytestmark = pytest.mark.workflow
PAGES = ["overview.html", "gallery/index.html", "gallery_preview.html", "tables.html", "report.html"]


def test_a_run_ends_with_its_report(smoke):
    report = (smoke.results / "report.html").read_text()
    assert "smoke: 2 pictures, protocol corrected" in report
    for file in ("figures/figure4a.svg", "figures/figure2.png", "gallery_preview.html", "tables.html"):
        assert f'"results/smoke/{file}"' in report
    for category in ("1 Result", "2 Pictures", "3 Details"):
        assert f'"{category}"' in report
    assert (smoke.results / "gallery" / "index.html").stat().st_size < 3_000_000
    assert (smoke.folder / ".snakemake" / "spic.lock").read_text().startswith("process ")  # a bare one holds it too


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_loaded_from_elsewhere(smoke, page):
    text = (smoke.results / page).read_text()
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(https?:)?//", text)


def test_the_gallery_holds_the_very_pictures(smoke):
    page = (smoke.results / "gallery" / "index.html").read_text()
    for picture in json.loads(re.search(r"const pictures = (.*);\n", page)[1]):
        versions = {version["label"]: version for version in picture["versions"]}
        assert list(versions) == [
            "original",
            "SSM",
            "coarse picture",
            "SPIC, QP 35",
            "coarse image, upsampled, QP 35",
            "BPG, QP 44",
            "JPEG 2000, bpp 0.2",
        ]
        for label, folder in (("original", "originals/0000/pictures"), ("BPG, QP 44", "bpg/qp44/0000/decoded")):
            shown = np.asarray(Image.open(smoke.results / "gallery" / versions[label]["file"]))
            assert np.array_equal(shown, read_picture(smoke.results / folder / f"{picture['name']}.png"))
        spent = {label: float(dict(version["numbers"]).get("bpp", 0)) for label, version in versions.items()}
        assert spent["SPIC, QP 35"] == pytest.approx(spent["SSM"] + spent["coarse picture"], abs=2e-3)
        assert spent["coarse picture"] == spent["coarse image, upsampled, QP 35"]


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 700])
def test_the_report_in_a_browser(smoke, browser, width):
    found = browser.ask(
        smoke.results / "report.html",
        """
        await wait(300);
        out.first = document.querySelector(".overview h1").textContent;
        const page = document.querySelector(".overview").getBoundingClientRect();
        out.wide = page.width > 0.5 * innerWidth || page.width > 600;
        out.claims = document.querySelectorAll(".overview table.claims tbody tr").length;
        app.showCategory("1 Result");
        await wait(300);
        out.results = document.querySelector("nav").textContent;
        const preview = Object.keys(results).find((path) => path.endsWith("gallery_preview.html"));
        app.setView({ content: "html", contentPath: results[preview].data_uri });
        await wait(500);
        out.frame = document.querySelector("iframe").src.slice(0, 15);
        """,
        width,
    )
    assert found["errors"] == [] and found["first"] == "smoke: 2 pictures, protocol corrected" and found["wide"]
    assert found["claims"] == 9 and "figure 4a" in found["results"] and found["frame"] == "data:text/html;"


@pytest.mark.browser
@pytest.mark.parametrize("page", ["overview.html", "report.html"])
def test_a_screenshot_is_no_blank_page(smoke, browser, page):
    pixels = browser.shot(smoke.results / page, 1400, 1000)
    right = pixels[:, 500:]  # beside the report's menu
    ink = (right.min(axis=2) < 128).mean()
    assert 0.01 < ink < 0.5 and len(np.unique(right.reshape(-1, 3), axis=0)) > 50


def test_a_report_that_fails_fails_nothing(monkeypatch, capsys, tmp_path):
    called = []

    def run(command, **options):
        called.append(command)
        return subprocess.CompletedProcess(command, len(called) - 1, "", "no such thing")

    monkeypatch.setattr(subprocess, "run", run)
    given = SimpleNamespace(configfiles=["/a b.yaml"], config_args=["limit=3"], replace_workflow_config=True)
    target = SimpleNamespace(targets={"results/x/overview.html"})
    workflow = SimpleNamespace(config_settings=given, dag_settings=target, main_snakefile="/clone/Snakefile")
    write_report(workflow, tmp_path / "report.html")
    workflow.config_settings = SimpleNamespace(configfiles=[], config_args=[], replace_workflow_config=False)
    write_report(workflow, tmp_path / "report.html")
    first, second = (" ".join(command[3:]) for command in called)
    start = f"--snakefile /clone/Snakefile --nolock --cores 1 --report {tmp_path}/report.html results/x/overview.html"
    assert first == f"{start} --configfile /a b.yaml --config limit=3 --replace-workflow-config" and second == start
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("the run in one file") and second.endswith("could not be written: no such thing")


@pytest.mark.slow
def test_a_frame_rate_joins_a_finished_run(spare, tmp_path):
    """Rates in kbit/s, and a player of the very images that lie in the run; none where the images are no clip."""
    before = pd.read_csv(spare.results / "tables" / "points.csv")
    page = spare.results / "gallery" / "index.html"
    assert "kbps" not in before and 'id="clip"' not in page.read_text()
    (tmp_path / "clip.yaml").write_text("frame_rate: 15")
    spare("--cores", 1, "results/smoke/gallery", overlay=tmp_path / "clip.yaml")
    points = pd.read_csv(spare.results / "tables" / "points.csv")
    assert points["kbps"].tolist() == pytest.approx((points["bpp"] * 256 * 512 * 15 / 1000).tolist(), rel=1e-5)
    assert points.drop(columns="kbps").equals(before)
    sources = re.findall(r'<div class="frame"><img src="(.*?)"', page.read_text())
    assert len(sources) == 1 + len(points) and sources[0].startswith("../originals/0000/pictures/")
    assert all((page.parent / source).is_file() for source in sources)
