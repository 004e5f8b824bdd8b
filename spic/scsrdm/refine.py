"""A last look at full resolution, for networks whose U-Net works on patches.

With a patch of 4 the U-Net never sees where inside a patch a class begins, and its head must draw 48 values from each
feature vector. This head starts from what the U-Net drew, the coarse picture and the full SSM, on patches of 2 pixels.
"""

import torch
import torch.nn.functional as F
from torch import nn

PATCH = 2


class Refine(nn.Module):
    """Correction (N, 3, H, W) to a prediction from [x0, coarse picture enlarged, SSM]; zero when fresh.

    Parameters
    ----------
    channels : int
        Width of the four 3x3 convolutions, at half the picture's height and width.
    ssm_planes : int
        Channels of the one-hot SSM.
    """

    def __init__(self, channels: int, ssm_planes: int):
        super().__init__()
        self.embed = nn.Conv2d((6 + ssm_planes) * PATCH**2, channels, 3, padding=1)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=2, dilation=2)
        self.out = nn.Conv2d(channels, 3 * PATCH**2, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x0, c, ssm_onehot):
        planes = torch.cat([x0, c, ssm_onehot.to(x0.dtype).expand(len(x0), -1, -1, -1)], dim=1)
        planes = planes.to(self.embed.weight.dtype)
        h = F.silu(self.embed(F.pixel_unshuffle(planes, PATCH)))
        h = F.silu(h + self.second(F.silu(self.first(h))))
        return F.pixel_shuffle(self.out(h), PATCH).float()
