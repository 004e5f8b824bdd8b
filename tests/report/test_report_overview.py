"""The first page: who wins, by how much, how sure, worked out by hand and against the claims."""

import re

import numpy as np
import pytest

from spic.report.claims import judge_claims
from spic.report.pages.overview import Run, overview_html
from spic.report.tables import with_kbps


def test_the_page_says_what_the_claims_say(points):
    claims = judge_claims(points)
    page = overview_html(
        Run(points, claims, settings={"seed": 0, "odd": "<&>"}, provenance={"software": {"spic": "1"}})
    )
    text = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    text = re.sub(r"<[^>]+>", " ", text).replace("&nbsp;", " ")
    assert "r: 7 pictures, protocol corrected" in text and "&lt;&amp;&gt;" in text and "spic 1" in text
    assert "mIoU : SPIC beats BPG at all 2 rates, by 0.100." in text
    assert "PSNR : BPG beats SPIC at all 2 rates" in text
    assert text.count("cannot be judged") == (claims["verdict"] == "cannot be judged").sum()
    assert "<script" not in page and "@" not in page and not re.search(r"(src|href)=.?https?:", page)


def test_a_close_race_is_told_in_words(points):
    close = points.assign(miou_low=[0.0, 0.69, 0.0, *[0.0] * 4], miou_high=[1.0, 0.71, 1.0, *[1.0] * 4])
    page = overview_html(Run(close, judge_claims(close)))
    assert "against BPG, of 2 rates: SPIC wins 1, 1 too close to tell (+0.100)" in page and "≈" in page


def test_rates_of_a_clip_are_in_kbit_too(points):
    def rates(table):
        page = overview_html(Run(table, judge_claims(table)))
        return re.findall(r"<tr><th>([\d.]+ bpp.*?)</th>", page)

    assert rates(points) == ["0.100 bpp", "0.200 bpp", "0.900 bpp"]
    found = rates(with_kbps(points, 30))
    assert found[:2] == ["0.100 bpp<br><small>393 kbit/s</small>", "0.200 bpp<br><small>786 kbit/s</small>"]


@pytest.mark.parametrize("methods", [["bpg"], ["spic"]])
def test_without_a_rate_in_common_nothing_is_compared(points, methods):
    few = points[points["method"].isin(methods)]
    page = overview_html(Run(few, judge_claims(few)))
    assert "nothing compares" in page and "beats" not in page and "cannot be judged" in page


@pytest.mark.parametrize("method", ["spic", "bpg"])
def test_infinite_values_are_no_part_of_a_comparison(points, method):
    one = points.assign(psnr=points["psnr"].where((points["method"] != method) | (points["bpp"] != 0.4), np.inf))
    every = points.assign(psnr=points["psnr"].where(points["method"] != method, np.inf))
    for table in (one, every):
        page = re.sub(r"<[^>]+>", " ", overview_html(Run(table, judge_claims(table))))
        assert not re.search(r"\b(inf|nan)\b", page)


def test_figures_go_inside(points, tmp_path):
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>curve</text></svg>')
    page = overview_html(
        Run(points, judge_claims(points), figures=[("a < b", tmp_path / "a.svg")], links=[("g.html", "G")])
    )
    assert 'alt="a &lt; b" src="data:image/svg+xml;base64,PHN2Zy' in page and '<a href="g.html"' in page


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 500])
def test_the_page_in_a_browser(browser, points, tmp_path, width):
    (tmp_path / "a.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 5"><rect width="9" height="4"/></svg>'
    )
    page = tmp_path / "overview.html"
    page.write_text(overview_html(Run(points, judge_claims(points), figures=[("figure", tmp_path / "a.svg")] * 2)))
    found = browser.ask(
        page,
        """
        out.overflow = document.documentElement.scrollWidth > innerWidth;
        out.loaded = [...document.images].every((image) => image.naturalWidth > 0);
        out.columns = new Set([...document.images].map((image) => image.getBoundingClientRect().left)).size;
        out.title = document.title;
        """,
        width,
    )
    assert found["errors"] == [] and found["loaded"] and not found["overflow"]
    assert found["columns"] == (2 if width > 1000 else 1) and found["title"].startswith("r: 7 pictures")
