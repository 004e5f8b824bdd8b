"""The gallery: files, numbers, escapes, limits, and what a browser makes of it."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from spic.errors import DataError
from spic.report import gallery
from spic.report.gallery import Version, write_gallery, zoom_box


def noise(seed, size=(32, 64)):
    return np.random.default_rng(seed).integers(256, size=(*size, 3), dtype=np.uint8)


@pytest.fixture
def pictures():
    return [
        (f"street {i}", [Version("original", noise(i)), Version("SPIC", noise(10 + i), {"bpp": 0.123456, "mIoU": 0.7})])
        for i in range(3)
    ]


def entries(folder):
    return json.loads(re.search(r"const pictures = (.*);\n", (folder / "index.html").read_text()).group(1))


def test_pictures_are_lossless_and_numbers_readable(pictures, tmp_path):
    assert write_gallery(tmp_path / "g", "A run", pictures, "QP 35") == 3
    page = (tmp_path / "g" / "index.html").read_text()
    assert "<h1>A run</h1>" in page and "QP 35" in page and "@@" not in page
    assert not re.search(r"(src|href)=.?https?:", page)  # opens without a network
    for entry, (name, versions) in zip(entries(tmp_path / "g"), pictures, strict=True):
        assert (entry["name"], entry["width"], entry["height"]) == (name, 64, 32)
        for shown, version in zip(entry["versions"], versions, strict=True):
            assert np.array_equal(np.asarray(Image.open(tmp_path / "g" / shown["file"])), version.pixels)
        assert entry["versions"][1]["numbers"] == [["bpp", 0.1235], ["mIoU", 0.7]]


def test_names_can_not_break_the_page(tmp_path):
    name = '</script><script>alert("1")</script> \u2028 ü & "'
    write_gallery(tmp_path / "g", "<b>title</b>", [(name, [Version("a<b", noise(0), {"x": float("nan")})])])
    page = (tmp_path / "g" / "index.html").read_text()
    assert page.count("</script>") == 1 and "&lt;b&gt;title" in page
    (entry,) = entries(tmp_path / "g")
    assert entry["name"] == name and entry["versions"][0]["numbers"] == []


def test_a_gallery_is_written_whole_or_not_at_all(pictures, tmp_path, monkeypatch):
    write_gallery(tmp_path / "g", "first", pictures[:1])

    def broken():
        yield pictures[0]
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        write_gallery(tmp_path / "g", "second", broken())
    assert "first" in (tmp_path / "g" / "index.html").read_text() and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(DataError, match="no picture"):
        write_gallery(tmp_path / "h", "none", [])
    with pytest.raises(DataError, match="same label"):
        write_gallery(tmp_path / "h", "twice", [("x", [Version("a", noise(0)), Version("a", noise(1))])])
    monkeypatch.setattr(gallery, "MAX_PAGE", 1000)
    with pytest.raises(DataError, match="fewer"):
        write_gallery(tmp_path / "h", "large", pictures)
    assert not (tmp_path / "h").exists()


def test_zoom_box_holds_most_small_objects():
    labels = np.zeros((64, 128), np.uint8)
    assert zoom_box(labels, [9], (16, 32)) == (24, 48)  # nothing to see: the middle
    labels[40:44, 10:13] = 9
    labels[44:50, 100:104] = 9
    labels[50:54, 110:113] = 10
    labels[5:30, 40:80] = 8  # large, and not asked for
    labels[0, 0] = 9  # fewer than 8 pixels
    top, left = zoom_box(labels, [9, 10], (16, 32))
    assert top <= 44 and top + 16 >= 54 and left <= 100 and left + 32 >= 113
    assert zoom_box(labels, [9], (64, 128)) == (0, 0)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROBE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const out = {}, box = (e) => e.getBoundingClientRect();
  const key = (k, more) => document.dispatchEvent(new KeyboardEvent("keydown", {key: k, bubbles: true, ...more}));
  out.errors = window.problems;
  out.views = document.querySelectorAll("#grid .view").length;
  out.loaded = [...document.images].every((image) => image.naturalWidth > 0);
  out.overflow = document.documentElement.scrollWidth > innerWidth;
  const handle = document.getElementById("handle"), slider = box(document.getElementById("slider"));
  handle.setPointerCapture = () => {};
  const at = (x) => ({bubbles: true, clientX: x, clientY: slider.top + 5, pointerId: 1});
  handle.dispatchEvent(new PointerEvent("pointerdown", at(slider.left + slider.width / 2)));
  handle.dispatchEvent(new PointerEvent("pointermove", at(slider.left + slider.width / 4)));
  handle.dispatchEvent(new PointerEvent("pointerup", at(slider.left + slider.width / 4)));
  handle.dispatchEvent(new PointerEvent("pointermove", at(slider.left)));
  out.cut = handle.getAttribute("aria-valuenow");
  document.getElementById("slider").dispatchEvent(new WheelEvent("wheel",
    {deltaY: -400, clientX: slider.left + slider.width, clientY: slider.top, bubbles: true, cancelable: true}));
  out.moves = [...new Set([...document.querySelectorAll(".view img")].map((image) => image.style.transform))];
  key("0");
  out.whole = document.querySelector(".view img").style.transform;
  key("ArrowRight");
  out.name = document.getElementById("name").textContent;
  key("!", {code: "Digit1", shiftKey: true});
  key("1", {code: "Digit1"});
  out.right = document.getElementById("right").value;
  document.body.replaceChildren(Object.assign(document.createElement("pre"), {textContent: JSON.stringify(out)}));
}, 300));
</script>
"""
CATCH = """<script>window.problems = [];
addEventListener("error", (e) => problems.push(String(e.message || e.target.src)), true);</script>"""


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="no chromium on PATH")
class TestBrowser:
    def chromium(self, *arguments, width=1200):
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=4000"]
        command = [CHROMIUM, *options, f"--window-size={width},900", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()

    @pytest.mark.parametrize("width", [1400, 500])
    def test_slider_zoom_and_keys(self, pictures, tmp_path, width):
        write_gallery(tmp_path / "g", "A run", pictures)
        page = (tmp_path / "g" / "index.html").read_text()
        probe = tmp_path / "g" / "probe.html"
        probe.write_text(page.replace("<head>", "<head>" + CATCH).replace("</body>", PROBE + "</body>"))
        dom = self.chromium("--dump-dom", probe.as_uri(), width=width)
        found = json.loads(re.search(r"<pre>(.*)</pre>", dom).group(1))
        assert found["errors"] == [] and found["loaded"] and not found["overflow"]
        assert found["views"] == 2 and found["cut"] == "25"
        (move,) = found["moves"]  # one window of the picture in every view
        zoom, x, y = map(float, re.fullmatch(r"scale\((.*)\) translate\((.*)%, (.*)%\)", move).groups())
        assert zoom == pytest.approx(np.exp(400 / 300), abs=1e-3)
        assert y == pytest.approx(0, abs=1e-6) and x == pytest.approx(100 / zoom - 100, abs=1e-2)  # upper right corner
        assert found["whole"] == "scale(1) translate(0%, 0%)"
        assert found["name"].startswith("street 1 (2 of 3)") and found["right"] == "original"

    def test_screenshot(self, pictures, tmp_path):
        flat = [
            (
                "flat",
                [
                    Version("left", np.full((32, 64, 3), 200, np.uint8) * np.uint8([1, 0, 0]).reshape(1, 1, 3)),
                    Version("right", np.full((32, 64, 3), 200, np.uint8) * np.uint8([0, 0, 1]).reshape(1, 1, 3)),
                ],
            )
        ]
        write_gallery(tmp_path / "g", "A run", flat)
        shot = tmp_path / "shot.png"
        self.chromium(f"--screenshot={shot}", (tmp_path / "g" / "index.html").as_uri())
        pixels = np.asarray(Image.open(shot).convert("RGB"))
        assert pixels.shape == (900, 1200, 3)
        row = pixels[420]  # through the slider: red, then blue
        red, blue = ((row == colour).all(axis=1) for colour in ([200, 0, 0], [0, 0, 200]))
        assert red[:590].sum() > 500 and not red[620:].any() and blue[610:].sum() > 500 and not blue[:580].any()
