"""Clips: SSMs and coarse images coded in time, as `.spicv` files (docs/video.md).

>>> from spic.video import ClipReceiver, ClipTransmitter                    # doctest: +SKIP
>>> with open("drive.spicv", "wb") as file:                                 # doctest: +SKIP
...     for frame in ClipTransmitter().encode(images, file, rate=15): pass
"""

from spic.video.receiver import ClipReceiver
from spic.video.transmitter import ClipTransmitter

__all__ = ["ClipReceiver", "ClipTransmitter"]
