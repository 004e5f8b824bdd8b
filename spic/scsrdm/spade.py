"""SPADE: normalisation whose scale and shift come from the segmentation map (SSM), pixel by pixel.

Sources: Park et al. 2019 (SPADE, equation 1); Wang et al., arXiv 2207.00050 (semantic diffusion model).
"""

import torch
import torch.nn.functional as F
from torch import nn

GROUPS = 32
_BORDER = 2  # how far the zero padding of two 3x3 convolutions reaches into a map


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

    def forward(self, x, conditions=None):
        return group_norm(x, self.weight, self.bias)


class Spade(nn.Module):
    """GroupNorm(32) without affine, then x * (1 + gamma) + beta with gamma and beta convolved from the SSM.

    `level` says where in the U-Net it sits: its feature map is 2**level times smaller than the finest one.
    """

    def __init__(self, channels: int, ssm_channels: int, hidden: int, level: int):
        super().__init__()
        self.channels, self.level = channels, level
        self.index = None  # its place in a `Condition`; the network counts its SPADEs
        self.mlp_shared = nn.Sequential(nn.Conv2d(ssm_channels, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x, conditions):
        """Modulate x; with k conditions its batch is k equal parts, one a condition (then without gradients)."""
        x = group_norm(x)
        if len(conditions) == 1:
            scale, shift = conditions[0].modulation(self, x.dtype)
            return torch.addcmul(shift, x, scale)
        for part, condition in zip(x.chunk(len(conditions)), conditions, strict=True):
            scale, shift = condition.modulation(self, x.dtype)
            torch.addcmul(shift, part, scale, out=part)
        return x

    def modulation(self, ssm, dtype=None):
        """Scale 1 + gamma and shift beta, both (N, channels, h, w), for an SSM of that size."""
        hidden = self.mlp_shared(ssm)
        return tuple(part.to(dtype or part.dtype) for part in (1 + self.mlp_gamma(hidden), self.mlp_beta(hidden)))


class Condition:
    """An SSM made ready for the SPADEs of a network: a copy for each level and, where kept, scales and shifts.

    Parameters
    ----------
    ssm : torch.Tensor
        (N or 1, C, h, w), the SSM at the finest level.
    levels : int
        How many levels there are.
    onehot : torch.Tensor
        The SSM itself, which `spic.scsrdm.refine` looks at.
    pooled : bool
        Make the smaller copies by averaging (embedded SSM) and not by the nearest pixel (one-hot SSM, as published).
    """

    def __init__(self, ssm, levels: int, onehot, pooled: bool):
        self.ssm, self.onehot = [ssm], onehot
        for level in range(1, levels):
            size = [side >> level for side in ssm.shape[-2:]]
            self.ssm.append(F.adaptive_avg_pool2d(ssm, size) if pooled else F.interpolate(ssm, size, mode="nearest"))
        self.kept = {}

    def keep(self, spades, room: float = float("inf"), dtype=None) -> "Condition":
        """Compute scales and shifts now, once for all steps of a chain, as many as fit into `room` bytes.

        Only for inference, on weights that do not change. Deep levels come first: each byte saves about the same work
        everywhere, and there many fit. The others stay as they were, computed at each use.
        """
        for spade in sorted(spades, key=lambda spade: -spade.level):
            ssm = self.ssm[spade.level]
            cost = 2 * spade.channels * ssm[:, 0].numel() * (dtype or ssm.dtype).itemsize
            if cost <= room:
                room -= cost
                self.kept[spade.index] = spade.modulation(ssm, dtype)
        return self

    def modulation(self, spade: Spade, dtype):
        """Scale and shift of one SPADE, (N or 1, channels, h, w)."""
        kept = self.kept.get(spade.index)
        return spade.modulation(self.ssm[spade.level], dtype) if kept is None else kept


class NullCondition:
    """The condition of an SSM that is zero everywhere, from 25 numbers per channel.

    Away from the border all its pixels are alike, so scales and shifts of a 5x5 SSM, their middle row and column
    repeated, are those of any larger one. Computed once a model and size, on weights that do not change.

    Parameters
    ----------
    spades : iterable of Spade
        All of a network.
    pixel : torch.Tensor
        (1, C, 1, 1), a pixel of the null SSM as the SPADEs see it.
    size : (int, int)
        Height and width at the finest level.
    onehot : torch.Tensor
        The SSM itself, as in `Condition`.
    """

    def __init__(self, spades, pixel, size, onehot, dtype=None):
        self.kept, self.places, self.onehot = {}, {}, onehot
        for spade in spades:
            sides = [side >> spade.level for side in size]
            if spade.level not in self.places:
                self.places[spade.level] = [_places(side, pixel.device) for side in sides]
            plane = pixel.expand(-1, -1, *(min(side, 2 * _BORDER + 1) for side in sides))
            self.kept[spade.index] = tuple(part.permute(0, 2, 3, 1) for part in spade.modulation(plane, dtype))

    def modulation(self, spade: Spade, dtype):
        """Scale and shift of one SPADE, (1, channels, h, w)."""
        rows, columns = self.places[spade.level]
        return tuple(
            small.index_select(1, rows).index_select(2, columns).permute(0, 3, 1, 2).to(dtype)
            for small in self.kept[spade.index]
        )


def _places(side: int, device):
    """For each of `side` pixels that one of five (or fewer) with the same distances, up to 2, to both borders."""
    pixels = torch.arange(side, device=device)
    if side <= 2 * _BORDER + 1:
        return pixels
    return pixels.clamp(max=_BORDER) + (pixels - (side - 1 - _BORDER)).clamp(min=0)
