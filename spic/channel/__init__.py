"""A noisy channel: bytes in, those packets out that arrive undamaged (docs/channel.md).

    packets (CRC each) -> 5G-NR LDPC -> BPSK, QPSK, QAM -> noise, fading -> likelihoods -> belief propagation

`Channel` sends real words. The benchmark draws losses (`spic.channel.realisations`) from the block error rates of each
code (`spic.channel.losses`).
"""

from spic.channel.channel import BinaryErasure, BinarySymmetric, Channel, Received, generator
from spic.channel.codes import Code

__all__ = ["BinaryErasure", "BinarySymmetric", "Channel", "Code", "Received", "generator"]
