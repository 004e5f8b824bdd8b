"""What a gallery shows: pictures spread over a run, each method at the rate asked for, the numbers of each picture."""

import json
import re
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from spic.bitstream import SpicFile, write_spic
from spic.codecs import get_codec
from spic.errors import ConfigError
from spic.files import write_bytes
from spic.pictures.labels import CAMVID11
from spic.pictures.reading import write_png
from spic.report.figures.style import label_of
from spic.report.pages.gallery import _start, choose_pictures, choose_points, enlarged, show_run, under, versions_of
from spic.report.tables import write_csv
from spic.strict_json import to_json

NAMES = [f"p{i:02d}" for i in range(20)]


@pytest.mark.parametrize(
    ("chunks", "size", "wanted", "expected"),
    [
        ({"0000": None}, 20, 4, {"0000": ["p02", "p07", "p12", "p17"]}),
        ({"0000": None}, 20, 1, {"0000": ["p10"]}),
        ({"0000": None}, 20, 99, {"0000": NAMES}),
        ({"0000": 3}, 20, "all", {"0000": ["p00", "p01", "p02"]}),  # a protocol that stops early
        ({"0000": None, "0001": None, "0002": 4}, 8, 4, {"0000": ["p01", "p03", "p05", "p07"]}),  # the first chunk only
        ({"0000": None, "0001": 2}, 8, 10, {"0000": NAMES[:8], "0001": ["p08", "p09"]}),
        (
            {"0000": None, "0001": None, "0002": None},
            8,
            "all",
            {"0000": NAMES[:8], "0001": NAMES[8:16], "0002": NAMES[16:]},
        ),
    ],
)
def test_pictures_are_spread_over_the_fewest_chunks(chunks, size, wanted, expected):
    assert choose_pictures(NAMES, chunks, size, wanted) == expected


@pytest.mark.parametrize("wanted", [0, -1, "some", 1.5])
def test_a_number_of_pictures_that_is_none(wanted):
    with pytest.raises(ConfigError, match="pictures"):
        choose_pictures(NAMES, {"0000": None}, 20, wanted)


def test_points_nearest_in_ratio():
    rows = [("spic", "a", 0.08), ("spic", "b", 0.2), ("bpg", "c", 0.15), ("bpg", "d", 1.0), ("far", "e", 9.0)]
    points = pd.DataFrame(rows, columns=["method", "point", "bpp"], index=[5, 4, 3, 2, 1])
    assert choose_points(points, 0.15) == {"spic": "b", "bpg": "c", "far": "e"}
    assert choose_points(points, 0.12)["spic"] == "a"
    assert choose_points(points.assign(bpp=np.nan), 0.1) == {}


def test_numbers_under_a_picture():
    row = {
        "bpp": 0.1416,
        "miou": 0.7,
        "miou_independent": np.nan,
        "psnr": 24.04,
        "persons_total": 0.0,
        "persons_found": 0.0,
    }
    row |= {"small_found": 3.0, "small_total": 7.0}
    assert under(row) == {"bpp": "0.142", "mIoU": "0.700", "PSNR": "24.0 dB", "small objects found": "3 of 7"}
    assert under({"bpp": None, "psnr": None}) == {} and under({"psnr": np.inf}) == {"PSNR": "inf dB"}
    assert label_of("spic", "coarse_qp30") == "SPIC, QP 30" and label_of("odd", "step2") == "odd, step 2"


def test_coarse_pictures_are_enlarged_by_squares():
    coarse = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    large = enlarged(coarse, (8, 12))
    assert large.shape == (8, 12, 3) and (large[4:, 8:] == coarse[1, 2]).all()
    assert enlarged(coarse, (7, 11)).shape == (7, 11, 3)


@pytest.fixture
def shown(tmp_path):
    """One image of a run: its folders, the table, its pixels by method, and the coarse image."""
    rng = np.random.default_rng(0)
    ssm = rng.integers(11, size=(64, 128), dtype=np.uint8)
    pictures = {name: rng.integers(256, size=(64, 128, 3), dtype=np.uint8) for name in ("original", "spic", "bpg")}
    coarse = rng.integers(256, size=(16, 32, 3), dtype=np.uint8)
    for name, pixels in pictures.items():
        write_png(tmp_path / name / "x.png", pixels)
    write_png(tmp_path / "ssm" / "x.png", ssm)
    payloads = {"ssm": get_codec("png").encode(ssm), "coarse": get_codec("png").encode(coarse)}
    names = {"label_space": "camvid11", "ssm_codec": "png", "coarse_codec": "png", "weights_id": "0" * 8}
    file = SpicFile(size=(64, 128), original_size=(64, 128), **names, **payloads)
    write_bytes(tmp_path / "coded" / "x.picture.spic", write_spic(file))
    table = pd.DataFrame(
        {
            "method": ["spic", "bpg"],
            "point": ["coarse_qp30", "qp44"],
            "name": "x",
            "bpp": [0.3, 0.4],
            "bpp_ssm": [0.1, np.nan],
            "bpp_coarse": [0.2, np.nan],
        }
    )
    return tmp_path, table, pictures, coarse


def test_versions_of_a_picture(shown):
    folder, table, pictures, coarse = shown
    at = {"spic": "coarse_qp30", "bpg": "qp44"}
    decoded = {key: {"0000": folder / key[0]} for key in at.items()}
    coded = {("spic", "coarse_qp30"): {"0000": folder / "coded"}}
    folders = {"0000": folder / "original"}, {"0000": folder / "ssm"}
    ((name, versions),) = versions_of({"0000": ["x"]}, at, *folders, CAMVID11, decoded, coded, table)
    assert name == "x" and [version.label for version in versions] == [
        "original",
        "SSM",
        "coarse picture",
        "SPIC, QP 30",
        "BPG, QP 44",
    ]
    assert [version.numbers.get("bpp") for version in versions] == [None, "0.100", "0.200", "0.300", "0.400"]
    assert np.array_equal(versions[2].pixels[::4, ::4], coarse) and np.array_equal(versions[4].pixels, pictures["bpg"])
    ((_, fewer),) = versions_of({"0000": ["x"]}, {"bpg": "qp44"}, *folders, CAMVID11, decoded, {}, table)
    assert [version.label for version in fewer] == ["original", "SSM", "BPG, QP 44"]


def inputs(shown, truth=None, clip=None, **columns):
    """What the rule `gallery` gives for that image: inputs and parameters; `columns` are of its points."""
    folder, table, *_ = shown
    other = table.assign(protocol="official", bpp=table["bpp"] / 2)  # nearer to the rate, and not shown
    table = pd.concat([other, table.assign(protocol="corrected")], ignore_index=True)
    write_csv(table.assign(**columns), folder / "points.csv")
    table.to_parquet(folder / "pictures.parquet")
    (folder / "space.json").write_text(to_json(asdict(CAMVID11)))
    given = SimpleNamespace(points=folder / "points.csv", all_pictures=folder / "pictures.parquet")
    given.space = folder / "missing.json" if truth else folder / "space.json"
    at = (("spic", "coarse_qp30"), ("bpg", "qp44"))
    params = SimpleNamespace(run="<r>", protocol="corrected", bpp=0.16, chosen={"0000": ["x"]}, truth_space=truth)
    params.originals, params.ssm = {"0000": folder / "original"}, {"0000": folder / "ssm"}
    params.decoded = [(*point, "0000", folder / point[0]) for point in at]
    params.coded = [(*at[0], "0000", folder / "coded")]
    params.clip = clip
    return given, params


@pytest.mark.parametrize("truth", [None, "camvid11"])
def test_the_gallery_of_a_run_shows_one_protocol_near_the_rate(shown, truth, tmp_path):
    (given, params), pictures = inputs(shown, truth), shown[2]
    out = SimpleNamespace(gallery=tmp_path / "gallery", preview=tmp_path / "preview.html")
    show_run(given, params, out)
    for page in (out.gallery / "index.html", out.preview):
        text = page.read_text()
        (entry,) = json.loads(re.search(r"const pictures = (.*);\n", text)[1])
        assert [version["numbers"][:1] for version in entry["versions"][3:]] == [[["bpp", "0.300"]], [["bpp", "0.400"]]]
        assert "<h1>&lt;r&gt;: every method at about 0.16 bits per pixel</h1>" in text and "Protocol corrected." in text
        assert 'const [startLeft, startRight] = ["BPG, QP 44", "SPIC, QP 30"];' in text
        assert len(json.loads(re.search(r"const legend = (.*);\n", text)[1])) == len(CAMVID11.classes)
        assert 'id="clip"' not in text
    assert np.array_equal(read_webp(out.gallery / "pictures" / "0000-04.webp"), pictures["bpg"])


def test_the_gallery_of_a_clip_plays_it_at_the_shown_points(shown, tmp_path):
    clip = {"rate": 15.0, "frames": {"0000": ["x", "x"]}}
    given, params = inputs(shown, clip=clip, kbps=[1, 2, 300, 400], flicker=[9, 9, 0.5, np.nan])
    out = SimpleNamespace(gallery=tmp_path / "deep" / "gallery", preview=tmp_path / "preview.html")
    show_run(given, params, out)
    text = (out.gallery / "index.html").read_text()
    sources = re.findall(r'<div class="frame"><img src="(.*?)" alt="(.*?)">', text)
    assert sources == [
        ("../../original/x.png", "original"),
        ("../../spic/x.png", "SPIC, QP 30"),
        ("../../bpg/x.png", "BPG, QP 44"),
    ]
    assert all((out.gallery / source).is_file() for source, _ in sources)
    shown_numbers = ["bpp 0.300", "rate 300 kbit/s", "flicker 0.50", "bpp 0.400", "rate 400 kbit/s"]
    assert re.findall(r"<span>(.*?)</span>", text) == shown_numbers
    assert 'id="clip"' not in out.preview.read_text()


@pytest.mark.parametrize(
    ("at", "start"),
    [
        ({"spic": "coarse_qp30", "jpeg2000": "bpp0.2", "bpg": "qp44"}, ("BPG, QP 44", "SPIC, QP 30")),
        ({"bpg": "qp44", "hevc": "qp40"}, ("BPG, QP 44", "hevc, QP 40")),
        ({"bpg": "qp44"}, ("BPG, QP 44", "original")),
        ({"hevc": "qp40"}, ("original", "hevc, QP 40")),
        ({}, ("original", "original")),
    ],
)
def test_two_different_versions_are_under_the_slider_at_first(at, start):
    assert _start(at) == start


def read_webp(path):
    with Image.open(path) as image:
        return np.asarray(image)
