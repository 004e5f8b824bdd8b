"""The player of a gallery: what stands in the page, that its images are there, and what a browser makes of it."""

import json
import re
import urllib.parse
from pathlib import Path

import numpy as np
import pytest

from spic.errors import DataError
from spic.pictures.reading import write_png
from spic.report.pages import player as module
from spic.report.pages.gallery import Page, Version, write_gallery, write_preview
from spic.report.pages.player import player

CHUNKS = {"0000": ["f 1", "f#2%41"], "0001": ["ü?&'\"<3", "f4"]}
LABELS = ["original", "odd </script>", "c"]


@pytest.fixture
def clip(tmp_path):
    """A run of two chunks by two methods, all images there: what `player` takes beside the folder of its page."""
    run, versions = tmp_path / "run #1", []
    for i, label in enumerate(LABELS):
        folders = {chunk: run / f"by {i}%" / chunk / "decoded" for chunk in CHUNKS}
        for chunk, names in CHUNKS.items():
            for j, name in enumerate(names):
                write_png(folders[chunk] / f"{name}.png", np.full((8, 16, 3), 80 * i + 9 * j, np.uint8))
        versions.append((label, folders, {"bpp": f"0.0{i}"} if i else {}))
    return run, versions


def gallery(clip, name="gallery") -> Path:
    """Write the gallery of that run; its page."""
    run, versions = clip
    page = Page("A run", clip=player(run / name, CHUNKS, 12.5, versions))
    write_gallery(run / name, page, [("x", [Version("original", np.zeros((8, 16, 3), np.uint8))])])
    return run / name / "index.html"


def constants(page):
    text = page.read_text()
    return [
        json.loads(re.search(rf"const {name} = (.*);", text)[1].split(";  //")[0]) for name in ("frames", "versions")
    ]


def test_every_image_of_every_frame_is_where_the_page_says(clip):
    page = gallery(clip)
    frames, versions = constants(page)
    assert len(frames) == 4 and [version["label"] for version in versions] == LABELS
    for i, version in enumerate(versions):
        for place, (chunk, name) in enumerate((chunk, name) for chunk, names in CHUNKS.items() for name in names):
            folder, file = frames[place]
            address = f"{version['folders'][folder]}/{file}"
            assert not re.search(
                r"[#?%](?![0-9A-F]{2})|^/|^\w+:", address
            )  # a path from the page, in an address's words
            found = (page.parent / urllib.parse.unquote(address)).resolve()
            assert found == clip[0].resolve() / f"by {i}%" / chunk / "decoded" / f"{name}.png" and found.is_file()
    assert [path.name for path in page.parent.rglob("*.webp")] == ["0000-00.webp"]  # no image of the clip is copied


def test_structure_of_the_page(clip):
    text = gallery(clip).read_text()
    assert text.count("</script>") == 2 and not re.search(r"https?:|//[a-z]", re.sub(r"\s//.*", "", text))
    section = re.search(r'<section id="clip".*</section>', text, re.S)[0]
    assert section.count("<figure>") == section.count("<img ") == 3
    assert re.findall(r"<b>(.*)</b>", section) == ["original", "odd &lt;/script&gt;", "c"]
    assert re.findall(r"<span>(.*?)</span>", section) == ["bpp 0.01", "bpp 0.02"]
    assert 'id="play"' in section and 'type="range" min="0" max="3"' in section and "12.5 per second" in section
    first = [urllib.parse.unquote(src) for src in re.findall(r'<img src="(.*?)"', section)]
    assert first == [f"../by {i}%/0000/decoded/f 1.png" for i in range(3)]


def test_what_is_no_clip_has_no_player(clip, tmp_path):
    run, versions = clip
    shown = [("x", [Version("original", np.zeros((8, 16, 3), np.uint8))])]
    write_gallery(tmp_path / "still", Page("A run"), shown)
    write_preview(tmp_path / "preview.html", Page("A run", clip=player(run, CHUNKS, 25, versions)), shown)
    for page in (tmp_path / "still" / "index.html", tmp_path / "preview.html"):
        text = page.read_text()
        assert text.count("</script>") == 1 and "clip" not in re.sub("clip-path", "", text)
    with pytest.raises(DataError, match="without a frame"):
        player(run, {"0000": []}, 25, versions)


def test_a_long_clip_is_played_in_part(clip, monkeypatch):
    monkeypatch.setattr(module, "MAX_FRAMES", 3)
    page = gallery(clip)
    assert len(constants(page)[0]) == 3 and "The first 3 of 4 frames." in page.read_text()


PROBE = """
  const by = (id) => document.getElementById(id), seen = [], mixed = [];
  const shown = () => [...document.querySelectorAll("#clip .frame img")].map((one) => one.src.split("/").pop());
  const click = () => by("play").click();
  out.start = by("time").textContent;
  const look = setInterval(() => {
    const files = shown();
    if (new Set(files).size > 1) mixed.push(files);
    if (files[0] !== seen[seen.length - 1]) seen.push(files[0]);
  }, 5);
  click();
  out.playing = by("play").textContent;
  await wait(1200);
  click();
  await wait(200);
  clearInterval(look);
  out.seen = seen.slice(0, 6).map(decodeURIComponent);
  out.mixed = mixed;
  out.wide = document.querySelector("#clip .frame img").naturalWidth;
  const still = shown()[0];
  await wait(300);
  out.paused = still === shown()[0] && by("play").textContent === "play";
  by("frame").value = 2;
  by("frame").dispatchEvent(new Event("input", {bubbles: true}));
  await wait(200);
  out.third = [by("time").textContent, ...new Set(shown().map(decodeURIComponent))];
  const name = by("name").textContent;
  by("frame").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true, cancelable: true}));
  out.same = name === by("name").textContent;
  out.lost = by("lost").hidden;
"""


@pytest.mark.browser
def test_frames_change_together(browser, clip):
    page = gallery(clip)
    found = browser.ask(page, PROBE)
    names = [f"{name}.png" for names in CHUNKS.values() for name in names]
    assert found["errors"] == [] and found["start"] == "frame 1 of 4, 0.00 s" and found["playing"] == "pause"
    assert found["seen"] == [*names, *names[:2]] and found["mixed"] == [] and found["wide"] == 16
    assert found["paused"] and found["third"] == ["frame 3 of 4, 0.16 s", names[2]]
    assert found["same"] and found["lost"]
    next((clip[0] / "by 1%").rglob("f4.png")).unlink()  # a run that was tidied up: one line, and it stops
    found = browser.ask(
        page,
        'const by = (id) => document.getElementById(id); by("play").click();'
        'for (let i = 0; i < 200 && by("lost").hidden; i++) await wait(50);'
        'out.found = [by("lost").hidden, by("play").textContent, by("time").textContent];',
    )
    assert found["found"] == [False, "play", "frame 3 of 4, 0.16 s"]
