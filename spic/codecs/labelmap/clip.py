"""Maps of a clip, one after the other: some by themselves, the others given the two before (P maps).

A map by itself is a stream of `spic.codecs.labelmap.stream`. A P map has the size of the one before and is

byte 0        version (high half: 2 without a prior, 3 with one), bits that spell a label (low half, 0..8)
2 bytes       the prior's name tag; absent in version 2
4 bytes       CRC-32 of all of the header before it and of the map, big endian
the rest      the range coder's bytes

What adapts goes on from P map to P map, and begins again with every map by itself. So a P map can be decoded after all
that came since that map, and only then.
"""

import numpy as np

from spic.codecs.base import check_array, check_bytes
from spic.codecs.labelmap import stream
from spic.codecs.labelmap.coder import Model, frames_before
from spic.codecs.labelmap.prior import Prior, shipped_prior
from spic.errors import BitstreamError, DataError

_AFTER, _AFTER_WITH_PRIOR = 2, 3


class _Maps:
    """The maps since the last one that was coded by itself, and what was learned from them."""

    def __init__(self, prior: Prior | None = None, after: Prior | None = None, rate: int | None = None):
        self.prior, self.after, self._rate = prior, after, rate
        self._last = self._older = self._model = None

    def _begin(self, labels):
        self._last, self._older, self._model = labels, labels, None

    def _step(self):
        """The model and the maps before, for a P map."""
        if self._model is None:
            self._model = Model(self._last.shape, self.after, after=True, rate=self._rate)
        return self._model, frames_before(self._last, self._older)

    def _end(self, labels):
        self._last, self._older = labels, self._last


class MapsEncoder(_Maps):
    """Codes label maps in the order of a clip.

    Parameters
    ----------
    prior, after : Prior, optional
        Of maps by themselves, and of P maps; see `shipped`. None: nothing is known.
    rate : int, optional
        Learning rate of the P maps' mixer, for training.
    """

    @classmethod
    def shipped(cls) -> "MapsEncoder":
        """With the priors that come with the package."""
        return cls(shipped_prior(), shipped_prior(after=True))

    def encode(self, labels: np.ndarray, alone: bool = False) -> bytes:
        """Code the next map, uint8 (H, W), given those before or by itself (`alone`, and the first one).

        `DataError` for another array, or another size than the first one's.
        """
        labels = check_array(labels, (), labels=True).copy()
        if self._last is not None and labels.shape != self._last.shape:
            raise DataError(f"a label map of {labels.shape} in a clip of {self._last.shape}")
        if alone or self._last is None:
            self._begin(labels)
            return stream.encode(labels, self.prior)
        after = self.after
        bits = max(int(labels.max()).bit_length(), after.bits if after else 0)
        head = bytes([(_AFTER_WITH_PRIOR if after else _AFTER) << 4 | bits]) + (after.tag if after else b"")
        model, before = self._step()
        data = head + stream.checksum(head, labels) + model.write(labels, bits, before)
        self._end(labels)
        return data

    def learned(self) -> Prior:
        """A prior of P maps that begins where this coder is."""
        model, after = self._model, self.after
        return Prior(after.tag, after.classes, after.network, model.weights, model.runs, model.births)


class MapsDecoder(_Maps):
    """Decodes what a `MapsEncoder` coded, in the same order; it may begin at any map that was coded by itself.

    Parameters
    ----------
    prior, after : Prior, optional
        Those of the encoder.
    """

    @classmethod
    def shipped(cls) -> "MapsDecoder":
        """With the priors that come with the package."""
        return cls(shipped_prior(), shipped_prior(after=True))

    def decode(self, data: bytes) -> np.ndarray:
        """The next map, uint8 (H, W).

        Raises
        ------
        BitstreamError
            The bytes are damaged, were coded with another prior, or build on a map that was not decoded. After that
            only a map by itself can be decoded.
        """
        data = check_bytes(data)
        try:
            if not data or data[0] >> 4 not in (_AFTER, _AFTER_WITH_PRIOR):
                self._begin(stream.decode(data, self.prior))
            elif self._last is None:
                raise BitstreamError("label map: it builds on a map that is not there")
            else:
                self._end(self._read(data))
        except BitstreamError:
            self._last = None
            raise
        return self._last.copy()

    def _read(self, data: bytes) -> np.ndarray:
        start, bits = 3 if data[0] >> 4 == _AFTER_WITH_PRIOR else 1, data[0] & 15
        if len(data) < start + 4:
            raise BitstreamError("label map: the stream ends in its header")
        if bits > 8:
            raise BitstreamError("label map: the header is damaged")
        stream.check_prior(data[1:start], self.after)
        model, before = self._step()
        labels = model.read(data[start + 4 :], bits, before)
        if labels is None or data[start : start + 4] != stream.checksum(data[:start], labels):
            raise BitstreamError("label map: the stream is damaged (checksum), or builds on another map")
        return labels
