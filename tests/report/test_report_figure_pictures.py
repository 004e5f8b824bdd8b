"""Figures 2 and 3: which pictures, which points, what is drawn."""

import xml.etree.ElementTree as ET
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spic.benchmark.method import Picture, Settings
from spic.benchmark.methods import get_method
from spic.errors import DataError
from spic.files import write_bytes
from spic.machine import CPU, Machine
from spic.pictures.labels import CAMVID11
from spic.pictures.reading import read_picture, write_png
from spic.pictures.sizes import COARSE_FACTOR, downscale, upscale
from spic.report.figures import shown as figures_shown
from spic.report.figures.pictures import Subject, figure2, figure3
from spic.report.figures.shown import Chosen, choose, coded_versions, seen, uncompressed_versions
from spic.report.tables import read_csv
from spic.strict_json import to_json

SETTINGS = Settings(ssm_codec="png", machine=Machine("cpu", "float32", 1))
SIZE = (64, 128)


class Brightness:
    """A segmenter that tells eleven shades of gray."""

    label_space = CAMVID11

    def segment(self, pictures):
        return (pictures.mean(axis=3) * 11 / 256).astype(np.uint8)


@pytest.fixture
def eye():
    return Brightness()


@pytest.fixture
def folders(tmp_path):
    """Three pictures with their maps; the second has a pedestrian."""
    rng = np.random.default_rng(1)
    for name in ("a", "b", "c"):
        smooth = upscale(rng.integers(256, size=(8, 16, 3), dtype=np.uint8), SIZE)
        write_png(tmp_path / "pictures" / f"{name}.png", smooth)
        labels = Brightness().segment(smooth[None])[0]
        labels[labels >= 9] = 8
        labels[30:38, 90:94] = CAMVID11.id("pedestrian") if name == "b" else 0
        write_png(tmp_path / "ssm" / f"{name}.png", labels)
    return tmp_path


def chosen_of(folders, names=None, limits=(None,)):
    maps = [folders / "ssm"]
    return choose([folders / "pictures"], maps, CAMVID11, maps, limits, names)


def test_pictures_are_chosen_by_what_is_in_them(folders):
    assert [one.name for one in chosen_of(folders)] == ["b", "a", "c"]
    top, left = chosen_of(folders)[0].corner
    assert top <= 30 and top + 16 >= 38 and left <= 90 and left + 32 >= 94
    assert [one.name for one in chosen_of(folders, names=["c", "b"])] == ["c", "b"]
    assert [one.name for one in chosen_of(folders, limits=[1])] == ["a"]
    with pytest.raises(DataError, match="c is not among"):
        chosen_of(folders, names=["c"], limits=[2])


def test_figure_2_shows_what_the_run_has_coded(folders, eye, tmp_path, monkeypatch):
    monkeypatch.setattr(figures_shown, "BATCH", 2)
    bpg = get_method("bpg", SETTINGS)

    class Stand(type(bpg)):
        """In place of SPIC, which needs a decoder; remembers who was decoded together."""

        together = []

        def decode(self, parts, names):
            self.together.append(names)
            return super().decode(parts, names)

    monkeypatch.setattr(figures_shown, "get_method", lambda name, settings: Stand(settings, "bpg"))
    coded, rows = {}, []
    for method, point, qp in (("spic", "coarse_qp30", 40), ("bpg", "qp44", 44)):
        coded[method, point] = [tmp_path / "empty", tmp_path / method]
        for path in sorted((folders / "pictures").glob("*.png")):
            data = bpg.encode(Picture(read_picture(path)), qp)["picture"]
            write_bytes(tmp_path / method / f"{path.stem}.picture.bpg", data)
            rows.append({"method": method, "point": point, "name": path.stem, "bpp": 0.1})
    (chosen,) = chosen_of(folders, names=["c"])
    subject = coded_versions(chosen, pd.DataFrame(rows), coded, SETTINGS, eye)
    assert [one.method for one in subject.versions] == ["original", "bpg", "spic"]
    assert Stand.together == [["c"], ["c"]]  # the run's batches: a and b, then c
    pixels = bpg.decode([{"picture": (tmp_path / "bpg" / "c.picture.bpg").read_bytes()}], ["c"])[0]
    assert np.array_equal(subject.versions[1].pixels, pixels)
    assert subject.versions[0].miou == 1 and 0 < subject.versions[1].miou < 1
    with pytest.raises(DataError, match="no coded file of d"):
        lost = pd.DataFrame(rows).assign(name="d")
        coded_versions(replace(chosen, name="d"), lost, coded, SETTINGS, eye)


def test_figure_3_starts_from_the_coarse_picture_without_loss(folders, eye):
    subjects = uncompressed_versions(chosen_of(folders), ["upsampled", "bpg"], SETTINGS, eye)
    assert [one.name for one in subjects] == ["b", "a", "c"]
    for subject in subjects:
        assert [one.method for one in subject.versions] == ["original", "upsampled"]
        coarse = downscale(subject.versions[0].pixels)
        assert np.array_equal(subject.versions[1].pixels, upscale(coarse, SIZE))
        assert subject.versions[1].point == f"coarse_factor{COARSE_FACTOR}" and subject.versions[1].bpp is None


def test_figure_3_has_latent_diffusion_beside_the_others(folders, eye, tiny_ldm):
    settings = replace(SETTINGS, ldm_weights=str(tiny_ldm), method_options={"ldm": {"steps": 1}})
    (subject,) = uncompressed_versions(chosen_of(folders)[:1], ["ldm", "upsampled"], settings, eye)
    assert [one.method for one in subject.versions] == ["original", "upsampled", "ldm"]
    last = subject.versions[-1]
    assert last.pixels.shape == (*SIZE, 3) and last.title == "super-resolution, latent diffusion"


def test_figures_are_drawn_pixel_for_pixel_and_the_same_each_time(folders, eye, tmp_path):
    subjects = uncompressed_versions(chosen_of(folders), ["upsampled"], SETTINGS, eye)
    files = []
    for again in ("1", "2"):
        figure2(subjects[0], CAMVID11, tmp_path / again / "figure2")
        figure3(subjects, "sr is left out.", tmp_path / again / "figure3")
        files.append({path.name: path.read_bytes() for path in (tmp_path / again).iterdir()})
    assert files[0] == files[1] and set(files[0]) == {f"figure{k}.{s}" for k in (2, 3) for s in ("svg", "png")}
    drawn, original = read_picture(tmp_path / "1" / "figure2.png"), subjects[0].versions[1].pixels
    left = 10 + SIZE[1] + 10
    found = drawn[54 : 54 + SIZE[0], left : left + SIZE[1]]
    assert (found == original).all(axis=2).mean() > 0.85  # all but the frame
    assert b"data:image/png" in files[0]["figure2.svg"] and b'href="http' not in files[0]["figure2.svg"]
    texts = ET.fromstring(files[0]["figure3.svg"]).iter("{http://www.w3.org/2000/svg}text")
    assert "sr is left out." in " ".join(text.text for text in texts)


def test_numbers_and_pictures_are_written_too(folders, eye, tmp_path):
    subjects = uncompressed_versions(chosen_of(folders)[:1], ["upsampled"], SETTINGS, eye)
    table = figures_shown.numbers({"figure3": subjects})
    assert table[["figure", "name", "method"]].values.tolist() == [
        ["figure3", "b", "original"],
        ["figure3", "b", "upsampled"],
    ]
    figures_shown.write_pictures({"figure3": subjects}, tmp_path / "out")
    assert np.array_equal(read_picture(tmp_path / "out" / "figure3_b_upsampled.png"), subjects[0].versions[1].pixels)


@pytest.mark.parametrize("methods", [["upsampled"], ["upsampled", "sr"]])
def test_the_figures_of_a_run_without_bpg(folders, methods, tmp_path, monkeypatch):
    """Without ground truth the segmenter's maps say where to look; figure 2, which nobody asks for, is left out."""
    monkeypatch.setattr(figures_shown, "load_segmenter", lambda **options: Brightness())
    monkeypatch.setattr(figures_shown, "UNCOMPRESSED", ("upsampled",))  # one network less
    (folders / "labels").mkdir()
    (folders / "space.json").write_text(to_json(asdict(CAMVID11)))
    maps = [folders / "ssm"]
    given = SimpleNamespace(pictures=[folders / "pictures"], labels=[folders / "labels"], ssm=maps, sent=maps)
    given.space = folders / "space.json"
    params = SimpleNamespace(methods=methods, limits=[None], names=["b"], truth_space="missing", segmenter={})
    params.settings = {"ssm_codec": "png", "protocol": "corrected", "seed": 0}
    files = {name: str(tmp_path / "out" / name) for name in ("figure3_svg", "numbers", "pictures")}
    out = SimpleNamespace(**files | {"figure3_svg": str(tmp_path / "out" / "figure3.svg")})
    figures_shown.draw_run(given, params, out, CPU)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"figure3.svg", "figure3.png", "numbers", "pictures"}
    table = read_csv(out.numbers)
    assert table[["figure", "name", "method"]].values.tolist() == [
        ["figure3", "b", "original"],
        ["figure3", "b", "upsampled"],
    ]
    text = (tmp_path / "out" / "figure3.svg").read_text()
    assert ("no method sr" in text) == ("sr" not in methods)


def test_a_chosen_picture_keeps_the_map_that_is_sent(folders):
    write_png(folders / "labels" / "a.png", np.zeros(SIZE, np.uint8))
    (one,) = choose([folders / "pictures"], [folders / "ssm"], CAMVID11, [folders / "labels"], [None], ["a"])
    assert isinstance(one, Chosen) and not one.picture.ssm.any()


def test_a_name_is_printed_as_it_is(eye, tmp_path):
    """Matplotlib takes what stands between two dollars for a formula."""
    name = r"it's $x_1$ {y} %s \alpha ü"
    subject = Subject(name, (0, 0), [seen(eye, np.full((*SIZE, 3), 99, np.uint8))])
    figure3([subject], "", tmp_path / "f")
    shown = [element.text for element in ET.parse(tmp_path / "f.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert name in shown
