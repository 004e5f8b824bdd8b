"""Semantic-preserving image coding: a picture as its segmentation map plus a coarse version.

Heavy libraries (torch, av, numba, matplotlib) load only where they are used; ``import spic`` stays light.
"""

from spic.errors import BitstreamError, ConfigError, DataError, SpicError, WeightsError

__version__ = "0.2.0"

__all__ = [
    "BitstreamError",
    "ConfigError",
    "DataError",
    "Receiver",
    "SpicError",
    "Transmitter",
    "WeightsError",
    "__version__",
]


def __getattr__(name: str):
    if name == "Receiver":
        from spic.receiver import Receiver

        return Receiver
    if name == "Transmitter":
        from spic.transmitter import Transmitter

        return Transmitter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
