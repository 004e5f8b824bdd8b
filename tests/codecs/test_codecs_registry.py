"""`get_codec`: names, laziness, codecs of other packages."""

import subprocess
import sys

import numpy as np
import pytest

import spic.plugins
from spic.codecs import Codec, codec_names, get_codec
from spic.errors import ConfigError

HEAVY = ("av", "numba", "torch", "imagecodecs", "matplotlib")


def test_names():
    assert {"bpg", "flif", "jpeg2000", "jpegxl-lossless", "png"} <= set(codec_names())
    assert codec_names() == sorted(codec_names())


@pytest.mark.parametrize(
    ("name", "kind", "extension", "quality_name"),
    [
        ("bpg", "picture", "bpg", "qp"),
        ("jpeg2000", "picture", "j2k", "bpp"),
        ("jpegxl-lossless", "both", "jxl", None),
        ("jpegxl", "picture", "jxl", "distance"),
        ("jpeg", "picture", "jpg", "quality"),
        ("webp", "picture", "webp", "quality"),
        ("avif", "picture", "avif", "quality"),
        ("webp-lossless", "label", "webp", None),
        ("png", "both", "png", None),
    ],
)
def test_attributes(name, kind, extension, quality_name):
    codec = get_codec(name)
    assert isinstance(codec, Codec)
    assert (codec.name, codec.kind, codec.extension, codec.quality_name) == (name, kind, extension, quality_name)
    assert codec.takes("label") == (kind != "picture") and codec.takes("picture") == (kind != "label")


@pytest.mark.parametrize("name", codec_names())
def test_a_quality_has_a_range_that_the_codec_keeps(name):
    codec = get_codec(name)
    assert (codec.quality_range is None) == (codec.quality_name is None)
    if codec.quality_name is not None:
        low, high, step = codec.quality_range
        picture = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
        least = low if codec.quality_name != "bpp" else 8  # fewer are not enough for the headers of so small a picture
        sizes = [len(codec.encode(picture, **{codec.quality_name: value})) for value in (least, high)]
        assert sizes[0] != sizes[1] and 0 <= step <= high - low
        for value in (low - 1e-6, high + 1e-6, True, "1", float("nan")):
            with pytest.raises(ConfigError, match=rf"{codec.quality_name} must be a number from {low} to {high}"):
                codec.encode(picture, **{codec.quality_name: value})


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"'heic'.*bpg.*png"):
        get_codec("heic")


@pytest.mark.parametrize("name", ["bpg", "jpeg2000", "jpegxl-lossless", "png"])
def test_getting_a_codec_loads_no_library_of_another(name):
    code = (
        f"import sys; from spic.codecs import get_codec; get_codec({name!r});"
        f"print([module for module in {HEAVY} if module in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


class _Raw(Codec):
    name, kind, extension = "raw", "label", "raw"

    def encode(self, image):
        return bytes(image.shape) + image.tobytes()

    def decode(self, data):
        return np.frombuffer(data[2:], np.uint8).reshape(tuple(data[:2]))


class _Point:
    def __init__(self, name):
        self.name = name

    def load(self):
        return _Raw


def test_entry_points_add_codecs_but_replace_none(monkeypatch):
    monkeypatch.setattr(spic.plugins, "entry_points", lambda group: [_Point("raw"), _Point("png")])
    assert "raw" in codec_names() and codec_names().count("png") == 1
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert np.array_equal(get_codec("raw").decode(get_codec("raw").encode(labels)), labels)
    assert not isinstance(get_codec("png"), _Raw)
