"""SPADE: normalisation whose scale and shift come from the segmentation map (SSM), pixel by pixel.

Sources: Park et al. 2019 (SPADE, equation 1); Wang et al., arXiv 2207.00050 (semantic diffusion model).
"""

import torch
import torch.nn.functional as F
from torch import nn

GROUPS = 32
_CACHED_NUMBERS = 1 << 28  # at most so many scales and shifts are kept for the next step (1 GiB in float32)


def group_norm(x, weight=None, bias=None):
    """GroupNorm(32) in the number format of `x`.

    Autocast would turn its output to float32, twice the memory of the convolutions around it; the statistics are
    float32 inside the kernel either way.
    """
    with torch.autocast(x.device.type, enabled=False):
        if weight is not None:
            weight, bias = weight.to(x.dtype), bias.to(x.dtype)
        return F.group_norm(x, GROUPS, weight, bias)


class GroupNorm(nn.GroupNorm):
    """Plain GroupNorm(32) with learned scale and shift a channel."""

    def __init__(self, channels: int):
        super().__init__(GROUPS, channels)

    def forward(self, x):
        return group_norm(x, self.weight, self.bias)


class Spade(nn.Module):
    """GroupNorm(32) without affine, then x * (1 + gamma) + beta with gamma and beta convolved from the SSM."""

    def __init__(self, channels: int, ssm_channels: int, hidden: int):
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(ssm_channels, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x, condition: "Condition"):
        scale, shift = condition.modulation(self, x.shape[-2:])
        return torch.addcmul(shift.to(x.dtype), group_norm(x), scale.to(x.dtype))

    def modulation(self, ssm):
        """Scale 1 + gamma and shift beta, both (N, channels, h, w), for an SSM of that size."""
        hidden = self.mlp_shared(ssm)
        return 1 + self.mlp_gamma(hidden), self.mlp_beta(hidden)


class Condition:
    """An SSM made ready for the SPADEs of a network: its resized copies and, if wanted, their scales and shifts.

    The SSM does not change over the steps of a chain, so what is computed from it can be kept. `pooled` says how a
    smaller copy is made: by averaging (embedded SSM) or by the nearest pixel (one-hot SSM, as published).
    `keep` keeps scales and shifts too; only for inference, on unchanging weights.
    """

    def __init__(self, ssm, *, pooled: bool = False, keep: bool = False):
        self.pooled = pooled
        self._sizes = {tuple(ssm.shape[-2:]): ssm}
        self._full = ssm
        self._kept = {} if keep else None
        self._room = _CACHED_NUMBERS

    def resized(self, size):
        """SSM at `size` = (h, w)."""
        size = tuple(size)
        if size not in self._sizes:
            if self.pooled:
                self._sizes[size] = F.adaptive_avg_pool2d(self._full, size)
            else:
                self._sizes[size] = F.interpolate(self._full, size, mode="nearest")
        return self._sizes[size]

    def modulation(self, spade: Spade, size):
        """Scale and shift of one SPADE at `size`, from memory where they are kept."""
        if self._kept is None:
            return spade.modulation(self.resized(size))
        if spade in self._kept:
            return self._kept[spade]
        scale, shift = spade.modulation(self.resized(size))
        if 2 * scale.numel() <= self._room:
            self._room -= 2 * scale.numel()
            self._kept[spade] = scale, shift
        return scale, shift
