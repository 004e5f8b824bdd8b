"""The gallery: files, numbers, escapes, limits, and what a browser makes of it."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from spic.errors import DataError
from spic.report.pages import gallery
from spic.report.pages.gallery import Page, Version, write_gallery, write_preview


def noise(seed, size=(32, 64)):
    return np.random.default_rng(seed).integers(256, size=(*size, 3), dtype=np.uint8)


def plain(*colour):
    return np.full((32, 64, 3), colour, np.uint8)


@pytest.fixture
def pictures():
    numbers = {"bpp": 0.123456, "mIoU": 0.7, "persons found": "2 of 3"}
    return [(f"street {i}", [Version("original", noise(i)), Version("SPIC", noise(10 + i), numbers)]) for i in range(3)]


def constant(page, name):
    return json.loads(re.search(rf"const {name} = (.*);\n", page.read_text())[1])


def test_pictures_are_lossless_and_numbers_readable(pictures, tmp_path):
    assert write_gallery(tmp_path / "g", Page("A run", "QP 35"), pictures) == 3
    page = (tmp_path / "g" / "index.html").read_text()
    assert "<h1>A run</h1>" in page and "QP 35" in page and "@@" not in page
    assert not re.search(r"(src|href)=.?https?:", page)  # opens without a network
    entries = constant(tmp_path / "g" / "index.html", "pictures")
    for entry, (name, versions) in zip(entries, pictures, strict=True):
        assert (entry["name"], entry["width"], entry["height"]) == (name, 64, 32)
        for shown, version in zip(entry["versions"], versions, strict=True):
            assert np.array_equal(np.asarray(Image.open(tmp_path / "g" / shown["file"])), version.pixels)
        assert entry["versions"][1]["numbers"] == [["bpp", 0.1235], ["mIoU", 0.7], ["persons found", "2 of 3"]]


def test_two_galleries_of_the_same_pictures_have_the_same_bytes(pictures, tmp_path):
    page = Page("A run", legend=(("road", (1, 2, 255)),), start=("original", "SPIC"))
    for name in "ab":
        write_gallery(tmp_path / name, page, pictures)
    files = {path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()}
    assert len(files) == 7 and all(
        (tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files
    )
    assert constant(tmp_path / "a" / "index.html", "legend") == [["road", "#0102ff"]]


def test_a_preview_is_one_file_with_its_pictures_inside(pictures, tmp_path):
    write_preview(
        tmp_path / "p.html", Page("A run"), [(name, [Version("flat", plain(9, 99, 199))]) for name, _ in pictures]
    )
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]
    kind, data = constant(tmp_path / "p.html", "pictures")[0]["versions"][0]["file"].split(";base64,")
    import base64

    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
    assert kind == "data:image/webp" and abs(shown.astype(int) - plain(9, 99, 199)).max() < 8


def test_names_can_not_break_the_page(tmp_path):
    name = '</script><script>alert("1")</script> @@TITLE@@ \u2028 ü & "'
    page = Page("<b>title</b> @@DATA@@", start=("</script>", ""))
    write_gallery(
        tmp_path / "g", page, [(name, [Version("a<b", noise(0), {"x": float("nan"), "y": None, "z": np.inf})])]
    )
    text = (tmp_path / "g" / "index.html").read_text()
    assert text.count("</script>") == 1 and "&lt;b&gt;title&lt;/b&gt; @@DATA@@" in text
    (entry,) = constant(tmp_path / "g" / "index.html", "pictures")
    assert entry["name"] == name and entry["versions"][0]["numbers"] == [["z", "inf"]]


def test_a_gallery_is_written_whole_or_not_at_all(pictures, tmp_path, monkeypatch):
    write_gallery(tmp_path / "g", Page("first"), pictures[:1])

    def broken():
        yield pictures[0]
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        write_gallery(tmp_path / "g", Page("second"), broken())
    assert "first" in (tmp_path / "g" / "index.html").read_text() and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(DataError, match="no picture"):
        write_gallery(tmp_path / "h", Page("none"), [])
    with pytest.raises(DataError, match="no version"):
        write_gallery(tmp_path / "h", Page("none"), [("x", [])])
    with pytest.raises(DataError, match="same label"):
        write_gallery(tmp_path / "h", Page("twice"), [("x", [Version("a", noise(0)), Version("a", noise(1))])])
    monkeypatch.setattr(gallery, "MAX_PAGE", 1000)
    with pytest.raises(DataError, match="fewer"):
        write_gallery(tmp_path / "h", Page("large"), pictures)
    with pytest.raises(DataError, match="fewer"):
        write_preview(tmp_path / "h", Page("large"), pictures)
    assert not (tmp_path / "h").exists()


PROBE = """
  const box = (element) => element.getBoundingClientRect(), by = (id) => document.getElementById(id);
  const key = (k, more, where) => (where || document).dispatchEvent(
    new KeyboardEvent("keydown", {key: k, bubbles: true, ...more}));
  out.start = [by("left").value, by("right").value];
  out.views = document.querySelectorAll("#grid .view").length;
  out.legend = by("legend").textContent;
  out.loaded = [...document.images].every((image) => image.naturalWidth > 0);
  out.overflow = document.documentElement.scrollWidth > innerWidth;
  out.outside = [...document.querySelectorAll(".numbers span")].some((span) =>
    box(span).right > box(span.closest("figure")).right);
  const handle = by("handle"), slider = box(by("slider"));
  out.fits = slider.width <= innerWidth;
  handle.setPointerCapture = () => {};
  const at = (x) => ({bubbles: true, clientX: x, clientY: slider.top + 5, pointerId: 1});
  handle.dispatchEvent(new PointerEvent("pointerdown", at(slider.left + slider.width / 2)));
  handle.dispatchEvent(new PointerEvent("pointermove", at(slider.left + slider.width / 4)));
  handle.dispatchEvent(new PointerEvent("pointerup", at(slider.left + slider.width / 4)));
  handle.dispatchEvent(new PointerEvent("pointermove", at(slider.left)));
  out.cut = [handle.getAttribute("aria-valuenow"), getComputedStyle(by("slider").querySelector(".over")).clipPath];
  by("slider").dispatchEvent(new WheelEvent("wheel",
    {deltaY: -400, clientX: slider.left + slider.width, clientY: slider.top, bubbles: true, cancelable: true}));
  out.moves = [...new Set([...document.querySelectorAll(".view img")].map((image) => image.style.transform))];
  key("0");
  out.whole = document.querySelector(".view img").style.transform;
  key("+");
  out.closer = document.querySelector(".view img").style.transform;
  key("-");
  key(",");
  key("ArrowRight", {}, handle);
  out.moved = handle.getAttribute("aria-valuenow");
  out.still = by("name").textContent;
  key("ArrowRight");
  out.name = by("name").textContent;
  key("!", {code: "Digit1", shiftKey: true});
  key("1", {code: "Digit1"});
  out.right = by("right").value;
  out.current = [...by("strip").children].map((one) => one.getAttribute("aria-current"));
"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 500])
def test_slider_zoom_and_keys(browser, pictures, tmp_path, width):
    numbers = {f"a rather long number {i}": 1 / 3 for i in range(9)}
    pictures = [(name, [*versions, Version("BPG", noise(9), numbers)]) for name, versions in pictures]
    page = Page("A run", start=("BPG", "SPIC"), legend=(("road", (1, 2, 3)),))
    write_gallery(tmp_path / "g", page, pictures)
    found = browser.ask(tmp_path / "g" / "index.html", PROBE, width)
    assert found["errors"] == [] and found["loaded"] and found["fits"]
    assert not found["overflow"] and not found["outside"]
    assert found["start"] == ["BPG", "SPIC"] and found["views"] == 3 and found["legend"] == "road"
    assert found["cut"] == ["25", "inset(0px 0px 0px 25%)"]
    (move,) = found["moves"]  # one window of the picture in every view
    zoom, x, y = map(float, re.fullmatch(r"scale\((.*)\) translate\((.*)%, (.*)%\)", move).groups())
    assert zoom == pytest.approx(np.exp(400 / 300), abs=1e-3)
    assert y == pytest.approx(0, abs=1e-6) and x == pytest.approx(100 / zoom - 100, abs=1e-2)  # upper right corner
    assert found["whole"] == "scale(1) translate(0%, 0%)" and found["closer"].startswith("scale(1.5)")
    assert found["moved"] == "22" and found["still"].startswith("street 0")  # the arrow moved the cut, not the picture
    assert found["name"].startswith("street 1 (2 of 3)") and found["right"] == "original"
    assert found["current"] == ["false", "true", "false"]


@pytest.mark.browser
@pytest.mark.parametrize("preview", [False, True])
def test_screenshot(browser, tmp_path, preview):
    flat = [("flat", [Version("left", plain(200, 0, 0)), Version("right", plain(0, 0, 200))])]
    if preview:
        write_preview(tmp_path / "index.html", Page("A run"), flat)
    else:
        write_gallery(tmp_path / "g", Page("A run"), flat)
    pixels = browser.shot(tmp_path / ("index.html" if preview else "g/index.html"))
    assert pixels.shape == (900, 1200, 3)
    row = pixels[420].astype(int)  # through the slider: red, then blue
    red, blue = ((abs(row - colour).max(axis=1) < 12) for colour in ([200, 0, 0], [0, 0, 200]))
    assert red[:590].sum() > 500 and not red[620:].any() and blue[610:].sum() > 500 and not blue[:580].any()
