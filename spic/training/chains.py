"""What the network of the second stage is asked: one step from the coarse image, or the steps of a long chain.

A chain's network must answer what its own earlier steps make. So the training holds one running chain for each crop
of a batch, and moves each by one step of the sampler in each step of the training: the x_t are the network's own, and
cost no pass of their own.
"""

import numpy as np
import torch
from torch import nn

from spic.scsrdm.sampling import NUM_TIMESTEPS, Sampling, even_timesteps
from spic.scsrdm.schedule import Chain, alphas_cumprod
from spic.training.batches import Batch

CHAINED = ("published", "ancestral")  # samplers that `Chains` knows
SHARP = 60  # below this timestep a chain draws detail, and is judged by it; above it, it finds the mean
SHORT = (4, 8)  # lengths of some chains, so that the weights serve with fewer steps too
THINNED = 0.4  # share of the timesteps from `SHARP` on that most chains keep: the time is better spent below


class OneStep(nn.Module):
    """Steps of length one, from the coarse image scaled to timesteps `start` - `spread` to `start` + `spread`."""

    def __init__(self, start: int, spread: int):
        super().__init__()
        self.start, self.spread = start, spread
        self.register_buffer("abar", torch.tensor(alphas_cumprod(), dtype=torch.float32), persistent=False)

    def next(self, network, draw, count, rng):
        """A batch of `draw(count, rng)`, its x_t, float32 (N, 3, H, W), and timesteps, int64 (N,)."""
        batch = draw(count, rng)
        t = self.start + rng.integers(-self.spread, self.spread + 1, size=count)
        t = torch.from_numpy(np.clip(t, 0, NUM_TIMESTEPS - 1)).to(self.abar.device)
        return batch, self.abar[t].sqrt().view(-1, 1, 1, 1) * network.enlarge(batch.coarse), t

    def judged(self, t):
        """Which answers are images that are to look real: None, all of them."""

    def advance(self, x0, rng):
        """Nothing follows."""


class Chains(nn.Module):
    """Running chains of the sampler "published" or "ancestral", one for each crop of a batch.

    Its buffers are the state of the chains: kept in a checkpoint, a stopped training goes on with the same ones.

    Parameters
    ----------
    sampling : Sampling
        The chain; some are shorter (`SHORT`), most leave out steps above `SHARP`.
    count, window, planes
        Crops, their height and width, and channels of the one-hot SSM.
    """

    def __init__(self, sampling: Sampling, count: int, window, planes: int):
        super().__init__()
        self.noised, self.whole = sampling.sampler == "ancestral", sampling.chain
        height, width = window
        self.register_buffer("left", torch.full((count, len(self.whole)), -1))  # timesteps, ascending, after -1s
        self.register_buffer("x_t", torch.zeros(count, 3, height, width))
        self.register_buffer("images", torch.zeros(count, 3, height, width))
        self.register_buffer("labels", torch.zeros(count, height, width, dtype=torch.int64))
        self.register_buffer("ssm", torch.zeros(count, planes, height, width))
        self.register_buffer("coarse", torch.zeros(count, 3, height // 4, width // 4))

    def next(self, network, draw, count, rng):
        """As `OneStep.next`; chains that have ended begin anew, with a crop of their own."""
        ended = self.left[:, -1] < 0
        if ended.any():
            fresh = draw(int(ended.sum()), rng)
            for name, values in vars(fresh).items():
                getattr(self, name)[ended] = values
            x = network.enlarge(fresh.coarse)
            for i, c in zip(ended.nonzero().flatten().tolist(), x, strict=True):
                steps = self._timesteps(rng)
                self.left[i] = torch.tensor([-1] * (len(self.whole) - len(steps)) + steps)
                abar = float(alphas_cumprod()[steps[-1]])
                self.x_t[i] = abar**0.5 * c + (1 - abar) ** 0.5 * self._noise(rng) if self.noised else c
        batch = Batch(self.images, self.labels, self.ssm, self.coarse)
        return batch, self.x_t.clone(), self.left[:, -1].clone()

    def judged(self, t):
        """Which answers are images that are to look real, bool (N,): those of the last steps."""
        return t < SHARP

    @torch.no_grad()
    def advance(self, x0, rng):
        """Move each chain by one step of its sampler, given what the network made of x_t, (N, 3, H, W)."""
        for i, (image, left) in enumerate(zip(x0.float().clamp(-1, 1), self.left.tolist(), strict=True)):
            steps = [t for t in left if t >= 0]
            k = len(steps) - 1
            self.left[i] = torch.tensor([-1] * (len(self.whole) - k) + steps[:k])
            if not k:  # that was the image
                continue
            chain = Chain.over(steps)
            mean = float(chain.x0_coefficient[k]) * image + float(chain.x_t_coefficient[k]) * self.x_t[i]
            low, high = chain.log_variances(k)
            deviation = float(np.exp(0.5 * (low if self.noised else high)))  # as `spic.scsrdm.sample` has it
            self.x_t[i] = mean + deviation * self._noise(rng)

    def _timesteps(self, rng) -> list:
        kind = rng.random()
        if kind < 0.3:
            return even_timesteps(SHORT[int(kind < 0.2)], self.whole[-1])
        keep = 1.0 if kind < 0.5 else THINNED
        return [t for t in self.whole if t < SHARP or t == self.whole[-1] or rng.random() < keep]

    def _noise(self, rng):
        noise = rng.standard_normal(tuple(self.x_t.shape[1:]), dtype=np.float32)
        return torch.from_numpy(noise).to(self.x_t.device)
