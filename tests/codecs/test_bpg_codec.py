"""BPG as a codec: any picture round-trips in size and closely in value, and damage ends in one kind of error."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spic.codecs import get_codec
from spic.codecs.bpg import colour, container, decode_planes
from spic.errors import BitstreamError, ConfigError, DataError

CODEC = get_codec("bpg")


def _street(height=64, width=128):
    """Smooth shapes with a few edges."""
    y, x = np.mgrid[:height, :width]
    planes = [y * 2 + 20 * np.sin(x / 9), 90 + 60 * (x > y), 40 + (x * y) % 97]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    kind=st.sampled_from(["gray", "420", "444"]),
    qp=st.integers(0, 51),
    seed=st.integers(0, 99),
)
def test_any_size_round_trips(height, width, kind, qp, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 1 if kind == "gray" else 3), np.uint8)
    data = CODEC.encode(picture, qp=qp, **({} if kind == "gray" else {"chroma": kind}))
    header = container.read_file(data).header
    assert (header.height, header.width, header.shift) == (height, width, (int(kind == "420"),) * 2)
    planes = decode_planes(data)
    convert = {"420": colour.to_ycc420, "444": colour.to_ycc444, "gray": lambda image: [image[:, :, 0]]}
    originals = convert[kind](picture)
    step = 2 ** ((max(qp - 3, 0) - 4) / 6)
    for plane, original in zip(planes.values(), originals, strict=True):
        assert plane.shape == original.shape
        assert np.abs(plane.astype(float) - original).mean() <= 1 + step
    assert CODEC.decode(data).shape == (height, width, 3)


def test_rate_falls_and_error_grows_with_qp():
    picture = _street()
    coded = [CODEC.encode(picture, qp=qp) for qp in (5, 15, 25, 35, 45)]
    errors = [np.square(CODEC.decode(data).astype(float) - picture).mean() for data in coded]
    assert sorted(map(len, coded), reverse=True) == [len(data) for data in coded]
    assert sorted(errors) == errors


def test_colour_in_full():
    """Colours that change from column to column are lost at 4:2:0, at whatever quantiser, and kept at 4:4:4."""
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, ::2, 0], picture[:, 1::2, 2] = 200, 200
    error = {}
    for chroma in ("420", "444"):
        data = CODEC.encode(picture, qp=5, chroma=chroma)
        error[chroma] = np.abs(CODEC.decode(data).astype(int) - picture).mean()
    assert error["420"] > 40 and error["444"] < 2
    assert CODEC.encode(picture, qp=5) == CODEC.encode(picture, qp=5, chroma="420")
    assert CODEC.encode_coarse(picture, qp=5) == CODEC.encode(picture, qp=5, chroma="444")
    for wrong in ("422", 444, None):
        with pytest.raises(ConfigError, match="chroma must be 420 or 444"):
            CODEC.encode(picture, chroma=wrong)


def test_small_header():
    data = CODEC.encode(np.full((64, 128, 3), 90, np.uint8), qp=45)
    assert len(data) < 45
    assert data[:10] == b"BPG\xfb\x20\x00\x81\x00\x40\x00"


def test_gray_is_repeated():
    picture = _street()[:, :, :1]
    decoded = CODEC.decode(CODEC.encode(picture, qp=20))
    assert (decoded == decoded[:, :, :1]).all()
    assert np.abs(decoded[:, :, :1].astype(int) - picture).mean() < 3


def test_bytes_do_not_depend_on_threads_or_history():
    picture = _street(96, 160)
    expected = [CODEC.encode(picture, qp=qp) for qp in range(24, 48, 4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda qp: CODEC.encode(picture, qp=qp), range(24, 48, 4))) == expected
        decoded = list(pool.map(CODEC.decode, expected))
    assert all(map(np.array_equal, decoded, map(CODEC.decode, expected)))


def test_bytes_are_the_same_in_a_new_process():
    code = (
        "import numpy as np, sys; from spic.codecs import get_codec;"
        "sys.stdout.write(get_codec('bpg').encode(np.arange(3072, dtype=np.uint8).reshape(32, 32, 3), qp=33).hex())"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert bytes.fromhex(output.stdout) == CODEC.encode(np.arange(3072, dtype=np.uint8).reshape(32, 32, 3), qp=33)
    assert output.stderr == ""


@pytest.mark.parametrize("qp", [-1, 52, 30.5, None, "30", True, float("nan")])
def test_wrong_qp(qp):
    with pytest.raises(ConfigError):
        CODEC.encode(_street(16, 16), qp=qp)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 8, 3)),
        np.broadcast_to(np.uint8(0), (1 << 14, 1 << 14, 3)),
        [[0]],
    ],
    ids=range(7),
)
def test_wrong_pictures(image):
    with pytest.raises(DataError):
        CODEC.encode(image)


def test_a_cut_file_is_refused():
    data = CODEC.encode(_street(), qp=30)
    for length in range(0, len(data), 5):
        with pytest.raises(BitstreamError):
            CODEC.decode(data[:length])


def test_flipped_bits_give_a_picture_or_an_error():
    picture = _street(24, 40)
    data = CODEC.encode(picture, qp=30)
    rng = np.random.default_rng(3)
    for _ in range(400):
        damaged = bytearray(data)
        for place in rng.integers(4, len(data), rng.integers(1, 4)):
            damaged[place] ^= 1 << rng.integers(8)
        try:
            header = container.read_file(bytes(damaged)).header
            decoded = CODEC.decode(bytes(damaged))
        except BitstreamError:
            continue
        assert decoded.dtype == np.uint8 and decoded.shape[:2] == (header.height, header.width)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_payloads(tail):
    data = CODEC.encode(np.zeros((8, 8, 3), np.uint8))
    try:
        assert CODEC.decode(data[:14] + tail).shape == (8, 8, 3)
    except BitstreamError:
        pass


@pytest.mark.parametrize("data", [None, "text", 5, b"", b"\x00" * 100])
def test_not_a_file(data):
    with pytest.raises(BitstreamError):
        CODEC.decode(data)
