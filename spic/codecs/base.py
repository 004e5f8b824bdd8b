"""The interface of all codecs, and the checks they share."""

import numbers
from abc import ABC, abstractmethod
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures.limits import MAX_PIXELS

_limit = ContextVar("max_pixels", default=MAX_PIXELS)  # what coded bytes may claim


class Codec(ABC):
    """One way to turn an array into bytes and back.

    A codec has no state between calls; the same array and quality give the same bytes, whatever the number of threads.

    Attributes
    ----------
    name : str
        Its name in `get_codec`.
    kind : str
        "label": lossless, uint8 (H, W); "picture": uint8 (H, W, C); "both".
    extension : str
        Usual file extension, without the dot.
    quality_name : str or None
        The keyword of `encode` that sets the rate ("qp", "bpp"), None for lossless codecs. "bpp" is the rate itself.
    quality_range : (number, number, number) or None
        Lowest value, highest value and step of that keyword; step 0 allows every number between. What looks for a
        rate (`spic compare`, `target_bpp`) searches it; None where there is no quality.
    max_side : int or None
        Most rows or columns that the codec takes; None where `spic.pictures.limits.MAX_PIXELS` alone is the limit.
    """

    name: str
    kind: str
    extension: str
    quality_name: str | None = None
    quality_range: tuple[float, float, float] | None = None
    max_side: int | None = None
    VERSION = 1  # of the codec's own code: raised whenever the same array and setting give other bytes or pixels

    def versions(self) -> dict[str, str]:
        """What bytes and pixels depend on beside array and setting: `VERSION`, libraries, programs, by name.

        The workflow codes and decodes again what another version of any of them made.
        """
        return {"code": str(self.VERSION)}

    @abstractmethod
    def encode(self, image: np.ndarray, **quality) -> bytes:
        """Code `image`; `DataError` for a wrong array, `ConfigError` for a wrong quality."""

    def encode_coarse(self, image: np.ndarray, **quality) -> bytes:
        """Code a coarse image, as `encode` does; a codec with a better setting for so few pixels takes it."""
        return self.encode(image, **quality)

    @abstractmethod
    def decode(self, data: bytes) -> np.ndarray:
        """Return the uint8 array that `data` codes; `BitstreamError` for anything that is not right."""

    def check_sides(self, height: int, width: int) -> None:
        """Raise `DataError` where a side is longer than the codec takes; called before anything is coded."""
        if self.max_side is not None and max(height, width) > self.max_side:
            raise DataError(f"{width}x{height} pixels: {self.name} takes sides of at most {self.max_side} pixels")

    def takes(self, kind: str) -> bool:
        """Tell whether the codec is for "label" maps or "picture"s."""
        return self.kind in (kind, "both")

    def check_quality(self, value):
        """Return `value` if it lies in `quality_range`; `ConfigError` otherwise."""
        return check_quality(self.quality_name, value, *self.quality_range[:2])


def check_array(image, channels: tuple[int, ...], labels: bool = False) -> np.ndarray:
    """Return `image` as a contiguous array if a codec can take it.

    Parameters
    ----------
    image : numpy.ndarray
        uint8, (H, W, C) with C in `channels`, or (H, W) where `labels` is true; at most `limits.MAX_PIXELS` pixels.
    channels : tuple of int
        Channel counts allowed.
    labels : bool
        Whether a label map is allowed.

    Raises
    ------
    DataError
        For any other type, shape or size.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise DataError(f"expected a uint8 array, got {getattr(image, 'dtype', type(image).__name__)}")
    if not ((image.ndim == 3 and image.shape[2] in channels) or (image.ndim == 2 and labels)):
        wanted = [f"(H, W, {count})" for count in channels] + ["(H, W)"] * labels
        raise DataError(f"expected shape {' or '.join(wanted)}, got {image.shape}")
    if not 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS:
        raise DataError(f"cannot code {image.shape[1]}x{image.shape[0]} pixels: expected 1 to {MAX_PIXELS}")
    return np.ascontiguousarray(image)


def check_bytes(data) -> bytes:
    """Return `data` as bytes; `BitstreamError` for what is not bytes at all."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise BitstreamError(f"expected bytes, got {type(data).__name__}")
    return bytes(data)


@contextmanager
def at_most(max_pixels: int):
    """Within this context decoders refuse, before they allocate, images of more pixels than `max_pixels`."""
    token = _limit.set(max_pixels)
    try:
        yield
    finally:
        _limit.reset(token)


def check_size(width: int, height: int, what: str) -> None:
    """Raise `BitstreamError` where a header claims no pixels, or more than `at_most` or `limits.MAX_PIXELS` allow."""
    most = min(_limit.get(), MAX_PIXELS)
    if not 0 < width * height <= most:
        raise BitstreamError(f"{what}: {width}x{height} pixels are out of range (max_pixels is {most})")


def check_quality(name: str, value, low: float, high: float):
    """Return `value` if it is a number from `low` to `high`; `ConfigError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not low <= value <= high:
        raise ConfigError(f"{name} must be a number from {low} to {high}, got {value!r}")
    return value
