"""The BPG file format around the picture data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spic.codecs.bpg import container
from spic.errors import BitstreamError
from spic.pictures import reading as images

HEADER = b"BPG\xfb\x20\x00"  # 4:2:0, 8 bits, BT.601


def _number(value):
    groups = [value & 127]
    while value := value >> 7:
        groups.insert(0, value & 127 | 128)
    return bytes(groups)


@given(
    width=st.integers(1, 1 << 12),
    height=st.integers(1, 1 << 12),
    pixel_format=st.integers(1, 5),
    depth=st.integers(8, 14),
    color_space=st.integers(0, 4),
    alpha=st.sampled_from(["", "has_alpha", "premultiplied", "cmyk"]),
    limited=st.booleans(),
    sps=st.binary(max_size=300),
    payload=st.binary(min_size=1, max_size=300),
)
def test_round_trip(width, height, pixel_format, depth, color_space, alpha, limited, sps, payload):
    flags = {"has_alpha": True, "premultiplied": True} if alpha == "premultiplied" else {alpha: True} if alpha else {}
    header = container.Header(width, height, pixel_format, depth, color_space, limited_range=limited, **flags)
    file = container.BpgFile(header, sps, payload, b"alpha" if alpha else None)
    assert container.read_file(container.write_file(file)) == file


def test_layout_of_a_plain_file():
    file = container.BpgFile(container.Header(128, 64), b"\x92\x47\x40", b"data")
    assert container.write_file(file) == HEADER + bytes((0x81, 0, 64, 0, 3)) + b"\x92\x47\x40data"


def test_explicit_length_and_trailing_bytes():
    data = HEADER + bytes((8, 8, 2, 1)) + b"sXYrest"
    assert container.read_file(data).payload == b"XY"


def test_extensions_are_skipped():
    block = bytes((9, 2)) + b"ab" + bytes((1, 0))
    data = b"BPG\xfb\x20\x08" + bytes((8, 8, 0, len(block))) + block + bytes((1,)) + b"sXY"
    file = container.read_file(data)
    assert (file.sps, file.payload) == (b"s", b"XY")


def test_animation_needs_its_extension():
    rest = bytes((1,)) + b"sXY"
    block = bytes((5, 1, 0))
    assert container.read_file(b"BPG\xfb\x20\x09" + bytes((8, 8, 0, len(block))) + block + rest).payload == b"XY"
    with pytest.raises(BitstreamError, match="animation"):
        container.read_file(b"BPG\xfb\x20\x09" + bytes((8, 8, 0, 0)) + rest)
    with pytest.raises(BitstreamError, match="animation"):
        container.read_file(b"BPG\xfb\x20\x01" + bytes((8, 8, 0)) + rest)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BPG",
        b"PNG\xfb\x20\x00",
        HEADER,
        b"BPG\xfb\xe0\x00" + bytes((8, 8, 0, 1)) + b"sX",
        b"BPG\xfb\x27\x00" + bytes((8, 8, 0, 1)) + b"sX",
        b"BPG\xfb\x20\x50" + bytes((8, 8, 0, 1)) + b"sX",
        b"BPG\xfb\x00\x10" + bytes((8, 8, 0, 1)) + b"sX",
        HEADER + bytes((0, 8, 0, 1)) + b"sX",
        HEADER + bytes((8, 0, 0, 1)) + b"sX",
        HEADER + bytes((0x80, 8, 8, 0, 1)) + b"sX",
        HEADER + _number(1 << 30) + bytes((1, 0, 1)) + b"sX",
        HEADER + b"\xff" * 1000,
        HEADER + _number(images.MAX_PIXELS) + bytes((2, 0, 1)) + b"sX",
        HEADER + bytes((8, 8, 3, 1)) + b"sXY",
        HEADER + bytes((8, 8, 0, 9)) + b"sX",
        HEADER + bytes((8, 8, 0, 1)) + b"s",
        b"BPG\xfb\x20\x08" + bytes((8, 8, 0, 3, 9, 2, 0, 1)) + b"sX",
    ],
    ids=range(18),
)
def test_malformed_headers(data):
    with pytest.raises(BitstreamError):
        container.read_file(data)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_file_or_an_error(tail):
    try:
        file = container.read_file(b"BPG\xfb" + tail)
    except BitstreamError:
        return
    assert 0 < file.header.width * file.header.height <= images.MAX_PIXELS and file.payload
