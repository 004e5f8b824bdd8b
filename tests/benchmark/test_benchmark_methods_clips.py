"""Methods of clips: a chunk is coded in order, through folders, and what an image costs are its own bytes."""

import csv

import numpy as np
import pytest

from spic.benchmark import coding
from spic.benchmark.method import Picture, Settings
from spic.benchmark.methods import get_method
from spic.datasets import get_dataset
from spic.errors import BitstreamError, ConfigError, DataError
from spic.machine import CPU
from spic.pictures.reading import read_picture, write_png

POINTS = {"hevc": 30, "av1": 40, "spic_video": 25}


@pytest.fixture(scope="module")
def pan():
    """Five frames at working size, and the same smaller for what runs a network."""
    large, small = (get_dataset("street_pan", size=size) for size in ((256, 512), (32, 64)))
    return [[Picture(data.picture(i), data.labels(i)) for i in range(5)] for data in (large, small)]


@pytest.fixture
def method(tiny_decoder):
    def method(name, **options):
        settings = {"decoder_weights": str(tiny_decoder), "machine": CPU}
        return get_method(name, Settings(**settings, method_options={name: options}))

    return method


@pytest.mark.parametrize("name", POINTS)
def test_a_chunk_there_and_back(name, method, pan):
    pictures = pan[name == "spic_video"]
    parts = list(method(name, every=3).encode_chunk(iter(pictures), POINTS[name]))
    decoded = list(method(name).decode_chunk(parts, list("abcde")))
    for image, picture in zip(decoded, pictures, strict=True):
        assert image.shape == picture.pixels.shape and image.dtype == np.uint8
        assert abs(image.astype(int) - picture.pixels).mean() < (60 if name == "spic_video" else 8)
    sizes = [sum(method(name).sizes(part).values()) for part in parts]
    assert sizes == [sum(map(len, part.values())) for part in parts]
    assert max(sizes[1], sizes[2], sizes[4]) < 0.9 * min(sizes[0], sizes[3])


def test_half_of_the_maps(method, pan):
    parts = list(method("spic_video", halve=True, smooth=False).encode_chunk(pan[1], 30))
    assert [bool(part["ssm"]) for part in parts] == [True, False, True, False, True]
    assert len(list(method("spic_video").decode_chunk(parts, list("abcde")))) == 5


def test_steady_begins_again_where_the_bytes_do(method, pan):
    """Whatever `every` the decoding method was given."""
    still = [Picture(pan[1][0].pixels // 2 + np.uint8(i), pan[1][0].ssm) for i in range(5)]
    parts = list(method("spic_video", every=3).encode_chunk(still, 5))
    drawn = list(method("spic_video", steady=False).decode_chunk(parts, list("abcde")))
    shown = list(method("spic_video").decode_chunk(parts, list("abcde")))
    equal = [np.array_equal(a, b) for a, b in zip(drawn, shown, strict=True)]
    assert equal[0] and equal[3] and not all(equal)
    for begin, count in ((0, 3), (3, 2)):
        alone = list(method("spic_video").decode_chunk(parts[begin : begin + count], list("abc")[:count]))
        for a, b in zip(alone, shown[begin:], strict=False):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(BitstreamError, match="HEVC"):
        list(method("spic_video").decode_chunk([parts[0], {**parts[1], "coarse": b""}], list("ab")))


def test_through_folders(method, pan, tmp_path, tiny_decoder):
    for i, picture in enumerate(pan[1]):
        write_png(tmp_path / "pictures" / f"f{i}.png", picture.pixels)
        write_png(tmp_path / "ssm" / f"f{i}.png", picture.ssm)
    settings = Settings(decoder_weights=str(tiny_decoder), machine=CPU)
    folders = [tmp_path / name for name in ("pictures", "ssm", "coded")]
    coding.encode("spic_video", 30, settings, *folders, tmp_path / "encode.csv", limit=4)
    coding.decode("spic_video", settings, folders[2], tmp_path / "decoded", tmp_path / "decode.csv")
    names = sorted(path.name for path in folders[2].iterdir())
    assert names == sorted(f"f{i}.{part}" for i in range(4) for part in ("ssm.lmap", "coarse.hevc"))
    coded = coding.read_coded(folders[2])
    wanted = list(method("spic_video").decode_chunk(list(coded.values()), list(coded)))
    for i in range(4):
        np.testing.assert_array_equal(read_picture(tmp_path / "decoded" / f"f{i}.png"), wanted[i])
    with open(tmp_path / "encode.csv") as file:
        row = next(csv.DictReader(file))
    assert row["n"] == "4" and float(row["total_seconds"]) > 0


@pytest.mark.parametrize("name", POINTS)
def test_one_image_is_a_clip(name, method, pan):
    picture = pan[name == "spic_video"][0]
    part = method(name).encode(picture, POINTS[name])
    assert method(name).decode([part], ["a"])[0].shape == picture.pixels.shape
    with pytest.raises(BitstreamError):
        method(name).decode([dict.fromkeys(part, b"")], ["a"])


def test_settings(method, pan):
    for name in POINTS:
        for wrong in ({"every": 0}, {"every": True}, {"speed": 3}):
            with pytest.raises(ConfigError, match="method_options"):
                method(name, **wrong)
        with pytest.raises(ConfigError):
            method(name).check_point(99)
        assert method(name).check_point(POINTS[name]) is None
        codecs = method(name).codecs()
        assert all(codec.versions() and codec.extension for codec in codecs.values())
    for wrong in ({"steady": "no"}, {"smooth": 1}, {"halve": None}):
        with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be true or false"):
            method("spic_video", **wrong)
    with pytest.raises(ConfigError, match="steady"):
        method("hevc", steady=True)
    with pytest.raises(DataError, match="SSM"):
        method("spic_video").encode(Picture(pan[1][0].pixels), 30)
