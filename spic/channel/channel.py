"""Channels as functions of bytes: what is sent, what arrives, and how often the channel is used for it."""

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spic.channel.codes import PACKET_BYTES, Code
from spic.channel.packets import arrived, join, split
from spic.errors import ConfigError

FADINGS = ("none", "rayleigh")


@dataclass(frozen=True)
class Received:
    """What came out of a channel.

    Attributes
    ----------
    packets : list of bytes or None
        Each packet as it was sent, None where its CRC told that it is damaged: it is lost.
    data : bytes or None
        The message; None unless all packets arrived.
    uses : int
        How often the channel was used: complex symbols, or bits of a binary channel.
    """

    packets: list[bytes | None]
    data: bytes | None
    uses: int

    @property
    def lost(self) -> int:
        """Number of packets that are lost."""
        return sum(packet is None for packet in self.packets)


@dataclass(frozen=True)
class Channel:
    """White Gaussian noise, after flat fading or none, behind a code and a modulation.

    Parameters
    ----------
    snr_db : float
        Es/N0 in dB: mean power of a symbol over the power of the complex noise, averaged over fading.
    modulation : str
        "bpsk", "qpsk", "16qam" or "64qam".
    code_rate : str, fractions.Fraction or float
        "1/2" and so on, from 1/5 to 19/20; 1 sends without a code.
    fading : str
        "none", or "rayleigh": one complex Gaussian gain per message (slow, flat), which the receiver knows.
    packet_bytes : int
        Bytes of a packet, of which 8 are its header and CRC.
    seed : int
        With `image` and `realisation` it fixes gain and noise.

    Raises
    ------
    ConfigError
        A value is out of range; when called: Sionna, the extra `[channel]`, is not installed.
    DataError
        When called: there is nothing to send, or too much.

    Examples
    --------
    >>> Channel(snr_db=3, modulation="qpsk", code_rate="1/2")(data).data == data
    """

    snr_db: float
    modulation: str = "qpsk"
    code_rate: object = "1/2"
    fading: str = "none"
    packet_bytes: int = PACKET_BYTES
    seed: int = 0

    def __post_init__(self):
        if self.fading not in FADINGS:
            raise ConfigError(f"fading {self.fading!r}: expected {' or '.join(FADINGS)}")
        if not np.isfinite(self.snr_db) or abs(self.snr_db) > 100:
            raise ConfigError(f"SNR {self.snr_db} dB: expected -100 to 100")
        _ = self.code

    @cached_property
    def code(self) -> Code:
        """Modulation, code rate and packet size."""
        return Code(self.modulation, self.code_rate, self.packet_bytes)

    def __call__(self, data: bytes, image: str = "", realisation: int = 0, message: int = 0) -> Received:
        """Send a message.

        All messages of one image and realisation meet the same gain, each has noise of its own.
        """
        sent = split(data, self.packet_bytes)
        gain = gain_of(generator(self.seed, image, realisation)) if self.fading == "rayleigh" else 1.0
        noise = generator(self.seed, image, realisation, 1 + message)
        found = self.code.send(sent, self.snr_db, np.full(len(sent), gain), noise)
        return _received(sent, found, len(sent) * self.code.symbols)


@dataclass(frozen=True)
class _Binary:
    """A channel that meets each bit of uncoded packets with some probability."""

    probability: float
    packet_bytes: int = PACKET_BYTES
    seed: int = 0

    def __post_init__(self):
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"probability {self.probability}: expected 0 to 1")

    def _met(self, sent: np.ndarray, image: str, realisation: int, message: int) -> np.ndarray:
        """Which bits of the packets are met: bool (packets, bits)."""
        rng = generator(self.seed, image, realisation, 1 + message)
        return rng.random((len(sent), 8 * self.packet_bytes)) < self.probability


class BinaryErasure(_Binary):
    """Each bit is erased with some probability; without a code a packet is lost with any of its bits."""

    def __call__(self, data: bytes, image: str = "", realisation: int = 0, message: int = 0) -> Received:
        """Send a message."""
        sent = split(data, self.packet_bytes)
        whole = ~self._met(sent, image, realisation, message).any(axis=1)
        return Received(_packets(sent, whole), join(sent[whole]), 8 * sent.size)


class BinarySymmetric(_Binary):
    """Each bit is flipped with some probability; the CRC tells packets with wrong bits from others."""

    def __call__(self, data: bytes, image: str = "", realisation: int = 0, message: int = 0) -> Received:
        """Send a message."""
        sent = split(data, self.packet_bytes)
        flips = self._met(sent, image, realisation, message)
        return _received(sent, sent ^ np.packbits(flips, axis=1), 8 * sent.size)


def generator(seed: int, image: str = "", realisation: int = 0, message: int = 0) -> np.random.Generator:
    """The one source of random numbers for a realisation of an image's transmission, whatever process asks for it."""
    return np.random.default_rng([seed, zlib.crc32(image.encode("utf-8", "surrogateescape")), realisation, message])


def gain_of(rng: np.random.Generator) -> complex:
    """A gain of Rayleigh fading of mean power 1, the generator's first two numbers."""
    real, imaginary = rng.standard_normal(2) / np.sqrt(2)
    return complex(real, imaginary)


def _received(sent: np.ndarray, found: np.ndarray, uses: int) -> Received:
    return Received(_packets(found, arrived(found)), join(found), uses)


def _packets(found: np.ndarray, whole: np.ndarray) -> list[bytes | None]:
    return [bytes(packet) if known else None for packet, known in zip(found, whole, strict=True)]
