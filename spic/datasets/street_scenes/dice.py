"""Random choices that come out the same on every machine.

Only `Generator.random` over PCG64 is used (NumPy keeps its integer stream stable, and the step to [0, 1) is exact);
distributions that need logarithms or sines are left out.
"""

import numpy as np


class Dice:
    """Random numbers of one scene, or of one purpose in it.

    Parameters
    ----------
    *key : int
        Non-negative integers that name the stream (split, index, purpose).
    """

    def __init__(self, *key: int):
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
        self._pool: list[float] = []

    def unit(self) -> float:
        """Return a number in [0, 1)."""
        if not self._pool:
            self._pool = self._generator.random(512).tolist()
        return self._pool.pop()

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.unit()

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.unit() < probability

    def integer(self, low: int, high: int) -> int:
        """Return an integer in low..high, both ends included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, options):
        """Return one of `options`."""
        return options[int(self.unit() * len(options))]

    def near(self, colour, spread: float):
        """Return `colour` (3 numbers, 0..255) a little lighter or darker and a little off its hue."""
        shift = self.uniform(-spread, spread)
        return tuple(value + shift + self.uniform(-spread, spread) * 0.3 for value in colour)

    def field(self, *shape: int) -> np.ndarray:
        """Return float32 noise in [-1, 1)."""
        return (self._generator.random(shape) * 2.0 - 1.0).astype(np.float32)
