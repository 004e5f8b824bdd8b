"""Codes and modulations against counts by hand, closed formulas and known block error rates."""

import sys
from fractions import Fraction
from itertools import pairwise
from math import erfc, log10, sqrt

import numpy as np
import pytest

from spic.channel.codes import Code
from spic.channel.losses import bit_errors, block_errors, measure, read_measured, standard_codes
from spic.channel.packets import arrived, split
from spic.errors import ConfigError


@pytest.mark.parametrize(
    "modulation, rate, n, symbols",
    [
        ("bpsk", "1/2", 2048, 2048),
        ("qpsk", "1/2", 2048, 1024),
        ("qpsk", "1/3", 3072, 1536),
        ("16qam", "2/3", 1536, 384),
        ("64qam", "1/2", 2052, 342),  # 2048 is no multiple of 6
        ("64qam", 1, 1026, 171),
    ],
)
def test_channel_uses_by_hand(modulation, rate, n, symbols):
    code = Code(modulation, rate)
    assert (code.k, code.n, code.symbols) == (1024, n, symbols)


@pytest.mark.parametrize("value", ["1/6", 0.96, 0, "half", None, True, float("nan"), "1/0", float("inf")])
def test_rates_that_the_code_does_not_have(value):
    with pytest.raises(ConfigError, match="code rate"):
        Code("qpsk", value)


def test_numbers_and_texts_are_one_rate():
    assert Code("qpsk", 1 / 3) == Code("qpsk", "1/3") == Code("qpsk", Fraction(1, 3))
    with pytest.raises(ConfigError, match="modulation '8psk': expected bpsk, qpsk, 16qam, 64qam"):
        Code("8psk")
    with pytest.raises(ConfigError, match="at most 1056"):
        Code("qpsk", "1/2", 2000)


def noisy(code, snr_db, words, gains=None, seed=0):
    """Random packets, sent and received."""
    rng = np.random.default_rng(seed)
    sent = split(rng.bytes(words * (code.packet_bytes - 8)), code.packet_bytes)
    return sent, code.send(sent, snr_db, np.ones(len(sent)) if gains is None else gains, rng)


def q(x: float) -> float:
    return erfc(x / sqrt(2)) / 2


@pytest.mark.parametrize(
    "modulation, snr_db, expected",
    [
        ("bpsk", 4, q(sqrt(2 * 10**0.4))),
        ("qpsk", 7, q(sqrt(10**0.7))),
        # 16-QAM: the mean over the two bits of a dimension, decided at 0 and at -2, 0 and 2 of -3, -1, 1, 3
        ("16qam", 12, (3 * q(sqrt(10**1.2 / 5)) + 2 * q(3 * sqrt(10**1.2 / 5)) - q(5 * sqrt(10**1.2 / 5))) / 4),
    ],
)
def test_bit_errors_without_a_code_are_the_closed_formula(modulation, snr_db, expected):
    pytest.importorskip("sionna")
    sent, found = noisy(Code(modulation, 1), snr_db, 1500)
    rate = np.unpackbits(sent ^ found).mean()
    assert rate == pytest.approx(expected, rel=0.02)
    assert bit_errors(modulation, snr_db) == pytest.approx(expected, rel=1e-9)


def test_bit_errors_in_rayleigh_fading_are_the_closed_formula():
    pytest.importorskip("sionna")
    words, snr = 4000, 10**0.8
    gains = np.random.default_rng(3).standard_normal((2, words)).T @ [1, 1j] / sqrt(2)
    sent, found = noisy(Code("bpsk", 1, 16), 8, words, gains)
    wrong = np.unpackbits(sent ^ found, axis=1).mean(axis=1)
    assert abs(wrong.mean() - (1 - sqrt(snr / (1 + snr))) / 2) < 3 * wrong.std() / sqrt(words)


MEASURED = [code for code in standard_codes() if code.name in read_measured()]
BARS = [(0.5, 0.95, 1.0), (1.0, 0.3, 0.7), (1.5, 0.0, 0.08), (2.0, 0.0, 0.002)]  # Eb/N0, block error rate


@pytest.mark.parametrize("eb_n0, low, high", BARS)
def test_measured_rates_of_the_reference_code(eb_n0, low, high):
    """k = 1024, n = 2048, QPSK: a symbol carries one bit, so that Es/N0 is Eb/N0."""
    assert low <= block_errors(Code("qpsk", "1/2")).at(eb_n0) <= high


@pytest.mark.parametrize("eb_n0, low, high, words", [(0.5, 0.9, 1, 40), (2.0, 0, 0.05, 40)])
def test_a_few_words_of_the_reference_code(eb_n0, low, high, words):
    pytest.importorskip("sionna")
    _, found = noisy(Code("qpsk", "1/2"), eb_n0, words)
    assert low <= 1 - arrived(found).mean() <= high


@pytest.mark.slow
@pytest.mark.parametrize("eb_n0, low, high", BARS)
def test_two_thousand_words_of_the_reference_code(eb_n0, low, high):
    pytest.importorskip("sionna")
    _, found = noisy(Code("qpsk", "1/2"), eb_n0, 2000)
    assert low <= 1 - arrived(found).mean() <= high


@pytest.mark.slow
@pytest.mark.parametrize("code", [*MEASURED, Code("bpsk", "1/2")], ids=lambda code: code.name)
def test_measured_rates_are_those_of_real_words(code):
    pytest.importorskip("sionna")
    curve = block_errors(code)
    snr_db = float(curve.snr_db[np.argmin(abs(curve.rate - 0.3))]) + 0.1  # between two that were measured
    expected = float(curve.at(snr_db))
    _, found = noisy(code, snr_db, 400, seed=7)
    assert abs(1 - arrived(found).mean() - expected) < 4 * sqrt(expected * (1 - expected) / 400) + 0.03


def test_curves_fall_from_one_to_zero_and_lie_above_capacity():
    assert len(MEASURED) == len(read_measured()) >= 3
    for code in MEASURED:
        curve = block_errors(code)
        assert curve.rate[0] == 1 and curve.rate[-1] == 0 and (np.diff(curve.rate) <= 0.05).all()
        assert curve.snr_db[0] >= 10 * log10(2**code.efficiency - 1) - 0.25
        assert curve.at(-50) == 1 and curve.at(60) == 0
        half = np.interp(0.5, curve.rate[::-1], curve.snr_db[::-1])
        assert 0 < half - 10 * log10(2**code.efficiency - 1) < 4  # dB from capacity


def test_a_code_that_nobody_measured_is_measured():
    pytest.importorskip("sionna")
    rows = measure(Code("qpsk", "3/4", 16), words=50)
    assert rows[0][1] == rows[0][2] and rows[-1][1] == 0
    assert all(b[0] - a[0] == 0.25 for a, b in pairwise(rows))


def test_without_sionna_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sionna.phy.mapping", None)
    monkeypatch.setitem(sys.modules, "sionna.phy.fec.ldpc", None)
    with pytest.raises(ConfigError, match=r"pip install 'semantic-image-coding\[channel\]'"):
        Code("qpsk", "1/2", 19).send(split(b"x", 19), 3, np.ones(1), np.random.default_rng(0))
    assert block_errors(Code("bpsk", "1/2")).at(20) == 0  # what was measured needs none
