"""The diffusion schedule: 1000 steps, linear beta from 1e-4 to 0.02, and chains over a subset of the steps.

Everything here is numpy float64 and a few kilobytes; timesteps are ascending integers in 0..999.
Sources: Ho et al. 2020 (DDPM), equations 4 to 7; Nichol and Dhariwal 2021, section 4 (respacing).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from spic.errors import ConfigError

NUM_TIMESTEPS = 1000
START = 192  # last timestep of the published inference chain


@cache
def betas() -> np.ndarray:
    """Noise variances beta_t, float64 (1000,)."""
    return _frozen(np.linspace(1e-4, 0.02, NUM_TIMESTEPS))


@cache
def alphas_cumprod() -> np.ndarray:
    """Signal variances abar_t = prod(1 - beta), float64 (1000,), falling from 0.9999 to 4e-5."""
    return _frozen(np.cumprod(1.0 - betas()))


def respace(count: int) -> list[int]:
    """`count` timesteps evenly spaced over 0..999, both ends included; `ConfigError` outside 1..1000."""
    if not 1 <= count <= NUM_TIMESTEPS:
        raise ConfigError(f"cannot keep {count} of {NUM_TIMESTEPS} timesteps")
    return even_timesteps(count, NUM_TIMESTEPS - 1) if count > 1 else [0]


def published_timesteps() -> list[int]:
    """Timesteps of the paper's 20-step inference: respaced to 100, those up to 200 kept: 0, 10, ..., 182, 192."""
    return [t for t in respace(100) if t <= 200]


def even_timesteps(steps: int, start: int) -> list[int]:
    """`steps` timesteps evenly spaced from 0 to `start`; one step alone is `start` itself.

    `ConfigError` if `start` is outside 0..999 or there are not so many different timesteps.
    """
    if not (_integer(steps) and _integer(start) and 0 <= start < NUM_TIMESTEPS and 1 <= steps <= start + 1):
        raise ConfigError(f"no {steps} different timesteps between 0 and {start} (of 0..{NUM_TIMESTEPS - 1})")
    if steps == 1:
        return [int(start)]
    return [round(i * (start / (steps - 1))) for i in range(steps)]


def choose_timesteps(steps: int | None = None, timesteps=None, start: int = START) -> list[int]:
    """Timesteps of a chain, from either a list or a number of steps.

    Parameters
    ----------
    steps : int, optional
        Number of steps, 20 if nothing is given. 20 steps from the published start are the published list.
    timesteps : sequence of int, optional
        The list itself, strictly ascending in 0..999; excludes `steps`.
    start : int
        Largest timestep, for `steps`.

    Raises
    ------
    ConfigError
        If both are given, or the list is not strictly ascending within 0..999.
    """
    if timesteps is None:
        steps = 20 if steps is None else steps
        return published_timesteps() if (steps, start) == (20, START) else even_timesteps(steps, start)
    if steps is not None:
        raise ConfigError("give either steps or timesteps, not both")
    chosen = list(timesteps) if isinstance(timesteps, Sequence | np.ndarray) else []
    if not chosen or not all(map(_integer, chosen)):
        raise ConfigError("timesteps: expected a list of whole numbers")
    if chosen[0] < 0 or chosen[-1] >= NUM_TIMESTEPS or any(a >= b for a, b in pairwise(chosen)):
        raise ConfigError(f"timesteps must rise strictly within 0..{NUM_TIMESTEPS - 1}, got {chosen}")
    return [int(t) for t in chosen]


@dataclass(frozen=True)
class Chain:
    """Coefficients of a chain over some timesteps; all arrays float64 (steps,), in ascending order of the timesteps.

    Attributes
    ----------
    timesteps
        Original timesteps, what the network is told.
    abar, abar_previous
        Signal variance at a step and at the one below it (1 below the first).
    beta, posterior_variance
        Variance of the forward step between the two, and of the step back when x0 is known.
    x0_coefficient, x_t_coefficient
        Weights of x0 and x_t in the mean of the step back (Ho et al. 2020, equation 7).
    """

    timesteps: tuple[int, ...]
    abar: np.ndarray
    abar_previous: np.ndarray
    beta: np.ndarray
    posterior_variance: np.ndarray
    x0_coefficient: np.ndarray
    x_t_coefficient: np.ndarray

    @classmethod
    def over(cls, timesteps) -> "Chain":
        """Chain over ascending original timesteps."""
        abar = alphas_cumprod()[list(timesteps)]
        previous = np.append(1.0, abar[:-1])
        beta = 1.0 - abar / previous
        return cls(
            timesteps=tuple(timesteps),
            abar=abar,
            abar_previous=previous,
            beta=beta,
            posterior_variance=beta * (1.0 - previous) / (1.0 - abar),
            x0_coefficient=beta * np.sqrt(previous) / (1.0 - abar),
            x_t_coefficient=(1.0 - previous) * np.sqrt(1.0 - beta) / (1.0 - abar),
        )

    def log_variances(self, i: int) -> tuple[float, float]:
        """Log of the posterior variance and of beta at step i, the two ends of the learned range.

        The posterior variance of step 0 is zero; its log is taken as that of step 1 (no noise is added there anyway).
        """
        smallest = self.posterior_variance[max(i, min(1, len(self.timesteps) - 1))]
        return float(np.log(smallest)) if smallest > 0 else float(np.log(self.beta[i])), float(np.log(self.beta[i]))


def _integer(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
