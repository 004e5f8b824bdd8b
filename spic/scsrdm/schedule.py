"""The diffusion schedule: 1000 steps, linear beta from 1e-4 to 0.02, and chains over a subset of the steps.

Everything here is numpy float64 and a few kilobytes; timesteps are ascending integers in 0..999.
Sources: Ho et al. 2020 (DDPM), equations 4 to 7; Nichol and Dhariwal 2021, section 4 (respacing).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from spic.scsrdm.sampling import NUM_TIMESTEPS


@cache
def betas() -> np.ndarray:
    """Noise variances beta_t, float64 (1000,)."""
    return _frozen(np.linspace(1e-4, 0.02, NUM_TIMESTEPS))


@cache
def alphas_cumprod() -> np.ndarray:
    """Signal variances abar_t = prod(1 - beta), float64 (1000,), falling from 0.9999 to 4e-5."""
    return _frozen(np.cumprod(1.0 - betas()))


@dataclass(frozen=True)
class Chain:
    """Coefficients of a chain over some timesteps; all arrays float64 (steps,), in ascending order of the timesteps.

    Attributes
    ----------
    timesteps
        Original timesteps, the input of the network.
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


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
