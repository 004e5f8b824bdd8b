"""Block error rates: how often a packet is lost, measured once per code over the SNR.

measured.json holds what benchmarks/channel.py measured of the usual codes; `block_errors` measures others. On a flat
channel that the receiver knows, a packet with the gain h at the SNR s is lost as often as one without fading at
|h|^2 s, so that one curve per code serves every fading.
"""

import json
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from spic.channel.codes import PACKET_BYTES, Code
from spic.channel.packets import arrived, payload_bytes, split
from spic.errors import ConfigError
from spic.plugins import install

MEASURED = Path(__file__).with_name("measured.json")
STEP_DB = 0.25
WORDS = 2000  # most words per SNR; once a tenth of them is lost there is no need for more
_BATCH = 50
_BPSK_DB = 10 * math.log10(2)  # a bit of QPSK has half of the symbol's power in one of the two dimensions


@dataclass(frozen=True)
class BlockErrors:
    """Block error rate of a code over the SNR.

    Attributes
    ----------
    snr_db : numpy.ndarray
        float64 (S,), rising: Es/N0 without fading, in dB.
    rate : numpy.ndarray
        float64 (S,), share of packets that are lost; 1 below the first SNR, 0 above the last.
    """

    snr_db: np.ndarray
    rate: np.ndarray

    def at(self, snr_db) -> np.ndarray:
        """The rate at any SNR in dB, read on straight lines between what was measured."""
        return np.interp(snr_db, self.snr_db, self.rate, left=1.0, right=0.0)


@cache
def block_errors(code: Code) -> BlockErrors:
    """What was measured of a code; one that nobody measured is measured now, which takes a minute.

    Raises
    ------
    ConfigError
        The code is not in measured.json, and Sionna, which measures it, is not installed.
    """
    if code.rate == 1:
        return _uncoded(code)
    if code.modulation == "bpsk":
        qpsk = block_errors(_as_qpsk(code))
        return BlockErrors(qpsk.snr_db - _BPSK_DB, qpsk.rate)
    rows = read_measured().get(code.name) if code.packet_bytes == PACKET_BYTES else None
    rows = rows or measure(code)
    snr_db, errors, words = np.array(rows, np.float64).T
    return BlockErrors(snr_db, errors / words)


def check_known(code: Code) -> None:
    """`ConfigError` where `block_errors` would have to measure and can not."""
    measured = code.packet_bytes == PACKET_BYTES and _as_qpsk(code).name in read_measured()
    if code.rate != 1 and not measured and find_spec("sionna") is None:
        raise ConfigError(f"the code {code.name} is not measured yet, which needs Sionna: {install('channel')}")


def _as_qpsk(code: Code) -> Code:
    """For BPSK the same code by QPSK, each of whose two dimensions carries one bit as BPSK's one does."""
    return replace(code, modulation="qpsk") if code.modulation == "bpsk" else code


def read_measured() -> dict[str, list]:
    """Rows of measured.json, {name of the code: [[SNR in dB, lost packets, packets], ...]}."""
    return json.loads(MEASURED.read_text(encoding="utf-8"))


def measure(code: Code, seed: int = 0, words: int = WORDS) -> list[list]:
    """Send random packets without fading, from the SNR at which all are lost to the one at which none is.

    Returns
    -------
    list of [float, int, int]
        SNR in dB (multiples of 0.25), packets lost, packets sent: up to `words`, fewer once a tenth of these is lost.
        The first row has no packet that arrives, the last none that is lost.
    """
    rng = np.random.default_rng(seed)
    step = math.floor(10 * math.log10(2**code.efficiency - 1) / STEP_DB)  # capacity: below it hardly anything arrives
    rows = [_count(code, step * STEP_DB, words, rng)]
    while rows[0][1] < rows[0][2]:
        rows.insert(0, _count(code, rows[0][0] - STEP_DB, words, rng))
    while rows[-1][1]:
        rows.append(_count(code, rows[-1][0] + STEP_DB, words, rng))
    return rows[max(i for i, (_, lost, sent) in enumerate(rows) if lost == sent) :]


def _count(code: Code, snr_db: float, words: int, rng: np.random.Generator) -> list:
    """SNR, packets lost and packets sent; two batches are enough where all are lost."""
    lost = sent = 0
    while sent < words and lost < words // 10 and not lost == sent == 2 * _BATCH:
        packets = split(rng.bytes(_BATCH * payload_bytes(code.packet_bytes)), code.packet_bytes)
        found = code.send(packets, snr_db, np.ones(len(packets)), rng)
        lost, sent = lost + int((~arrived(found)).sum()), sent + len(packets)
    return [snr_db, lost, sent]


def _uncoded(code: Code) -> BlockErrors:
    """Closed formula: a packet without a code is lost with any of its bits."""
    snr_db = np.arange(-20, 45, STEP_DB)
    return BlockErrors(snr_db, -np.expm1(code.k * np.log1p(-bit_errors(code.modulation, snr_db))))


def bit_errors(modulation: str, snr_db) -> np.ndarray:
    """Bit error rate of uncoded symbols with Gray labels, decided one dimension after the other.

    Exact for BPSK, QPSK and square QAM (Cho and Yoon, "On the general BER expression of one- and two-dimensional
    amplitude modulations", IEEE Transactions on Communications 50, 2002); the SNR is Es/N0 in dB.
    """
    from scipy.special import erfc

    snr = 10 ** (np.asarray(snr_db, np.float64) / 10)
    if modulation == "bpsk":
        return erfc(np.sqrt(snr)) / 2
    side = {"qpsk": 2, "16qam": 4, "64qam": 8}[modulation]
    bits, total = side.bit_length() - 1, 0
    for k in range(1, bits + 1):
        for i in range(side - side // 2**k):
            weight = (-1) ** (i * 2 ** (k - 1) // side) * (2 ** (k - 1) - math.floor(i * 2 ** (k - 1) / side + 0.5))
            total = total + weight * erfc((2 * i + 1) * np.sqrt(1.5 * snr / (side**2 - 1)))
    return total / (side * bits)


def standard_codes() -> list[Code]:
    """The codes of measured.json."""
    rates = [Fraction(1, 3), Fraction(1, 2), Fraction(2, 3)]
    return [Code(modulation, rate) for modulation in ("qpsk", "16qam", "64qam") for rate in rates]
