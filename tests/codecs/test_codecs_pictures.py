"""JPEG, WebP, AVIF and JPEG XL: rate follows quality, files are the format's own, one error for everything else."""

import io

import numpy as np
import pytest
from PIL import Image

from spic.codecs import get_codec
from spic.codecs.base import at_most
from spic.errors import BitstreamError, ConfigError, DataError

QUALITIES = {"jpeg": (10, 50, 95), "webp": (0, 50, 100), "avif": (10, 50, 95), "jpegxl": (20, 4, 0.5)}
PILLOW = {"jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF", "webp-lossless": "WEBP"}
NAMES = list(QUALITIES)


@pytest.fixture(scope="module")
def picture(tiny_scenes):
    return tiny_scenes(1, (48, 72)).picture(0)


@pytest.fixture(scope="module")
def labels(tiny_scenes):
    return tiny_scenes(1, (48, 72)).labels(0)


def _set(name, value):
    return {get_codec(name).quality_name: value}


def _error(a, b):
    return np.sqrt(np.square(a.astype(float) - b).mean())


def _read(data):
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("name", NAMES)
def test_more_bytes_for_a_better_picture(name, picture):
    codec = get_codec(name)
    coded = [codec.encode(picture, **_set(name, value)) for value in QUALITIES[name]]
    assert coded == [codec.encode(picture, **_set(name, value)) for value in QUALITIES[name]]
    decoded = [codec.decode(data) for data in coded]
    assert all(result.shape == picture.shape and result.dtype == np.uint8 for result in decoded)
    sizes, errors = [len(data) for data in coded], [_error(result, picture) for result in decoded]
    assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True) and errors[-1] < 10


@pytest.mark.parametrize("name", [name for name in NAMES if name in PILLOW])
def test_other_software_reads_the_files_and_ours_theirs(name, picture):
    codec = get_codec(name)
    data = codec.encode(picture, **_set(name, 80))
    assert Image.open(io.BytesIO(data)).format == PILLOW[name]
    assert np.array_equal(_read(data), codec.decode(data))
    out = io.BytesIO()
    Image.fromarray(picture).save(out, PILLOW[name], quality=70)
    assert np.array_equal(_read(out.getvalue()), codec.decode(out.getvalue()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (17, 3)])
def test_odd_sizes(name, shape, picture):
    codec = get_codec(name)
    assert codec.decode(codec.encode(np.ascontiguousarray(picture[: shape[0], : shape[1]]))).shape == (*shape, 3)


def test_jpeg_takes_gray(picture):
    gray = np.ascontiguousarray(picture[..., :1])
    decoded = get_codec("jpeg").decode(get_codec("jpeg").encode(gray, quality=95))
    assert decoded.shape == gray.shape and _error(decoded, gray) < 4


def test_webp_without_loss(labels):
    codec = get_codec("webp-lossless")
    data = codec.encode(labels)
    assert np.array_equal(codec.decode(data), labels) and np.array_equal(_read(data)[..., 1], labels)
    assert len(data) < labels.size // 4


@pytest.mark.parametrize("name", NAMES)
def test_wrong_qualities(name, picture):
    for value in (-1, 101, "high", None, float("nan"), True):
        with pytest.raises(ConfigError, match=get_codec(name).quality_name):
            get_codec(name).encode(picture, **_set(name, value))


@pytest.mark.parametrize("name", [*NAMES, "webp-lossless"])
def test_wrong_arrays(name):
    for wrong in (np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8), None):
        with pytest.raises(DataError):
            get_codec(name).encode(wrong)


@pytest.mark.parametrize(("name", "side"), [("jpeg", 65501), ("webp", 16384), ("avif", 65536)])
def test_sides_beyond_the_format(name, side):
    with pytest.raises(DataError, match=f"{side}x1 pixels"):
        get_codec(name).encode(np.zeros((1, side, 3), np.uint8))


def _files(picture, labels):
    for name in NAMES:
        yield name, get_codec(name).encode(picture)
    yield "webp-lossless", get_codec("webp-lossless").encode(labels)


def test_cut_files_are_refused(picture, labels):
    for name, data in _files(picture, labels):
        for length in [*range(0, len(data) - 1, 7), len(data) - 1]:
            with pytest.raises(BitstreamError):
                get_codec(name).decode(data[:length])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_files_raise_nothing_else(picture, labels):
    rng = np.random.default_rng(0)
    for name, data in _files(picture, labels):
        codec = get_codec(name)
        for _ in range(120):
            damaged = bytearray(data)
            reach = len(data) if rng.random() < 0.5 else min(len(data), 300)
            for position in rng.integers(reach, size=3):
                damaged[position] = rng.integers(256)
            try:
                assert codec.decode(bytes(damaged)).dtype == np.uint8
            except BitstreamError:
                pass
        for garbage in (b"", b"nonsense" * 9, data[:16] + bytes(90), None, 3):
            with pytest.raises(BitstreamError):
                codec.decode(garbage)


def test_sizes_are_checked_before_the_pixels(picture, labels):
    for name, data in _files(picture, labels):
        with at_most(48 * 72 - 1), pytest.raises(BitstreamError, match="72x48 pixels are out of range"):
            get_codec(name).decode(data)


def _saved(array, kind, **options):
    out = io.BytesIO()
    first, *rest = [Image.fromarray(part) for part in (array if array.ndim == 4 else array[None])]
    first.save(out, kind, **options, **({"save_all": True, "append_images": rest} if rest else {}))
    return out.getvalue()


def test_other_kinds_are_refused(picture):
    alpha = np.dstack([picture, picture[..., 0]])
    both = np.stack([picture, picture[::-1]])
    cmyk = io.BytesIO()
    Image.fromarray(picture).convert("CMYK").save(cmyk, "JPEG")
    wrong = [
        ("jpeg", cmyk.getvalue()),
        ("webp", _saved(alpha, "WEBP")),
        ("webp", _saved(both, "WEBP")),
        ("webp", _saved(picture, "WEBP", lossless=True)),
        ("webp-lossless", _saved(picture, "WEBP")),
        ("webp-lossless", _saved(picture, "WEBP", lossless=True)),
        ("avif", _saved(alpha, "AVIF")),
        ("avif", _saved(both, "AVIF")),
        *((name, _saved(picture, "PNG")) for name in NAMES),
    ]
    for name, data in wrong:
        with pytest.raises(BitstreamError):
            get_codec(name).decode(data)


def test_a_jpeg_of_very_many_scans_is_refused(picture):
    progressive = _saved(picture, "JPEG", progressive=True)
    assert get_codec("jpeg").decode(progressive).shape == picture.shape
    at = progressive.rindex(b"\xff\xda")
    with pytest.raises(BitstreamError, match="scans"):
        get_codec("jpeg").decode(progressive[:at] + progressive[at:-2] * 40 + b"\xff\xd9")
