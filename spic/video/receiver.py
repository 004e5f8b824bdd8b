"""The receiver of clips: a `.spicv` file to images, frame by frame, in constant memory."""

import logging
from dataclasses import dataclass
from itertools import islice

import numpy as np

from spic.bitstream import SpicFile
from spic.codecs.base import at_most, check_array
from spic.codecs.labelmap.clip import MapsDecoder
from spic.errors import BitstreamError, DataError
from spic.pictures.labels import get_label_space
from spic.pictures.sizes import upscale
from spic.receiver import Parts, Receiver
from spic.video.container import ClipReader
from spic.video.hevc import HevcDecoder
from spic.video.steady import Steadier

LOG = logging.getLogger(__name__)
_VOTES = 2  # a neighbourhood reaches so far


@dataclass(frozen=True)
class FrameParts(Parts):
    """The `Parts` of a frame; `alone` says whether it builds on none before."""

    alone: bool = False


class ClipReceiver:
    """Rebuilds clips from `.spicv` files.

    The noise of the decoder, where its sampler draws any, is the same for all frames of a clip: nothing flickers by
    itself. The sampler `noiseless` draws none.

    Parameters
    ----------
    receiver : spic.receiver.Receiver, optional
        Says what may be decoded, and rebuilds images.
    steady : bool
        Keep what was drawn before where a clip stands still (`spic.video.steady`); else each frame is the image that
        `receiver` makes of its parts.
    """

    def __init__(self, receiver: Receiver | None = None, steady: bool = True):
        self.receiver, self.steady = receiver or Receiver(), steady

    def open(self, file) -> ClipReader:
        """A `ClipReader` of an open binary file; `BitstreamError` where its head is damaged or too large."""
        return ClipReader(file, self.receiver.max_pixels)

    def decode(self, clip: ClipReader, start: int = 0):
        """Yield the images of a clip, uint8 sRGB (H, W, 3) at the original size, from frame `start` on.

        They are the same wherever one begins: with `steady` all frames from the last one up to `start` that builds on
        none before are drawn. Logs a warning where they are not those that were meant (`Receiver.notes`).

        Raises
        ------
        BitstreamError
            As `parts`; all frames before the damage were given.
        WeightsError
            The file was made for other decoder weights, and that is not allowed.
        """
        for note in self.receiver.notes_on(clip.head):
            LOG.warning(".spicv: %s", note)
        yield from self.rebuild(clip, start)

    def rebuild(self, clip: ClipReader, start: int = 0):
        """The same without the warning."""
        number = clip.seek(start) if start else 0
        yield from draw(self.receiver, decode_parts(clip.head, clip), self.steady, start - number)

    def preview(self, clip: ClipReader, start: int = 0):
        """Yield the coarse images of a clip enlarged to the original size; needs no network."""
        for parts in self.parts(clip, start):
            yield upscale(parts.coarse, clip.head.original_size)

    def parts(self, clip: ClipReader, start: int = 0):
        """Yield the `FrameParts` of each frame from `start` on: SSM and coarse image; needs no network.

        Decoding begins at the last frame up to `start` that builds on none before it.

        Raises
        ------
        BitstreamError
            The bytes are damaged, hostile, or end early; all frames before that were given.
        """
        number = clip.seek(start) if start else 0
        yield from islice(decode_parts(clip.head, clip), start - number, None)


def draw(receiver: Receiver, frames, steady: bool = True, skip: int = 0):
    """Yield the images of some `FrameParts` in their order, without the first `skip` of them.

    The others do not depend on `skip`: with `steady` (see `ClipReceiver`) the frames that are skipped are drawn, too.
    """
    steadier = Steadier()
    for number, parts in enumerate(frames):
        if not steady and number < skip:
            continue
        image = receiver.rebuild([parts])[0]
        if steady:
            image = steadier.push(image, parts.ssm, parts.coarse, parts.alone)
        if number >= skip:
            yield image


def decode_parts(head: SpicFile, frames):
    """Yield the `FrameParts` of each of some `CodedFrame`s in their order; one without an SSM waits for the next one.

    Raises
    ------
    BitstreamError
        As `ClipReceiver.parts`.
    """
    maps, images = MapsDecoder.shipped(), HevcDecoder(head.coarse_size)
    try:
        space = get_label_space(head.label_space)
    except DataError as error:
        raise BitstreamError(f".spicv: {error}") from None
    last = waiting = None
    frames = iter(frames)
    while True:
        try:
            frame = next(frames, None)
            if frame is not None and frame.ssm is None and (waiting is not None or last is None):
                raise BitstreamError(f".spicv: frame {frame.number} has no SSM, nor has the one before it")
            ssm = None if frame is None or frame.ssm is None else _ssm(maps, frame.ssm, head.size, space)
            coarse = None if frame is None else images.decode(frame.coarse)
        except BitstreamError:
            if waiting is not None:
                yield FrameParts(head, last, waiting)
            raise
        if waiting is not None:
            yield FrameParts(head, last if ssm is None else between(last, ssm), waiting)
        if frame is None:
            return
        waiting = coarse if ssm is None else None
        if ssm is not None:
            yield FrameParts(head, ssm, coarse, alone=frame.alone)
            last = ssm


def _ssm(maps: MapsDecoder, data: bytes, size, space) -> np.ndarray:
    """The next SSM, checked against what the file says."""
    with at_most(size[0] * size[1]):
        ssm = maps.decode(data)
    if ssm.shape != tuple(size):
        raise BitstreamError(f".spicv: an SSM of {ssm.shape} is not as the file says")
    try:
        return space.check(ssm, ".spicv")
    except DataError as error:
        raise BitstreamError(str(error)) from None


def between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The SSM of a frame between two others, uint8 (H, W) each.

    Where they differ, the label of the two that more of the pixels around it have, in both; that of `before` on a tie.
    """
    before, after = (check_array(labels, (), labels=True) for labels in (before, after))
    result, places = before.copy(), np.nonzero(before != after)
    votes = np.zeros(len(places[0]), np.int64)
    first, second = before[places], after[places]
    for labels in (before, after):
        padded = np.pad(labels, _VOTES, mode="edge")
        for dy in range(2 * _VOTES + 1):
            for dx in range(2 * _VOTES + 1):
                seen = padded[places[0] + dy, places[1] + dx]
                votes += (seen == second).astype(np.int64) - (seen == first)
    result[places] = np.where(votes > 0, second, first)
    return result
