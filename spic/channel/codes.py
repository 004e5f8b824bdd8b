"""Codes and modulations: how the bits of a packet become complex symbols, and how they are read again from noisy ones.

A packet is one word of a 5G-NR LDPC code with rate matching (3GPP TS 38.212), mapped to BPSK or Gray-labelled QAM of
unit power. The receiver knows gain and noise power; it computes exact bitwise likelihoods and decodes by belief
propagation with 20 iterations. Code, mapping and demapping are those of Sionna (Hoydis et al., "Sionna: An Open-Source
Library for Next-Generation Physical Layer Research", 2022), the extra `[channel]`, which loads when the first word is
sent.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property

import numpy as np

from spic.channel.packets import payload_bytes
from spic.errors import ConfigError
from spic.plugins import install

MODULATIONS = {"bpsk": 1, "qpsk": 2, "16qam": 4, "64qam": 6}  # bits of a symbol
ITERATIONS = 20
PACKET_BYTES = 128
_BATCH = 250  # words that are decoded at once


@dataclass(frozen=True)
class Code:
    """Modulation and code rate of a packet.

    Attributes
    ----------
    modulation : str
        A key of `MODULATIONS`.
    rate : fractions.Fraction
        Information bits per coded bit, 1/5 to 19/20, or 1 for no code; a text as "1/2" or a number is converted.
    packet_bytes : int
        Bytes of a packet with header and CRC: k of the code is 8 times that.

    Raises
    ------
    ConfigError
        A value that the code can not have.
    """

    modulation: str = "qpsk"
    rate: Fraction | str | float = Fraction(1, 2)
    packet_bytes: int = PACKET_BYTES

    def __post_init__(self):
        if self.modulation not in MODULATIONS:
            raise ConfigError(f"modulation {self.modulation!r}: expected {', '.join(MODULATIONS)}")
        object.__setattr__(self, "rate", as_rate(self.rate))
        payload_bytes(self.packet_bytes)
        if self.rate != 1 and not 12 <= 8 * self.packet_bytes <= 8448:
            raise ConfigError(f"packet_bytes {self.packet_bytes}: the LDPC code takes at most 1056")

    @property
    def name(self) -> str:
        """For readers and files: "qpsk 1/2"."""
        return f"{self.modulation} {self.rate}"

    @property
    def k(self) -> int:
        """Bits of a packet."""
        return 8 * self.packet_bytes

    @property
    def symbols(self) -> int:
        """Complex channel uses of a packet."""
        return -(-Fraction(self.k) / self.rate // MODULATIONS[self.modulation])

    @property
    def n(self) -> int:
        """Coded bits of a packet: k / rate, rounded up to whole symbols."""
        return self.symbols * MODULATIONS[self.modulation]

    @cached_property
    def efficiency(self) -> float:
        """Bits of a packet per complex channel use."""
        return self.k / self.symbols

    def send(self, packets: np.ndarray, snr_db: float, gains: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Send packets and decide what was sent.

        Parameters
        ----------
        packets : numpy.ndarray
            uint8 (W, packet_bytes).
        snr_db : float
            Mean Es/N0 in dB: power of a symbol over the power of the complex noise.
        gains : numpy.ndarray
            complex (W,), the channel's gain during each packet, which the receiver knows; 1 is none.
        rng : numpy.random.Generator
            Draws the noise.

        Returns
        -------
        numpy.ndarray
            uint8 (W, packet_bytes), possibly with wrong bits.

        Raises
        ------
        ConfigError
            Sionna is not installed.
        """
        modem, found = _modem(self), []
        for start in range(0, len(packets), _BATCH):
            batch, gain = packets[start : start + _BATCH], gains[start : start + _BATCH, None]
            bits = np.unpackbits(batch, axis=1)
            symbols = modem.modulate(bits)
            noise_power = 10 ** (-snr_db / 10)
            noise = rng.standard_normal((2, *symbols.shape)) * np.sqrt(noise_power / 2)
            received = (gain * symbols + noise[0] + 1j * noise[1]) / gain
            found.append(modem.decide(received, noise_power / np.abs(gain) ** 2))
        return np.packbits(np.concatenate(found), axis=1)


def as_rate(value) -> Fraction:
    """A code rate from a text as "1/2" or a number; `ConfigError` unless the code can have it."""
    try:
        rate = Fraction(value).limit_denominator(1000)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        rate = Fraction(0)
    if isinstance(value, bool) or not (Fraction(1, 5) <= rate <= Fraction(19, 20) or rate == 1):
        raise ConfigError(f"code rate {value!r}: expected 1/5 to 19/20, or 1 for no code")
    return rate


class _Modem:
    """Sionna's blocks for one code."""

    def __init__(self, code: Code):
        try:
            from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
            from sionna.phy.mapping import Demapper, Mapper
        except ImportError:
            raise ConfigError(f"a noisy channel needs Sionna: {install('channel')}") from None
        order, coded = MODULATIONS[code.modulation], code.rate != 1
        self.pad = 0 if coded else code.n - code.k
        kind = "pam" if order == 1 else "qam"
        self.map = Mapper(kind, order, device="cpu")
        self.demap = Demapper("app", kind, order, hard_out=not coded, device="cpu")
        self.encode = LDPC5GEncoder(code.k, code.n, num_bits_per_symbol=order, device="cpu") if coded else None
        self.decode = LDPC5GDecoder(self.encode, num_iter=ITERATIONS, device="cpu") if coded else None

    def modulate(self, bits: np.ndarray) -> np.ndarray:
        """Complex symbols (W, S) of bits (W, k)."""
        import torch

        bits = torch.from_numpy(np.pad(bits, ((0, 0), (0, self.pad))).astype(np.float32))
        return self.map(self.encode(bits) if self.encode else bits).numpy()

    def decide(self, symbols: np.ndarray, noise_power: np.ndarray) -> np.ndarray:
        """Bits uint8 (W, k) of received symbols (W, S), whose noise has the powers (W, 1)."""
        import torch

        symbols = torch.from_numpy(symbols.astype(np.complex64))
        power = torch.from_numpy(np.broadcast_to(noise_power, symbols.shape).astype(np.float32))
        bits = self.demap(symbols, power)
        bits = self.decode(bits) if self.decode else bits[:, : bits.shape[1] - self.pad]
        return bits.numpy().astype(np.uint8)


@cache
def _modem(code: Code) -> _Modem:
    return _Modem(code)
