"""PNG and lossless JPEG XL: exact round trips of label maps and pictures, one error for everything else."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spic.codecs import get_codec
from spic.errors import BitstreamError, DataError

NAMES = ("png", "jpegxl-lossless")


def _array(shape, top=255, seed=0):
    return np.random.default_rng(seed).integers(0, top + 1, shape, np.uint8)


def _png_with_header(width, height, depth=8, colour=0, pixels=b""):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    colour=st.booleans(),
    top=st.sampled_from([0, 1, 11, 255]),
    seed=st.integers(0, 9),
)
def test_round_trip(name, height, width, colour, top, seed):
    image = _array((height, width, 3) if colour else (height, width), top, seed)
    codec = get_codec(name)
    data = codec.encode(image)
    decoded = codec.decode(data)
    assert decoded.dtype == np.uint8 and decoded.shape == image.shape and np.array_equal(decoded, image)
    assert codec.encode(np.asfortranarray(image)) == data


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(256, 512), (1024, 8), (8, 1024), (300, 200), (9, 16), (120, 100)])
def test_sizes_with_their_own_header_codes(name, shape):
    labels = np.tile(np.arange(shape[1], dtype=np.uint8) // 16, (shape[0], 1))
    codec = get_codec(name)
    assert np.array_equal(codec.decode(codec.encode(labels)), labels)


def test_png_checksums_are_verified():
    data = get_codec("png").encode(_array((16, 24, 3)))
    for place in range(8, len(data), 11):
        damaged = bytearray(data)
        damaged[place] ^= 16
        with pytest.raises(BitstreamError):
            get_codec("png").decode(bytes(damaged))


def test_png_keeps_alpha():
    image = _array((5, 7, 4))
    assert np.array_equal(get_codec("png").decode(get_codec("png").encode(image)), image)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "image",
    [_array((4, 4, 1)), _array((4, 4, 2)), _array(4), _array((0, 4)), np.zeros((4, 4)), np.zeros((4, 4), bool), None],
    ids=range(7),
)
def test_wrong_arrays(name, image):
    with pytest.raises(DataError):
        get_codec(name).encode(image)


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_file_is_refused(name):
    codec = get_codec(name)
    data = codec.encode(_array((16, 24, 3), seed=5))
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            codec.decode(data[:length])


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bits_give_an_array_or_an_error(name):
    codec = get_codec(name)
    data = codec.encode(_array((16, 24), 5))
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        try:
            assert codec.decode(bytes(damaged)).dtype == np.uint8
        except BitstreamError:
            pass


@pytest.mark.parametrize("name", NAMES)
@given(st.binary(max_size=80))
@settings(deadline=None)
def test_garbage(name, tail):
    codec = get_codec(name)
    for start in (b"", codec.encode(np.zeros((2, 2), np.uint8))[:12]):
        try:
            codec.decode(start + tail)
        except BitstreamError:
            pass


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", [None, 3, "text", b""])
def test_not_a_file(name, data):
    with pytest.raises(BitstreamError):
        get_codec(name).decode(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (_png_with_header(1 << 30, 1 << 30), "out of range"),
        (_png_with_header(0, 5), "out of range"),
        (_png_with_header(4000, 4000), "cannot hold"),
        (_png_with_header(1, 1, 16, pixels=b"\0\0\0"), "not supported"),
        (_png_with_header(1, 1, 8, 3, b"\0\0"), "not supported"),
        (_png_with_header(1, 1, 8, 0, b""), "PNG"),
    ],
    ids=["huge", "empty", "out of proportion", "16 bits", "palette", "no pixels"],
)
def test_png_headers_are_checked(data, text):
    with pytest.raises(BitstreamError, match=text):
        get_codec("png").decode(data)


def test_png_of_other_software_is_read():
    out = io.BytesIO()
    Image.fromarray(_array((9, 4, 3))).save(out, "PNG", compress_level=1)
    assert np.array_equal(get_codec("png").decode(out.getvalue()), _array((9, 4, 3)))


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (_array((8, 8, 4)), {}),
        (np.zeros((8, 8), np.uint16), {}),
        (np.zeros((8, 8, 3), np.float32), {}),
        (np.zeros((3, 8, 8, 3), np.uint8), {}),
        (_array((8, 8, 3)), {"usecontainer": True}),
    ],
    ids=["alpha", "16 bits", "float", "animation", "boxes"],
)
def test_jpegxl_of_other_kinds_is_refused(image, options):
    import imagecodecs

    with pytest.raises(BitstreamError):
        get_codec("jpegxl-lossless").decode(imagecodecs.jpegxl_encode(image, lossless=True, **options))


def test_jpegxl_size_limit():
    bits = 0b11 << 1 | ((1 << 30) - 1) << 3 | 1 << 33  # no multiple of 8, height in 30 bits, square
    with pytest.raises(BitstreamError, match="out of range"):
        get_codec("jpegxl-lossless").decode(b"\xff\x0a" + bits.to_bytes(16, "little"))
