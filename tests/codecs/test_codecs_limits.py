"""How large an image a codec takes: what it codes it decodes, and what it can not decode it does not code."""

import av
import numpy as np
import pytest

from spic.codecs import codec_names, get_codec
from spic.codecs.base import at_most, check_array, check_size
from spic.codecs.bpg import hevc
from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures.limits import MAX_PIXELS
from spic.pictures.reading import read_picture

LIMITED = [name for name in codec_names() if get_codec(name).max_side]


def plain(codec, height, width) -> np.ndarray:
    return np.zeros((height, width) if codec.kind == "label" else (height, width, 3), np.uint8)


def test_the_limits_of_the_formats():
    limits = {name: get_codec(name).max_side for name in LIMITED}
    jpegxl, webp = {"jpegxl": 1 << 18, "jpegxl-lossless": 1 << 18}, {"webp": 16383, "webp-lossless": 16383}
    assert limits == {"avif": 32768, "bpg": 131056, "jpeg": 65500, **jpegxl, **webp}


@pytest.mark.parametrize("name", LIMITED)
def test_the_longest_side_comes_back_and_the_next_is_refused(name):
    codec = get_codec(name)
    longest = plain(codec, 1, codec.max_side)
    assert codec.decode(codec.encode(longest)).shape[:2] == longest.shape[:2]
    for shape in ((1, codec.max_side + 1), (codec.max_side + 1, 1)):
        with pytest.raises(DataError, match=f"{shape[1]}x{shape[0]} pixels: {name} takes sides of at most") as caught:
            codec.encode(plain(codec, *shape))
        assert len(str(caught.value)) < 100


@pytest.mark.parametrize("name", ["flif", "jpeg2000", "labelmap-plain", "png"])
def test_the_others_take_any_strip(name):
    codec = get_codec(name)
    strip = plain(codec, 70000, 1)
    options = {"bpp": 24} if name == "jpeg2000" else {}
    assert np.array_equal(codec.decode(codec.encode(strip, **options)), strip)


@pytest.mark.parametrize("size", [(1, 4209), (8, 4224), (16, 4224), (24, 8000), (16384, 16), (70000, 9)])
def test_bpg_strips_beyond_the_levels_of_hevc(size):
    stripes = np.zeros((*size, 3), np.uint8)
    stripes[::64] = stripes[:, ::64] = 200
    decoded = get_codec("bpg").decode(get_codec("bpg").encode(stripes, qp=10))
    assert decoded.shape == stripes.shape and np.abs(decoded.astype(int) - stripes).mean() < 5


def test_x265_says_no_in_one_short_line():
    frame = av.VideoFrame(64, 64, "yuv420p")
    with pytest.raises(ConfigError, match="libx265 cannot code 64x64") as caught:
        hevc.run_x265(frame, {"qp": 20, "min-cu-size": 7, "log-level": "none"})
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_more_than_16_megapixels_come_back_by_default(name):
    codec = get_codec(name)
    image = plain(codec, 4097, 4096)
    assert codec.decode(codec.encode(image)).shape == image.shape


def test_the_limit_itself():
    assert check_size(8192, 8192, "X") is None and MAX_PIXELS == 8192 * 8192
    with pytest.raises(BitstreamError, match=r"8193x8192 pixels are out of range \(max_pixels is 67108864\)"):
        check_size(8193, 8192, "X")
    with at_most(1 << 40), pytest.raises(BitstreamError, match="67108864"):
        check_size(8193, 8192, "X")
    with pytest.raises(DataError, match="cannot code 8193x8192 pixels"):
        check_array(np.broadcast_to(np.uint8(0), (8192, 8193, 3)), (3,))


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", ["jpeg", "webp", "jpeg2000", "jpegxl", "bpg", "avif", "png"])
def test_a_photograph_of_24_megapixels(name, shared):
    photo = read_picture(shared / "cases" / "photo24mp.jpg")
    codec = get_codec(name)
    decoded = codec.decode(codec.encode(photo))
    assert decoded.shape == photo.shape == (4000, 6000, 3)
    assert np.abs(decoded[::7, ::7].astype(int) - photo[::7, ::7]).mean() < 6
