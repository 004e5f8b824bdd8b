"""JPEG 2000: the target rate holds and is used, and only plain codestreams are read."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spic.codecs import get_codec, jpeg2000
from spic.errors import BitstreamError, ConfigError, DataError

CODEC = get_codec("jpeg2000")


def _street(height=256, width=512, channels=3):
    y, x = np.mgrid[:height, :width]
    base = [y / 2 + 40 * np.sin(x / 9) * np.cos(y / 5), 90 + 60 * (x > y), 40 + (x * y) % 97]
    noise = np.random.default_rng(0).normal(0, 12, (height, width, 3))
    return np.clip(np.stack(base, axis=-1) + noise, 0, 255).astype(np.uint8)[:, :, :channels]


def _save(array, **options):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "JPEG2000", **{"no_jp2": True, **options})
    return out.getvalue()


@pytest.mark.parametrize("bpp", [0.05, 0.1, 0.2, 0.4, 1.0, 4.0])
def test_the_rate_is_met_from_below(bpp):
    data = CODEC.encode(_street(), bpp=bpp)
    assert 0.93 * bpp <= 8 * len(data) / (256 * 512) <= bpp


@pytest.mark.shared
@pytest.mark.parametrize("bpp", [0.1, 0.5])
def test_the_rate_is_met_on_real_pictures(shared, bpp):
    from spic.pictures.reading import read_picture
    from spic.pictures.sizes import to_working_size

    frames = sorted((shared / "data" / "camvid" / "val").glob("*.png"))[:100:50]
    if not frames:
        pytest.skip("no CamVid frames")
    for frame in frames:
        data = CODEC.encode(to_working_size(read_picture(frame)), bpp=bpp)
        assert 0.93 * bpp <= 8 * len(data) / (256 * 512) <= bpp


def test_more_rate_is_a_better_picture():
    picture = _street(64, 128)
    errors = [
        np.square(CODEC.decode(CODEC.encode(picture, bpp=bpp)).astype(float) - picture).mean()
        for bpp in (0.25, 0.5, 1, 2, 4, 24)
    ]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1


def test_a_bare_codestream_without_comment():
    data = CODEC.encode(_street(64, 128), bpp=0.5)
    assert data[:4] == b"\xff\x4f\xff\x51" and data[-2:] == b"\xff\xd9"
    assert b"OpenJPEG" not in data
    style = data[data.index(b"\xff\x52") :]
    assert style[8] == 1 and style[9] == 5 and style[13] == 0  # component transform, levels, irreversible 9/7


def test_same_bytes_again():
    assert CODEC.encode(_street(64, 64), bpp=0.7) == CODEC.encode(_street(64, 64), bpp=0.7)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 50), width=st.integers(1, 50), channels=st.sampled_from([1, 3]), bpp=st.floats(1, 24))
def test_any_size_round_trips(height, width, channels, bpp):
    picture = _street(height, width, channels)
    try:
        data = CODEC.encode(picture, bpp=bpp)
    except ConfigError:
        assert len(jpeg2000._compress(picture, 1)) > bpp * height * width / 8
        return
    assert 8 * len(data) <= bpp * height * width
    decoded = CODEC.decode(data)
    assert decoded.shape == picture.shape and decoded.dtype == np.uint8


@pytest.mark.parametrize("bpp", [0, -1, 25, None, "1", float("nan"), float("inf")])
def test_wrong_rate(bpp):
    with pytest.raises(ConfigError):
        CODEC.encode(_street(16, 16), bpp=bpp)


def test_unreachable_rate():
    with pytest.raises(ConfigError, match="cannot code 64x64"):
        CODEC.encode(_street(64, 64), bpp=0.01)


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
    ids=range(4),
)
def test_wrong_pictures(image):
    with pytest.raises(DataError):
        CODEC.encode(image)


def test_too_many_pixels():
    with pytest.raises(DataError, match="cannot code 8193x8192"):
        CODEC.encode(np.broadcast_to(np.uint8(0), (8192, 8193, 1)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        None,
        b"\xff\x4f\xff\x51",
        b"\xff\x4f\xff\x51" + bytes(60),
        _save(_street(8, 8), no_jp2=False),
        _save(_street(64, 64), tile_size=(32, 32)),
        _save(np.zeros((8, 8), np.uint16)),
        _save(np.zeros((8, 8, 4), np.uint8)),
    ],
    ids=["empty", "none", "short", "zeros", "JP2", "tiles", "16 bits", "four channels"],
)
def test_other_kinds_are_refused(data):
    with pytest.raises(BitstreamError):
        CODEC.decode(data)


def test_huge_claimed_size_is_refused_first(monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("decoded"))
    data = bytearray(CODEC.encode(_street(64, 64), bpp=1))
    for place in (8, 12, 24, 28):
        data[place : place + 4] = (1 << 28).to_bytes(4, "big")
    with pytest.raises(BitstreamError, match="out of range"):
        CODEC.decode(bytes(data))


def test_damage_gives_a_picture_or_an_error():
    data = CODEC.encode(_street(32, 48), bpp=2)
    rng = np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(data[: rng.integers(1, len(data) + 1)])
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        try:
            assert CODEC.decode(bytes(damaged)).dtype == np.uint8
        except BitstreamError:
            pass


def test_a_cut_file_is_refused():
    data = CODEC.encode(_street(32, 48), bpp=2)
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            CODEC.decode(data[:length])
