"""Methods that make channel symbols by themselves, as learned joint source-channel codes (DeepJSCC) do.

Such a method has no bits and no rate in bits per pixel: its points are SNRs, its cost is its number of complex symbols.
It joins by an entry point of the group `spic.methods` and stands beside the others in channel.csv (docs/channel.md).
"""

import struct
import zlib
from abc import abstractmethod

import numpy as np

from spic.benchmark.method import Method
from spic.channel.channel import gain_of, generator
from spic.errors import BitstreamError, DataError

_HEAD = struct.Struct(">ddd")  # SNR in dB, real and imaginary part of the gain


class SymbolMethod(Method):
    """An image to complex symbols and back; the channel between the two is ours.

    A subclass has `to_symbols` and `from_symbols`. What the workflow keeps as coded files are received symbols.

    Attributes
    ----------
    fading : str
        "none", or "rayleigh": one gain per image, which the receiver knows and divides by.
    """

    parameter = "snr_db"
    has_rate = False
    fading = "none"

    @abstractmethod
    def to_symbols(self, pixels: np.ndarray, snr_db: float) -> np.ndarray:
        """Complex (S,) of an image, uint8 (H, W, 3). Their mean power is brought to 1 before they are sent."""

    @abstractmethod
    def from_symbols(self, symbols: np.ndarray, snr_db: float) -> np.ndarray:
        """Image, uint8 (H, W, 3), from the received symbols, complex64 (S,); `snr_db` is that of their noise."""

    def codecs(self):
        return {}

    def extension(self, part):
        return "symbols"

    def sizes(self, parts):
        return {}

    def channel_uses(self, parts: dict[str, bytes]) -> int:
        """Number of symbols of an image."""
        return (len(parts["picture"]) - _HEAD.size) // 8

    def encode(self, picture, value):
        symbols = np.asarray(self.to_symbols(picture.pixels, float(value)), np.complex128)
        power = np.mean(np.abs(symbols) ** 2) if symbols.ndim == 1 and symbols.size else np.nan
        if not np.isfinite(power) or power == 0:
            raise DataError(f"method {type(self).__name__}: its symbols are no finite numbers (S,), or have no power")
        rng = generator(self.settings.seed, message=zlib.crc32(picture.pixels.tobytes()))
        gain = gain_of(rng) if self.fading == "rayleigh" else 1.0 + 0.0j
        noise = rng.standard_normal((2, symbols.size)) * np.sqrt(10 ** (-float(value) / 10) / 2)
        received = (gain * symbols / np.sqrt(power) + noise[0] + 1j * noise[1]) / gain
        return {"picture": _HEAD.pack(value, gain.real, gain.imag) + received.astype(np.complex64).tobytes()}

    def decode(self, parts, names):
        return [self._decode(part["picture"]) for part in parts]

    def _decode(self, data: bytes) -> np.ndarray:
        if len(data) <= _HEAD.size or (len(data) - _HEAD.size) % 8:
            raise BitstreamError("not received symbols")
        snr_db, *gain = _HEAD.unpack_from(data)
        power = 20 * np.log10(abs(complex(*gain)))
        return self.from_symbols(np.frombuffer(data, np.complex64, offset=_HEAD.size), snr_db + power)
