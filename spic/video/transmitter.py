"""The transmitter of clips: images in order to a `.spicv` file, frame by frame."""

import logging
from collections import deque

import numpy as np

from spic.codecs.labelmap.clip import MapsEncoder
from spic.codecs.smooth import Smoother
from spic.errors import ConfigError, DataError
from spic.pictures.sizes import downscale
from spic.transmitter import NO_STREET, Transmitter
from spic.video.container import ClipWriter, CodedFrame, clip_head
from spic.video.hevc import HevcEncoder

LOG = logging.getLogger(__name__)


class ClipTransmitter:
    """Makes `.spicv` files.

    Parameters
    ----------
    qp : int
        Quantiser of the coarse images, 0 (best) to 51.
    every : int
        Every `every`-th frame builds on none before it: decoding may begin there.
    smooth : bool
        Remove the flicker of single frames from the SSMs (`spic.codecs.smooth`); one frame of delay.
    halve : bool
        Send the SSM of every second frame; the receiver takes the others from their neighbours. One frame of delay.
    sender : spic.transmitter.Transmitter, optional
        Prepares images; its codecs and quality do not matter.

    Attributes
    ----------
    head : spic.bitstream.SpicFile or None
        What the last clip's file says of all its frames.
    """

    def __init__(
        self,
        qp: int = 30,
        every: int = 30,
        smooth: bool = True,
        halve: bool = False,
        sender: Transmitter | None = None,
    ):
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ConfigError(f"every {every!r}: expected a whole number of frames from 1 on")
        self.qp, self.every, self.smooth, self.halve = qp, every, smooth, halve
        self.sender, self.head = sender or Transmitter(), None

    def encode(self, images, file, rate, ssms=None):
        """Write a clip; yields a `CodedFrame` of each frame once it is written.

        Parameters
        ----------
        images : iterable of numpy.ndarray
            As `Transmitter.encode` takes them, all of one size.
        file : binary file
            Open for writing.
        rate : number or Fraction
            Frames per second.
        ssms : iterable of numpy.ndarray, optional
            SSMs of the images, in their order; the segmenter makes them by default.

        Raises
        ------
        DataError
            No images, or images of different sizes, or such as `Transmitter.encode` refuses.
        ConfigError
            `qp` or `rate` is out of range.
        """
        writer = None
        for frame in self.code(images, ssms):
            if writer is None:
                writer = ClipWriter(file, self.head, rate)
            writer.write(frame)
            yield frame
        if writer is None:
            raise DataError("a clip without frames")
        writer.end()

    def code(self, images, ssms=None):
        """Yield the `CodedFrame`s of a clip; `head` is there with the first. Parameters as for `encode`."""
        coarse_coder, maps, number = None, MapsEncoder.shipped(), 0
        for coarse, ssm, last in self._frames(images, ssms):
            if coarse_coder is None:
                own = self.sender
                about = own.label_space.name, own.decoder.weights_id, own.sampling, own.seed
                self.head = clip_head(ssm.shape, self._original, *about)
                coarse_coder = HevcEncoder(coarse.shape[:2], self.qp, self.every)
            place = number % self.every
            sent = not self.halve or last or place % 2 == 0
            yield CodedFrame(
                number, not place, maps.encode(ssm, not place) if sent else None, coarse_coder.encode(coarse)
            )
            number += 1

    def _frames(self, images, ssms):
        """Yield (coarse image, SSM, whether it is the last one), the SSMs smoothed; last matters for `halve` alone."""
        ready = None
        for item in self._smoothed(images, ssms):
            if not self.halve:
                yield *item, False
                continue
            if ready is not None:
                yield *ready, False
            ready = item
        if ready is not None:
            yield *ready, True

    def _smoothed(self, images, ssms):
        smoother, waiting = Smoother(), deque()
        for coarse, ssm in self._prepared(images, ssms):
            if not self.smooth:
                yield coarse, ssm
                continue
            waiting.append(coarse)
            earlier = smoother.push(ssm)
            if earlier is not None:
                yield waiting.popleft(), earlier
        if waiting:
            yield waiting.popleft(), smoother.flush()

    def _prepared(self, images, ssms):
        self._original, given = None, None if ssms is None else iter(ssms)
        for image in images:
            prepared = self.sender.prepare(image, None if given is None else next(given))
            if self._original not in (None, prepared.original_size):
                raise DataError(f"a frame of {prepared.original_size} in a clip of {self._original}")
            if self._original is None and prepared.is_street is False:
                LOG.warning(NO_STREET)
            self._original = prepared.original_size
            yield downscale(prepared.pixels), np.asarray(prepared.ssm)
