"""Templates of the pages: what is filled in stays text, and what is missing is an error."""

import json
import re
from pathlib import Path

import jinja2
import pytest

from spic.report import pages
from spic.report.pages import render

NASTY = "</script><b>\"&'{{ 7 * 7 }}{% if %} \u2028 ü"


def test_values_are_escaped_and_never_taken_for_a_template():
    page = render("tables.html.j2", title=NASTY, tables=[{"note": NASTY, "number": float("nan")}])
    assert page.count("</script>") == 1 and "&lt;/script&gt;&lt;b&gt;" in page and "{{ 7 * 7 }}" in page
    data = re.search(r"const tables = (.*);\n", page)[1]
    assert json.loads(data, parse_constant=pytest.fail) == [{"note": NASTY, "number": None}]
    assert data.isascii() and "<" not in data


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render("tables.html.j2", tables=[])


@pytest.mark.parametrize("path", sorted(Path(pages.__file__).parent.glob("templates/*.j2")), ids=lambda path: path.name)
def test_one_head_for_all_pages(path):
    text = path.read_text(encoding="utf-8")
    assert ("<!doctype" in text) == ("<style>" in text) == (path.name == "base.html.j2")
    assert "| safe" not in text and "|safe" not in text
