"""What the network of the second stage is asked: one step from the coarse image, or the steps of a long chain.

A chain's network must answer what its own earlier steps make. So the training holds one running chain for each crop
of a batch, and moves each by one step of the sampler in each step of the training: the x_t are the network's own, and
cost no pass of their own.
"""

import numpy as np
import torch
from torch import nn

from spic.scsrdm.sampling import NUM_TIMESTEPS, Sampling
from spic.scsrdm.schedule import Chain, alphas_cumprod
from spic.training.batches import normals, put

CHAINED = ("published", "ancestral")  # samplers that `Chains` knows
SHARP = 60  # below this timestep a chain draws detail, and is judged by it; above it, it finds the mean
SHORT = (4, 8)  # lengths of some chains, so that the weights serve with fewer steps too
THINNED = 0.3  # share of the timesteps from `SHARP` on that most chains keep: the time is better spent below


def asked_of(sampling: Sampling, spread: int, count: int, window, planes: int) -> nn.Module:
    """`OneStep` for the sampler "noiseless", `Chains` for the others that it knows."""
    if sampling.sampler == "noiseless":
        return OneStep(sampling.chain[-1], spread)
    return Chains(sampling, count, window, planes)


class OneStep(nn.Module):
    """Steps of length one, from the coarse image scaled to timesteps `start` - `spread` to `start` + `spread`."""

    def __init__(self, start: int, spread: int):
        super().__init__()
        self.start, self.spread = start, spread
        self.register_buffer("abar", torch.tensor(alphas_cumprod(), dtype=torch.float32), persistent=False)

    def next(self, network, draw, count, rng) -> dict:
        """The tensors of a batch of `draw(count, rng)`, its `x_t`, float32 (N, 3, H, W), and timesteps `t`, (N,)."""
        batch = draw(count, rng)
        t = self.start + rng.integers(-self.spread, self.spread + 1, size=count)
        t = put(np.clip(t, 0, NUM_TIMESTEPS - 1), self.abar.device)
        return {**vars(batch), "x_t": self.abar[t].sqrt().view(-1, 1, 1, 1) * network.enlarge(batch.coarse), "t": t}

    def advance(self, x0, given):
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
        self.short = [sampling.merge({"steps": steps}).chain for steps in SHORT]
        self.left = [[] for _ in range(count)]  # timesteps, ascending
        height, width = window
        self.register_buffer("x_t", torch.zeros(count, 3, height, width))
        self.register_buffer("images", torch.zeros(count, 3, height, width))
        self.register_buffer("labels", torch.zeros(count, height, width, dtype=torch.int64))
        self.register_buffer("ssm", torch.zeros(count, planes, height, width))
        self.register_buffer("coarse", torch.zeros(count, 3, height // 4, width // 4))

    def get_extra_state(self):
        """The timesteps that are left to each chain, after -1s: int64 (N, length)."""
        return torch.tensor([[-1] * (len(self.whole) - len(steps)) + steps for steps in self.left])

    def set_extra_state(self, state):
        """Go on with these timesteps."""
        self.left = [[t for t in steps if t >= 0] for steps in state.tolist()]

    def next(self, network, draw, count, rng) -> dict:
        """As `OneStep.next`, with what `advance` needs; chains that have ended begin anew, with a crop of their own.

        `near` and `far` are the numbers of the chains in their last steps, whose answers are images that are to look
        real, and of the others, int64 (n,): some come twice, so that there are few shapes of a step to record. `share`
        is that of the chains in `near`.
        """
        if ended := [i for i, steps in enumerate(self.left) if not steps]:
            fresh, at = draw(len(ended), rng), self._put(np.array(ended))
            for name, values in vars(fresh).items():
                getattr(self, name)[at] = values
            x = network.enlarge(fresh.coarse)
            for i in ended:
                self.left[i] = self._timesteps(rng)
            if self.noised:
                abar = self._put(alphas_cumprod()[[self.left[i][-1] for i in ended]]).view(-1, 1, 1, 1)
                x = abar.sqrt() * x + (1 - abar).sqrt() * self._noise(rng, x.shape)
            self.x_t[at] = x
        t = np.array([steps[-1] for steps in self.left])
        given = {name: getattr(self, name) for name in ("images", "labels", "ssm", "coarse")}
        given |= {"x_t": self.x_t.clone(), "t": self._put(t)}
        given |= {"near": self._numbers(t < SHARP, rng), "far": self._numbers(t >= SHARP, rng)}
        given["share"] = self._put(np.mean(t < SHARP))
        return given | {"moves": self._put(self._moves()), "noise": self._noise(rng, self.x_t.shape)}

    @torch.no_grad()
    def advance(self, x0, given: dict):
        """Move each chain by one step of its sampler, given what the network made of x_t, (N, 3, H, W)."""
        of_x0, of_x_t, deviation = given["moves"][:, :, None, None, None]
        self.x_t.copy_(of_x0 * x0.float().clamp(-1, 1) + of_x_t * given["x_t"] + deviation * given["noise"])

    def _moves(self):
        """Factors of x0, x_t and noise of each chain's next step, float32 (3, N); a step is taken off each chain."""
        moves = np.zeros((3, len(self.left)), dtype=np.float32)
        for i, steps in enumerate(self.left):
            k = len(steps) - 1
            self.left[i] = steps[:k]
            if not k:  # that is the image
                continue
            chain = Chain.over(steps)
            low, high = chain.log_variances(k)
            deviation = np.exp(0.5 * (low if self.noised else high))  # as `spic.scsrdm.sample` has it
            moves[:, i] = chain.x0_coefficient[k], chain.x_t_coefficient[k], deviation
        return moves

    def _timesteps(self, rng) -> list:
        kind = rng.random()
        if kind < 0.3:
            return list(self.short[int(kind < 0.2)])
        keep = 1.0 if kind < 0.5 else THINNED
        return [t for t in self.whole if t < SHARP or t == self.whole[-1] or rng.random() < keep]

    def _noise(self, rng, shape):
        return normals(rng, shape, self.x_t.device)

    def _numbers(self, chosen, rng):
        """Where an array (N,) is true, in random order, filled up to a multiple of N / 2 from the first on."""
        found, group = rng.permutation(np.flatnonzero(chosen)), (len(chosen) + 1) // 2
        return self._put(np.resize(found, -(-len(found) // group) * group))

    def _put(self, values):
        return put(values, self.x_t.device)
