"""What a codec took from the coarse image, put back before a decoder sees it.

A small network on the coarse image's own grid, a sixteenth of the pixels: it knows what the codec does to streets, and
from the SSM where one thing ends and another begins. It learns by itself, from pairs of coarse images before and after
coding (`spic.training.restore`), and needs no word of the QP.
"""

import torch
import torch.nn.functional as F
from torch import nn

from spic.scsrdm import refine
from spic.scsrdm.config import RESTORE_GROUPS
from spic.scsrdm.refine import PATCH, zeroed

_SCALE = 0.2  # of the correction


class Restore(nn.Module):
    """Coarse images (N, 3, h, w) in [-1, 1] closer to what they were before coding; as they are when fresh.

    Parameters
    ----------
    channels : int
        Width of the 3x3 convolutions, on patches of 2x2 coarse pixels; a multiple of 8.
    blocks : int
        Residual blocks; their dilations are 1, 2, 4, 1, 2, ...
    ssm_planes : int
        Channels of the one-hot SSM; what share of a coarse pixel each class has is seen.
    """

    def __init__(self, channels: int, blocks: int, ssm_planes: int):
        super().__init__()
        self.first = nn.Conv2d((3 + ssm_planes) * PATCH**2, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(channels, (1, 2, 4)[i % 3]) for i in range(blocks)))
        self.last = zeroed(nn.Conv2d(channels, 3 * PATCH**2, 3, padding=1))

    def forward(self, coarse, shares):
        """shares : (N or 1, planes, h, w), that of each class in each coarse pixel; h and w are even."""
        planes = torch.cat([coarse, shares.expand(len(coarse), -1, -1, -1)], dim=1)
        h = self.blocks(self.first(F.pixel_unshuffle(planes, PATCH)))
        return coarse + _SCALE * F.pixel_shuffle(self.last(F.silu(h)), PATCH).float()


class Block(refine.Block):
    """That of the head, behind a normalisation."""

    def __init__(self, channels, dilation):
        super().__init__(channels, dilation)
        self.norm = nn.GroupNorm(RESTORE_GROUPS, channels)

    def forward(self, x):
        return x + self.second(F.silu(self.first(F.silu(self.norm(x)))))
