"""Loss of a learned variance: the variational bound of one diffusion step.

Sources: Ho et al. 2020, equations 5, 7 and 13; Nichol and Dhariwal 2021, section 3.1 (hybrid loss: its gradient goes
into the variance alone).
"""

import math
from functools import cache

import numpy as np
import torch

from spic.scsrdm.schedule import NUM_TIMESTEPS, Chain


def variational_bound(raw, x0_estimate, x0, x_t, t):
    """Mean over images of the bound's term at each one's timestep, in bits per value: scalar tensor.

    Added to the mean squared error with weight 1 this is the hybrid loss of 1000 steps (0.001 of the whole bound).

    Parameters
    ----------
    raw : torch.Tensor
        float (N, 3, H, W), variance channels of the network, about [-1, 1].
    x0_estimate : torch.Tensor
        float (N, 3, H, W), what the network's prediction says x0 is; detached.
    x0, x_t : torch.Tensor
        float (N, 3, H, W), image in [-1, 1] and noised image.
    t : torch.Tensor
        Integer (N,), timesteps.
    """
    raw, x0_estimate, x0, x_t = raw.float(), x0_estimate.detach().float(), x0.float(), x_t.float()
    x0_coefficient, x_t_coefficient, low, high = _table().to(x0.device)[:, t, None, None, None]
    log_variance = low + (raw + 1) / 2 * (high - low)
    true_mean = x0_coefficient * x0 + x_t_coefficient * x_t
    mean = x0_coefficient * x0_estimate + x_t_coefficient * x_t
    kl = 0.5 * (log_variance - low - 1 + (low - log_variance).exp() + (true_mean - mean) ** 2 * (-log_variance).exp())
    # At t = 0: -log of the probability that N(mean, variance) gives to the 8-bit value that x0 stands for, in nats.
    inverse = (-0.5 * log_variance).exp()
    above = torch.special.ndtr((x0 - mean + 1 / 255) * inverse).masked_fill(x0 > 0.999, 1)
    below = torch.special.ndtr((x0 - mean - 1 / 255) * inverse).masked_fill(x0 < -0.999, 0)
    surprise = -(above - below).clamp(min=1e-12).log()
    return torch.where((t == 0)[:, None, None, None], surprise, kl).mean() / math.log(2)


@cache
def _table() -> torch.Tensor:
    """x0 and x_t coefficients of the posterior's mean, log of its variance and of beta; float32 (4, 1000)."""
    chain = Chain.over(range(NUM_TIMESTEPS))
    low, high = zip(*map(chain.log_variances, range(NUM_TIMESTEPS)), strict=True)
    return torch.from_numpy(np.stack([chain.x0_coefficient, chain.x_t_coefficient, low, high]).astype(np.float32))
