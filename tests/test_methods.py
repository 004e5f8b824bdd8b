"""Methods: pictures to parts of bytes, and back from nothing but those."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import spic.registry
from spic.codecs import get_codec
from spic.errors import BitstreamError, ConfigError, DataError
from spic.images import downscale
from spic.methods import Method, Picture, Settings, get_method, method_names, picture_seed, point_name

POINTS = {"spic": 30, "upsampled": 30, "bpg": 35, "jpeg2000": 1.5}
PARTS = {"spic": {"ssm": "jxl", "coarse": "bpg"}, "upsampled": {"coarse": "bpg"}}


@pytest.fixture(scope="module")
def pictures(tiny_scenes):
    scenes = tiny_scenes(2, (32, 64))
    return [Picture(scenes.picture(i), scenes.labels(i)) for i in range(2)]


@pytest.fixture(scope="module")
def method(tiny_decoder):
    """Factory of methods with tiny weights."""
    settings = {"ssm_codec": "jpegxl-lossless", "decoder_weights": str(tiny_decoder), "device": "cpu"}
    return lambda name, **changes: get_method(name, Settings(**{**settings, "dtype": "float32", **changes}))


def error(a, b):
    return np.sqrt(np.square(a.astype(float) - b).mean())


@pytest.mark.parametrize("name", POINTS)
def test_round_trip(name, method, pictures):
    encoder = method(name)
    assert encoder.needs_ssm == (name == "spic")
    parts = [encoder.encode(picture, POINTS[name]) for picture in pictures]
    for part in parts:
        assert set(part) == set(PARTS.get(name, {"picture": ""})) == set(encoder.codecs())
        assert all(type(data) is bytes and data for data in part.values())
    decoded = method(name).decode(parts, ["a", "b"])  # by a receiver of its own: all it has are the bytes
    assert len(decoded) == 2
    for picture, result in zip(pictures, decoded, strict=True):
        assert result.shape == (32, 64, 3) and result.dtype == np.uint8
        assert error(result, picture.pixels) < 60


def test_parts_are_files_of_their_codecs(method, pictures):
    parts = method("spic").encode(pictures[0], 30)
    assert {part: method("spic").extension(part) for part in parts} == PARTS["spic"]
    assert np.array_equal(get_codec("jpegxl-lossless").decode(parts["ssm"]), pictures[0].ssm)
    assert parts["coarse"] == get_codec("bpg").encode(downscale(pictures[0].pixels), qp=30)
    assert method("bpg").extension("picture") == "bpg" and method("jpeg2000").extension("picture") == "j2k"


@pytest.mark.parametrize(("name", "low", "high"), [("spic", 45, 20), ("upsampled", 45, 20), ("jpeg2000", 0.8, 4)])
def test_points_set_the_rate(name, low, high, method, pictures):
    sizes = [sum(map(len, method(name).encode(pictures[0], value).values())) for value in (low, high)]
    assert sizes[0] < sizes[1]


def test_upsampled_is_bicubic(method, pictures):
    parts = method("upsampled").encode(pictures[0], 25)
    coarse = get_codec("bpg").decode(parts["coarse"])
    expected = Image.fromarray(coarse).resize((64, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(method("upsampled").decode([parts], ["a"])[0], np.asarray(expected))


def test_a_picture_depends_on_its_name_and_not_on_its_companions(method, pictures):
    own = method("spic")
    first, second = (own.encode(picture, 30) for picture in pictures)
    together = own.decode([first, second], ["one", "two"])
    (alone,) = own.decode([second], ["two"])
    assert np.abs(alone.astype(int) - together[1]).max() <= 1
    (renamed,) = own.decode([second], ["three"])
    (reseeded,) = method("spic", seed=1).decode([second], ["two"])
    assert error(renamed, alone) > 1 and error(reseeded, alone) > 1


def test_seeds():
    seeds = [picture_seed(name, seed) for name in ("a", "b", "") for seed in (0, 1, 12345678901)]
    assert len(set(seeds)) == len(seeds) and all(0 <= seed < 1 << 32 for seed in seeds)
    assert picture_seed("0016E5_07959", 0) == picture_seed("0016E5_07959", 0)


def test_parts_that_do_not_belong_together(method, pictures):
    own, codec, bpg = method("spic"), get_codec("jpegxl-lossless"), get_codec("bpg")
    parts = own.encode(pictures[0], 30)
    wrong = {
        "another size": {"ssm": codec.encode(pictures[0].ssm[:, :32])},
        "a colour SSM": {"ssm": codec.encode(pictures[0].pixels)},
        "unknown ids": {"ssm": codec.encode(np.full((32, 64), 12, np.uint8))},
        "a size the network cannot take": {
            "ssm": codec.encode(np.zeros((12, 20), np.uint8)),
            "coarse": bpg.encode(np.zeros((3, 5, 3), np.uint8), qp=30),
        },
        "damaged bytes": {"coarse": parts["coarse"][:-9]},
        "no bytes": {"ssm": b""},
    }
    for what, changes in wrong.items():
        with pytest.raises(BitstreamError):
            own.decode([{**parts, **changes}], [what])
    small = Picture(pictures[0].pixels[:, :32], pictures[0].ssm[:, :32])
    with pytest.raises(BitstreamError, match="differ in size"):
        own.decode([parts, own.encode(small, 30)], ["a", "b"])


@pytest.mark.parametrize("name", ["upsampled", "bpg", "jpeg2000"])
def test_damaged_parts(name, method):
    part = "coarse" if name == "upsampled" else "picture"
    for data in (b"", b"nonsense" * 9):
        with pytest.raises(BitstreamError):
            method(name).decode([{part: data}], ["a"])


def test_huge_coarse_pictures_are_refused(method, pictures, monkeypatch):
    parts = method("upsampled").encode(pictures[0], 30)
    monkeypatch.setattr(spic.methods, "MAX_PIXELS", 32 * 64 - 1)
    for name in ("upsampled", "spic"):
        with pytest.raises(BitstreamError, match="too large"):
            method(name).decode([{"ssm": method("spic").encode(pictures[0], 30)["ssm"], **parts}], ["a"])


def test_gray_files_give_pictures(method):
    gray = np.linspace(0, 255, 32 * 64).astype(np.uint8).reshape(32, 64, 1)
    (picture,) = method("jpeg2000").decode([{"picture": get_codec("jpeg2000").encode(gray, bpp=8)}], ["a"])
    assert picture.shape == (32, 64, 3) and error(picture, gray) < 4


def test_spic_wants_an_ssm(method, pictures):
    for ssm in (None, pictures[0].ssm[:16]):
        with pytest.raises(DataError, match="SSM"):
            method("spic").encode(Picture(pictures[0].pixels, ssm), 30)


def test_wrong_settings(method, pictures):
    with pytest.raises(ConfigError, match="'webp'"):
        method("spic", coarse_codec="webp")
    with pytest.raises(ConfigError, match="'png' is lossless"):
        method("upsampled", coarse_codec="png")
    with pytest.raises(ConfigError, match="qp"):
        method("bpg").encode(pictures[0], 99)
    assert get_method("bpg").settings == Settings()


def test_names(monkeypatch):
    assert method_names() == ["bpg", "jpeg2000", "spic", "upsampled"]
    with pytest.raises(ConfigError, match=r"'h266'.*bpg, jpeg2000, spic, upsampled"):
        get_method("h266")

    class Mine(Method):
        encode = decode = codecs = None

    class Point:
        name = "mine"

        def load(self):
            return Mine

    monkeypatch.setattr(spic.registry, "entry_points", lambda group: [Point()] * (group == "spic.methods"))
    assert "mine" in method_names() and isinstance(get_method("mine"), Mine)


def test_point_names():
    names = [point_name("qp", 30), point_name("coarse_qp", 35), point_name("bpp", 0.25)]
    assert names == ["qp30", "coarse_qp35", "bpp0.25"]
    assert [method.parameter for method in map(get_method, POINTS)] == ["coarse_qp", "coarse_qp", "qp", "bpp"]


def test_methods_without_a_network_load_no_torch():
    code = (
        "import sys, numpy as np; from spic.methods import Picture, get_method; m = get_method('upsampled');"
        "m.decode([m.encode(Picture(np.zeros((16, 16, 3), np.uint8)), 30)], ['a']); print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
