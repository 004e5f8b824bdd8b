"""The coarse images of a clip as one HEVC stream: exact frames, one by one, and nothing else accepted."""

import numpy as np
import pytest

from spic.codecs.bpg import params
from spic.errors import BitstreamError, ConfigError, DataError
from spic.video.hevc import COARSE, WHOLE, HevcDecoder, HevcEncoder


def moving(count=5, size=(32, 48)):
    """Images of a clip that moves to the left."""
    y, x = np.mgrid[: size[0], : size[1] + count]
    wide = np.stack([x * 255 // x.max(), y * 255 // y.max(), 128 + 60 * np.sin((x + y) / 5)], axis=2).astype(np.uint8)
    return [wide[:, i : i + size[1]] for i in range(count)]


def coded(images, qp=20, every=3):
    encoder = HevcEncoder(images[0].shape[:2], qp, every)
    return [encoder.encode(image) for image in images]


def kinds(data):
    return [nal[0] >> 1 for nal in params.split_nals(data)]


@pytest.mark.parametrize("size", [(32, 48), (17, 23), (8, 8), (64, 128)])
def test_frame_by_frame(size):
    images = moving(5, size)
    data = coded(images, qp=12)
    decoder, found = HevcDecoder(size), []
    for one in data:  # each comes at once
        found.append(decoder.decode(one))
    assert all(image.shape == (*size, 3) and image.dtype == np.uint8 for image in found)
    assert np.mean([abs(a.astype(int) - b).mean() for a, b in zip(images, found, strict=True)]) < 12
    assert [kinds(one)[0] == 32 for one in data] == [True, False, False, True, False]


def test_decoding_begins_where_a_picture_begins_anew():
    images = moving()
    data, whole = coded(images), HevcDecoder((32, 48))
    last = [whole.decode(one) for one in data][-1]
    decoder = HevcDecoder((32, 48))
    with pytest.raises(BitstreamError, match="not there"):
        decoder.decode(data[1])
    decoder.decode(data[3])
    np.testing.assert_array_equal(decoder.decode(data[4]), last)


def test_the_same_bytes_again_whatever_was_coded_before():
    from spic.codecs import get_codec

    first = coded(moving())
    get_codec("bpg").encode(moving(1)[0], qp=30)
    assert coded(moving()) == first


def test_predicted_pictures_are_smaller():
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    sizes = [len(one) for one in coded([image] * 3)]
    assert max(sizes[1:]) < 0.1 * sizes[0]


def test_refusals():
    data = coded(moving())
    for wrong, text in [
        (b"", "damaged NAL"),
        (b"\0\0\1\x40\x01", "damaged NAL"),
        (data[0] + data[1], "not one picture"),
        (data[0] + data[0], "not one picture"),
        (data[1] + data[2], "not one picture"),
        (data[0][:40], "HEVC: "),
        (data[1].replace(b"\0\0\1\x02", b"\0\0\1\x82"), "damaged NAL"),
    ]:
        with pytest.raises(BitstreamError, match=text):
            HevcDecoder((32, 48)).decode(wrong)


def test_another_size_is_refused():
    with pytest.raises(BitstreamError):
        HevcDecoder((32, 40)).decode(coded(moving())[0])


def test_any_damage_gives_an_image_or_an_error():
    data, rng = coded(moving()), np.random.default_rng(1)
    for _ in range(60):
        decoder = HevcDecoder((32, 48))
        for one in data[:3]:
            broken = bytearray(one)
            broken[rng.integers(len(broken))] ^= 1 << rng.integers(8)
            try:
                assert decoder.decode(bytes(broken)).shape == (32, 48, 3)
            except BitstreamError:
                break


def test_coarse_images_have_their_colour_in_full():
    """Colours that change from column to column are lost in whole images, at half of height and width."""
    image, errors = np.zeros((32, 48, 3), np.uint8), []
    image[:, ::2, 0], image[:, 1::2, 2] = 200, 200
    for parameters in (COARSE, WHOLE):
        data = HevcEncoder((32, 48), 5, 3, parameters).encode(image)
        errors.append(np.abs(HevcDecoder((32, 48), parameters).decode(data).astype(int) - image).mean())
    assert errors[0] < 2 and errors[1] > 40
    with pytest.raises(BitstreamError, match="decoded 48x32 yuv420p"):
        HevcDecoder((32, 48)).decode(data)


def test_wrong_settings_and_arrays():
    for qp in (-1, 52, 2.5, True, None):
        with pytest.raises(ConfigError):
            HevcEncoder((32, 48), qp, 3)
    encoder = HevcEncoder((32, 48), 30, 3)
    for wrong in (np.zeros((32, 40, 3), np.uint8), np.zeros((32, 48), np.uint8)):
        with pytest.raises(DataError):
            encoder.encode(wrong)
