"""Channels as functions of bytes."""

import numpy as np
import pytest

from spic.channel import BinaryErasure, BinarySymmetric, Channel, generator
from spic.channel.channel import gain_of
from spic.channel.losses import block_errors
from spic.errors import ConfigError, DataError

DATA = np.random.default_rng(1).bytes(1000)  # 9 packets


def test_far_above_the_cliff_all_arrives_and_far_below_nothing():
    pytest.importorskip("sionna")
    high, low = Channel(20)(DATA), Channel(-10)(DATA)
    assert high.data == DATA and high.lost == 0 and high.uses == 9 * 1024
    assert low.data is None and low.lost == 9 and low.packets == [None] * 9 and low.uses == 9 * 1024


def test_one_seed_per_image_and_realisation():
    pytest.importorskip("sionna")
    channel = Channel(1.0, packet_bytes=32, fading="rayleigh", seed=4)
    first = channel(DATA[:400], "street_1", 3)
    assert channel(DATA[:400], "street_1", 3) == first
    others = [channel(DATA[:400], *other).packets for other in (("street_2", 3), ("street_1", 4))]
    others.append(Channel(1.0, packet_bytes=32, fading="rayleigh", seed=5)(DATA[:400], "street_1", 3).packets)
    assert len({tuple(found) for found in [*others, first.packets]}) > 1
    assert generator(4, "a", 1).random() == generator(4, "a", 1).random() != generator(4, "a", 2).random()


def test_gains_of_rayleigh_fading_have_mean_power_one_and_the_right_spread():
    power = np.array([abs(gain_of(generator(0, "x", i))) ** 2 for i in range(4000)])
    assert power.mean() == pytest.approx(1, abs=0.05)
    assert (power < 0.1).mean() == pytest.approx(1 - np.exp(-0.1), abs=0.015)


@pytest.mark.slow
def test_losses_drawn_from_block_error_rates_are_those_of_real_words():
    """Averaged over fading: share of messages lost, real words against the measured curve at each gain."""
    pytest.importorskip("sionna")
    channel, count = Channel(4.0, fading="rayleigh", seed=2), 300
    real = np.array([channel(DATA[:350], "x", i).data is None for i in range(count)])
    power = np.array([abs(gain_of(generator(2, "x", i))) ** 2 for i in range(count)])
    drawn = 1 - (1 - block_errors(channel.code).at(4.0 + 10 * np.log10(power))) ** 3
    assert abs(real.mean() - drawn.mean()) < 0.02  # the same gains: only the noise differs


@pytest.mark.parametrize("kind", [BinaryErasure, BinarySymmetric])
def test_binary_channels_lose_packets_as_often_as_the_formula_says(kind):
    found = kind(0.001)(np.random.default_rng(2).bytes(120 * 3000))
    expected = 1 - 0.999**1024
    assert found.lost / 3000 == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 3000))
    assert found.data is None and found.uses == 3000 * 1024
    assert kind(0)(DATA).data == DATA and kind(1)(DATA).lost == 9


def test_every_bit_erased_or_flipped_leaves_no_packet():
    assert BinaryErasure(1)(b"x").data is None
    assert BinarySymmetric(0.5)(DATA).data is None


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Channel(3, fading="rice"), "fading 'rice': expected none or rayleigh"),
        (lambda: Channel(float("nan")), "SNR nan dB"),
        (lambda: Channel(3, code_rate="7/8", modulation="am"), "modulation 'am'"),
        (lambda: BinaryErasure(1.5), "probability 1.5"),
        (lambda: BinarySymmetric(-0.1), "probability -0.1"),
    ],
)
def test_impossible_channels(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
    with pytest.raises(DataError, match="a message of 0 bytes"):
        BinaryErasure(0)(b"")
