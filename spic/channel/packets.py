"""Packets: how the bytes of a message are cut up for a channel, and put together again from those that arrive.

A packet of B bytes is a header (4), payload (B - 8) and the CRC-32 of both (4). The header says which packet of the
message it is, how many bytes of its payload count, and whether it is the last one; the payload of the last packet is
filled up with zeros. All of this is sent, and so counted.
"""

import struct
import zlib

import numpy as np

from spic.errors import ConfigError, DataError

HEADER = struct.Struct(">HH")  # index; bytes that count, the highest bit marks the last packet
CRC = 4
OVERHEAD = HEADER.size + CRC
_LAST = 0x8000
MAX_PACKETS = 1 << 16


def payload_bytes(packet_bytes: int) -> int:
    """Bytes of a message in one packet; `ConfigError` where a packet of that size holds none."""
    if isinstance(packet_bytes, bool) or not isinstance(packet_bytes, int) or not OVERHEAD < packet_bytes <= _LAST:
        raise ConfigError(f"packet_bytes {packet_bytes!r}: expected {OVERHEAD + 1} to {_LAST}")
    return packet_bytes - OVERHEAD


def count_packets(num_bytes: int, packet_bytes: int) -> int:
    """How many packets a message of so many bytes takes."""
    return -(-num_bytes // payload_bytes(packet_bytes))


def split(data: bytes, packet_bytes: int) -> np.ndarray:
    """Cut a message into packets.

    Parameters
    ----------
    data : bytes
        The message, not empty.
    packet_bytes : int
        Length of a packet, header and CRC included.

    Returns
    -------
    numpy.ndarray
        uint8 (packets, packet_bytes).

    Raises
    ------
    DataError
        The message is empty, or takes more than 65536 packets.
    ConfigError
        `packet_bytes` is out of range.
    """
    room = payload_bytes(packet_bytes)
    count = count_packets(len(data), packet_bytes)
    if not 1 <= count <= MAX_PACKETS:
        raise DataError(f"a message of {len(data)} bytes can not be sent in packets of {packet_bytes}")
    packets = []
    for index in range(count):
        payload = data[index * room : (index + 1) * room]
        last = _LAST if index == count - 1 else 0
        packet = HEADER.pack(index, len(payload) | last) + payload.ljust(room, b"\0")
        packets.append(packet + zlib.crc32(packet).to_bytes(CRC, "big"))
    return np.frombuffer(b"".join(packets), np.uint8).reshape(count, packet_bytes)


def arrived(packets: np.ndarray) -> np.ndarray:
    """Which packets are undamaged by their CRC: bool (packets,) of uint8 (packets, packet_bytes)."""
    found = (bytes(packet) for packet in packets)
    return np.array([zlib.crc32(p[:-CRC]) == int.from_bytes(p[-CRC:], "big") for p in found], bool)


def join(packets: np.ndarray) -> bytes | None:
    """The message of all packets that were received, None unless every packet of it is there and undamaged."""
    room, found, count = packets.shape[1] - OVERHEAD, {}, None
    for packet in packets[arrived(packets)]:
        index, length = HEADER.unpack_from(bytes(packet))
        if length & _LAST:
            count = index + 1
        if length & ~_LAST > room:
            return None
        found[index] = bytes(packet[HEADER.size : HEADER.size + (length & ~_LAST)])
    if count is None or set(found) != set(range(count)):
        return None
    return b"".join(found[index] for index in range(count))
