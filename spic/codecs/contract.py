"""What every codec promises, as checks: the tests run them on the built-in codecs, `spic codec test` on any other.

A check takes a codec and returns nothing, or raises `AssertionError` with one sentence about what does not hold. Its
docstring is what it checks.
"""

import inspect
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from spic.codecs.base import Codec, at_most
from spic.errors import BitstreamError, ConfigError, DataError

SIDES = ((1, 1), (3, 5), (31, 17), (32, 64))
_WRONG = {  # none of them is an image
    "float numbers": np.zeros((8, 8, 3)),
    "booleans": np.zeros((8, 8), bool),
    "one dimension": np.zeros(8, np.uint8),
    "two channels": np.zeros((8, 8, 2), np.uint8),
    "no pixels": np.zeros((0, 4, 3), np.uint8),
    "None": None,
}


def check_codec(codec: Codec) -> Iterator[tuple[str, str]]:
    """Run all checks on a codec.

    Parameters
    ----------
    codec : Codec
        Of any package. It codes images of at most 32x64 pixels.

    Yields
    ------
    (str, str)
        What was checked, and what does not hold; the latter is empty where all is well. An exception that a codec
        must not raise counts as something that does not hold.
    """
    for check in CHECKS:
        try:
            check(codec)
            problem = ""
        except AssertionError as error:
            problem = str(error)
        except Exception as error:  # whatever another package's code raises
            problem = f"{type(error).__name__}: {error}"
        yield check.__doc__.rstrip("."), " ".join(problem.split())


def _attributes(codec):
    """Name, kind, extension, setting of the rate and versions are said."""
    assert isinstance(codec, Codec), "not a subclass of spic.codecs.Codec"
    for name in ("name", "kind", "extension"):
        assert isinstance(getattr(codec, name, None), str), f"{name} is no text"
    assert re.fullmatch(r"[\w.-]+", codec.name), f"name {codec.name!r} is no word"
    assert codec.kind in ("label", "picture", "both"), f"kind {codec.kind!r} is none of label, picture, both"
    assert codec.extension.isalnum(), f"extension {codec.extension!r}: letters and digits, without the dot"
    keywords = inspect.signature(codec.encode).parameters
    if codec.quality_name is None:
        assert codec.quality_range is None, "quality_range without quality_name"
    else:
        assert codec.quality_name in keywords, f"encode has no keyword {codec.quality_name}"
        default = keywords[codec.quality_name].default
        assert default is not inspect.Parameter.empty, f"{codec.quality_name} of encode has no default"
    versions = codec.versions()
    words = isinstance(versions, dict) and all(isinstance(word, str) for pair in versions.items() for word in pair)
    assert words, "versions() is not {name: version}, all text"


def _round_trip(codec):
    """What is decoded has the shape that was coded, and without a quality the same values."""
    for image in _images(codec):
        data = _encode(codec, image)
        assert isinstance(data, bytes), f"encode gives {type(data).__name__}, not bytes"
        decoded = codec.decode(data)
        assert isinstance(decoded, np.ndarray) and decoded.dtype == np.uint8, "decode gives no uint8 array"
        assert decoded.shape == image.shape, f"{image.shape} comes back as {decoded.shape}"
        if codec.quality_name is None:
            assert np.array_equal(decoded, image), f"an array of {image.shape} comes back with other values"


def _same_again(codec):
    """The same array gives the same bytes, however it lies in memory and on two threads at a time."""
    images = [_image(codec, *SIDES[-1], seed) for seed in (0, 1)]
    alone = [_encode(codec, image) for image in images]
    assert alone == [_encode(codec, image) for image in images], "the second time the bytes are others"
    assert alone[0] == _encode(codec, np.asfortranarray(images[0])), "an array in Fortran's order gives other bytes"
    with ThreadPoolExecutor(2) as pool:
        assert alone * 2 == list(pool.map(partial(_encode, codec), images * 2)), "on two threads the bytes are others"


def _array_is_kept(codec):
    """The array that is coded stays as it is, and a read-only one will do."""
    image = _image(codec, *SIDES[-1])
    before = image.copy()
    image.setflags(write=False)
    codec.decode(_encode(codec, image))
    assert np.array_equal(image, before), "encode changes its array"


def _quality(codec):
    """The setting of the rate changes the rate, and values outside its range are refused."""
    if codec.quality_name is None or codec.quality_range is None:
        return
    (low, high, step), name = codec.quality_range, codec.quality_name
    assert 0 <= step <= high - low, f"quality_range {codec.quality_range} is not (lowest, highest, step)"
    image = _image(codec, *SIDES[-1])
    least = max(low, 8) if name == "bpp" else low  # a few bits per pixel have no room for headers
    sizes = [len(codec.encode(image, **{name: value})) for value in (least, high)]
    assert sizes[0] != sizes[1], f"{name} {least} and {name} {high} give {sizes[0]} bytes each"
    for value in (low - 1e-6, high + 1e-6, float("nan"), "1", True):
        _refuses(ConfigError, f"{name}={value!r}", codec.encode, image, **{name: value})


def _wrong_arrays(codec):
    """Arrays that are no images are refused."""
    for what, array in _WRONG.items():
        _refuses(DataError, what, codec.encode, array)


def _damage(codec):
    """Of cut, damaged and foreign bytes nothing comes but an array or a BitstreamError."""
    data = _encode(codec, _image(codec, *SIDES[2]))
    for what, nothing in (("no bytes", b""), ("None", None), ("text", "text"), ("zeros", bytes(64))):
        _refuses(BitstreamError, what, codec.decode, nothing)
    _refuses(BitstreamError, "half a file", codec.decode, data[: len(data) // 2])
    for place in range(0, len(data), max(1, len(data) // 40)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        for bytes_ in (bytes(damaged), data[:place]):
            try:
                with at_most(1 << 16):
                    decoded = codec.decode(bytes_)
            except BitstreamError:
                continue
            assert isinstance(decoded, np.ndarray) and decoded.dtype == np.uint8, "damage gives no uint8 array"


def _limit(codec):
    """More pixels than `spic.codecs.base.at_most` allows are refused; `check_size` does that."""
    data = _encode(codec, _image(codec, *SIDES[-1]))
    with at_most(SIDES[-1][0] * SIDES[-1][1]):
        codec.decode(data)
    with at_most(100):
        _refuses(BitstreamError, "a file of more pixels than at_most allows", codec.decode, data)


CHECKS = (_attributes, _round_trip, _same_again, _array_is_kept, _quality, _wrong_arrays, _damage, _limit)


def _refuses(kind: type, what: str, call, *arguments, **settings) -> None:
    try:
        call(*arguments, **settings)
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__} ({error}), expected {kind.__name__}") from None
    raise AssertionError(f"{what}: taken, expected {kind.__name__}")


def _encode(codec, image: np.ndarray) -> bytes:
    """As by default; a codec that is told its rate gets the highest, since few bits have no room for headers."""
    return codec.encode(image, **({"bpp": codec.quality_range[1]} if codec.quality_name == "bpp" else {}))


def _images(codec) -> Iterator[np.ndarray]:
    for height, width in SIDES[2:] if codec.quality_name == "bpp" else SIDES:
        if codec.takes("label"):
            yield _image(codec, height, width)
        if codec.takes("picture"):
            yield _image(codec, height, width, picture=True)


def _image(codec, height: int, width: int, seed: int = 0, picture: bool | None = None) -> np.ndarray:
    """Blocks and a little noise, as label map of 11 classes or as an image."""
    random = np.random.default_rng(seed)
    picture = codec.takes("picture") if picture is None else picture
    shape = (-(-height // 8), -(-width // 8), 3) if picture else (-(-height // 8), -(-width // 8))
    blocks = random.integers(0, 200 if picture else 11, shape, np.uint8).repeat(8, 0).repeat(8, 1)[:height, :width]
    return blocks + random.integers(0, 50, blocks.shape, np.uint8) if picture else np.ascontiguousarray(blocks)
