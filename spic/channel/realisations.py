"""How often the messages of an image arrive: realisations of a channel, drawn from block error rates.

No word is sent here. A message arrives where all its packets do, so that one number drawn per message and realisation
decides about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spic.channel.channel import gain_of, generator
from spic.channel.codes import PACKET_BYTES, Code, as_rate
from spic.channel.losses import block_errors
from spic.channel.packets import count_packets


@dataclass(frozen=True)
class Scheme:
    """A modulation, and the code rate of each message: a mapping, or one rate for all of them."""

    modulation: str
    rate: object
    packet_bytes: int = PACKET_BYTES

    def codes(self, messages: Iterable[str]) -> dict[str, Code] | None:
        """The code of each message; None where the scheme names no rate for one of them."""
        rates = self.rate if isinstance(self.rate, dict) else dict.fromkeys(messages, self.rate)
        if not set(messages) <= set(rates):
            return None
        return {name: Code(self.modulation, rates[name], self.packet_bytes) for name in messages}

    def spelled(self, messages: Iterable[str]) -> str:
        """The rates as the tables have them: "1/2", or "ssm 1/3, coarse 1/2"."""
        if isinstance(self.rate, dict):
            return ", ".join(f"{name} {as_rate(self.rate[name])}" for name in messages)
        return str(as_rate(self.rate))


def schemes(channel: dict) -> list[Scheme]:
    """All modulations with all code rates of a config's `channel`."""
    size = channel["packet_bytes"]
    return [Scheme(modulation, rate, size) for modulation in channel["modulation"] for rate in channel["code_rate"]]


class Realisations:
    """Draws of a channel for the images of a set: the same for each point, code and SNR, so that these compare.

    Parameters
    ----------
    names : sequence of str
        The images, N; a realisation of an image depends on its name, the seed and its own number alone.
    channel : dict
        `fading`, `realisations` (R) and `seed` of the config's `channel`.

    Attributes
    ----------
    gain_db : numpy.ndarray
        float64 (N, R): power of the channel's gain, 0 dB without fading.
    """

    def __init__(self, names, channel: dict):
        self.count, self._seed = channel["realisations"], channel["seed"]
        self._names, self._drawn = list(map(str, names)), {}
        self.gain_db = np.zeros((len(self._names), self.count))
        if channel["fading"] == "rayleigh":
            gains = [[gain_of(rng) for rng in self._generators(name)] for name in self._names]
            self.gain_db = 20 * np.log10(np.abs(gains))

    def arrive(self, sizes: dict[str, np.ndarray], codes: dict[str, Code], snr_db: float) -> dict[str, np.ndarray]:
        """Which messages arrive, {message: bool (N, R)}: all of a message's packets must."""
        found = {}
        for number, (name, size) in enumerate(sizes.items()):
            packets = np.array([count_packets(int(one), codes[name].packet_bytes) for one in size])
            chance = (1 - block_errors(codes[name]).at(snr_db + self.gain_db)) ** packets[:, None]
            found[name] = self._uniform(number) < chance
        return found

    def _uniform(self, message: int) -> np.ndarray:
        if message not in self._drawn:
            rows = [[rng.random() for rng in self._generators(name, 1 + message)] for name in self._names]
            self._drawn[message] = np.array(rows)
        return self._drawn[message]

    def _generators(self, name: str, message: int = 0):
        return (generator(self._seed, name, realisation, message) for realisation in range(self.count))


def channel_uses(sizes: dict[str, np.ndarray], codes: dict[str, Code]) -> np.ndarray:
    """Complex channel uses of each image, int64 (N,)."""
    total = 0
    for name, size in sizes.items():
        packets = [count_packets(int(one), codes[name].packet_bytes) for one in size]
        total = total + np.array(packets) * codes[name].symbols
    return total


def shares(arrived: dict[str, np.ndarray], patterns: list[tuple[str, ...]]) -> np.ndarray:
    """How often each pattern occurs for each image, float64 (P + 1, N); the last row is the rest: lost images."""
    names = list(arrived)
    came = np.stack([arrived[name] for name in names])
    rows = [(came == np.isin(names, pattern)[:, None, None]).all(axis=0).mean(axis=1) for pattern in patterns]
    rest = 1 - np.sum(rows, axis=0)
    return np.stack([*rows, np.where(rest < 1e-12, 0.0, rest)])
