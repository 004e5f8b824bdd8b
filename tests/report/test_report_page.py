"""The page of all tables."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from spic.report.pages.overview import write_table_page


@pytest.fixture
def page(tmp_path):
    table = pd.DataFrame(
        {
            "run": "r</script>",
            "method": ["b", "a", "c"],
            "point": ["qp10", "qp9", "qp100"],
            "bpp": [0.5, np.nan, 0.123456],
            "n": [3, 20, 100],
        }
    )
    tables = {"Points": table, "Nothing": table.iloc[:0], "One": table.iloc[:1]}
    write_table_page(tmp_path / "t.html", "r & co", tables)
    return tmp_path / "t.html"


def test_what_is_the_same_everywhere_is_said_once(page):
    text = page.read_text()
    points, one = json.loads(re.search(r"const tables = (.*);\n", text)[1])
    assert points["columns"] == ["method", "point", "bpp", "n"] and points["note"] == "run: r</script>"
    assert points["rows"] == [["b", "qp10", 0.5, 3], ["a", "qp9", None, 20], ["c", "qp100", 0.1235, 100]]
    assert one["columns"] == ["run", "method", "point", "bpp", "n"] and "<title>r &amp; co</title>" in text
    assert text.count("</script>") == 1 and "NaN" not in text and not re.search(r"(src|href)=.?https?:", text)


def test_an_infinite_number_is_shown(tmp_path):
    table = pd.DataFrame({"method": ["a", "b", "c"], "psnr": [np.inf, 30.0, np.nan], "gain": [1.0, -np.inf, 2.0]})
    write_table_page(tmp_path / "t.html", "r", {"Points": table, "One": table.iloc[:1]})
    text = re.search(r"const tables = (.*);\n", (tmp_path / "t.html").read_text())[1]
    points, one = json.loads(text, parse_constant=pytest.fail)
    assert points["rows"] == [["a", "inf", 1], ["b", 30, "-inf"], ["c", None, 2]] and one["rows"] == [["a", "inf", 1]]


@pytest.mark.browser
def test_an_infinite_number_is_sorted_as_one(browser, tmp_path):
    table = pd.DataFrame({"x": [np.inf, -3.0, np.nan, -np.inf, 20.0, np.inf], "y": [1, 2, 3, 4, 5, 6]})
    write_table_page(tmp_path / "t.html", "r", {"Points": table})
    found = browser.ask(
        tmp_path / "t.html",
        """
        const press = () => document.querySelector("th button").click();
        const column = () => [...document.querySelectorAll("tbody tr")].map((row) => row.cells[0].textContent);
        press(); out.up = column();
        press(); out.down = column();
        """,
    )
    assert found["errors"] == [] and found["up"] == ["-inf", "-3", "20", "inf", "inf", ""]
    assert found["down"] == ["inf", "inf", "20", "-3", "-inf", ""]


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 450])
def test_a_click_sorts(browser, page, width):
    found = browser.ask(
        page,
        """
        const table = document.querySelector("table"), heads = [...table.querySelectorAll("th")];
        const column = (i) => [...table.querySelectorAll("tbody tr")].map((row) => row.cells[i].textContent);
        const press = (i) => heads[i].querySelector("button").click();
        out.tables = document.querySelectorAll("table").length;
        out.links = [...document.querySelectorAll("nav a")].map((link) => link.textContent);
        press(1); out.points = column(1);
        press(2); out.up = column(2); out.sort = heads[2].getAttribute("aria-sort");
        press(2); out.down = column(2);
        out.one = heads.filter((head) => head.hasAttribute("aria-sort")).length;
        out.overflow = document.documentElement.scrollWidth > innerWidth;
        """,
        width,
    )
    assert found["errors"] == [] and not found["overflow"]
    assert found["tables"] == 2 and found["links"] == ["Points", "One"]
    assert found["points"] == ["qp9", "qp10", "qp100"] and found["sort"] == "ascending" and found["one"] == 1
    assert found["up"] == ["0.1235", "0.5", ""] and found["down"] == ["0.5", "0.1235", ""]  # nothing comes last
