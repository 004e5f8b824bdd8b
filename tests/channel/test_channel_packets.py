"""Packets against counts by hand."""

import zlib

import numpy as np
import pytest

from spic.channel.packets import MAX_PACKETS, OVERHEAD, arrived, count_packets, join, split
from spic.errors import ConfigError, DataError


@pytest.mark.parametrize("size, packets", [(1, 1), (120, 1), (121, 2), (240, 2), (241, 3), (2000, 17)])
def test_counts_by_hand(size, packets):
    """128 bytes are 4 of header, 120 of payload, 4 of CRC."""
    sent = split(bytes(size), 128)
    assert sent.shape == (packets, 128) and count_packets(size, 128) == packets and OVERHEAD == 8


def test_layout_by_hand():
    first, last = map(bytes, split(b"abcdefghij", 16))
    assert first[:12] == b"\0\0" + b"\0\x08" + b"abcdefgh"
    assert last[:12] == b"\0\x01" + b"\x80\x02" + b"ij" + bytes(6)
    assert [int.from_bytes(p[12:], "big") for p in (first, last)] == [zlib.crc32(p[:12]) for p in (first, last)]


def test_join_gives_what_was_split_in_any_order():
    data = np.random.default_rng(0).bytes(1000)
    sent = split(data, 64)
    assert join(sent) == join(sent[::-1]) == data


@pytest.mark.parametrize("bit", [0, 17, 40, 500, 127 * 8 + 7])
def test_one_wrong_bit_loses_the_packet_and_the_message(bit):
    sent = split(bytes(range(250)), 128).copy()
    sent[1, bit // 8] ^= 128 >> bit % 8
    assert arrived(sent).tolist() == [True, False, True] and join(sent) is None


def test_every_packet_counts_the_last_one_too():
    sent = split(bytes(500), 128)
    assert all(join(np.delete(sent, i, axis=0)) is None for i in range(len(sent)))
    assert join(sent[:0]) is None


@pytest.mark.parametrize("size", [0, 120 * MAX_PACKETS + 1])
def test_what_can_not_be_sent(size):
    with pytest.raises(DataError, match=f"a message of {size} bytes"):
        split(bytes(size), 128)


@pytest.mark.parametrize("size", [0, 8, 40000, 1.5, True])
def test_impossible_packets(size):
    with pytest.raises(ConfigError, match="packet_bytes"):
        split(b"x", size)
