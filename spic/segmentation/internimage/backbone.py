"""InternImage, the backbone: a stem, then four levels of DCNv3 blocks at strides 4, 8, 16 and 32.

Inside, a map is (N, H, W, C); module names are those of the official state dict.

Source: InternImage (arXiv 2211.05778), section 3.2.
"""

from collections import OrderedDict

import torch
from torch import nn

from spic.segmentation.internimage.dcnv3 import DCNv3, Permute
from spic.segmentation.internimage.sizes import GROUP_CHANNELS, Size

_CHUNK = 1 << 21  # hidden values of an MLP at once: bounds the memory and stays in the cache


class InternImage(nn.Module):
    """Normalised images (N, 3, H, W) to the four features, (N, C << i, H / (4 << i), W / (4 << i)) rounded up."""

    def __init__(self, size: Size):
        super().__init__()
        channels = size.level_channels
        self.patch_embed = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(3, channels[0] // 2, 3, stride=2, padding=1),
                norm1=nn.Sequential(Permute(0, 2, 3, 1), _norm(channels[0] // 2)),
                gelu=nn.GELU(),
                planes=Permute(0, 3, 1, 2),
                conv2=nn.Conv2d(channels[0] // 2, channels[0], 3, stride=2, padding=1),
                norm2=nn.Sequential(Permute(0, 2, 3, 1), _norm(channels[0])),
            )
        )
        self.levels = nn.ModuleList(
            Level(channels[i], size.depths[i], size.offset_scale, size.post_norm, last=i == 3) for i in range(4)
        )

    def forward(self, x):
        x = self.patch_embed(x)
        features = []
        for level in self.levels:
            feature, x = level(x)
            features.append(feature.permute(0, 3, 1, 2))
        return features


class Level(nn.Module):
    """Blocks of one width. Returns the level's feature and, but for the last level, the input of the next.

    The latter has half the size and twice the width.
    """

    def __init__(self, channels: int, depth: int, offset_scale: float, post_norm: bool, last: bool):
        super().__init__()
        self.blocks = nn.ModuleList(Block(channels, offset_scale, post_norm) for _ in range(depth))
        self.norm = nn.Identity() if post_norm else nn.Sequential(_norm(channels))
        self.downsample = None
        if not last:
            self.downsample = nn.Sequential(
                OrderedDict(
                    planes=Permute(0, 3, 1, 2),
                    conv=nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False),
                    norm=nn.Sequential(Permute(0, 2, 3, 1), _norm(2 * channels)),
                )
            )

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return x, None if self.downsample is None else self.downsample(x)


class Block(nn.Module):
    """DCNv3 and an MLP, each with a norm, a learned scale per channel and an identity around it."""

    def __init__(self, channels: int, offset_scale: float, post_norm: bool):
        super().__init__()
        self.post_norm = post_norm
        self.gamma1 = nn.Parameter(torch.ones(channels))
        self.gamma2 = nn.Parameter(torch.ones(channels))
        self.norm1 = nn.Sequential(_norm(channels))
        self.dcn = DCNv3(channels, channels // GROUP_CHANNELS, offset_scale)
        self.norm2 = nn.Sequential(_norm(channels))
        self.mlp = Mlp(channels)

    def forward(self, x):
        if self.post_norm:
            x = torch.addcmul(x, self.gamma1, self.norm1(self.dcn(x)))
            return torch.addcmul(x, self.gamma2, self.norm2(self.mlp(x)))
        x = torch.addcmul(x, self.gamma1, self.dcn(self.norm1(x)))
        return torch.addcmul(x, self.gamma2, self.mlp(self.norm2(x)))


class Mlp(nn.Module):
    """Each pixel by itself: four times wider, GELU, back; a few pixels at a time."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x):
        pixels = x.flatten(0, -2).split(max(1, _CHUNK // self.fc1.out_features))
        return torch.cat([self.fc2(nn.functional.gelu(self.fc1(part))) for part in pixels]).view(x.shape)


def _norm(channels: int) -> nn.LayerNorm:
    return nn.LayerNorm(channels, eps=1e-6)
