"""UPerNet's decode head (arXiv 1807.10221) as mmsegmentation has it, and the whole segmentation network.

Module names are those of the official state dict.
"""

from itertools import product

import torch
from torch import nn
from torch.nn import functional as F

from spic.segmentation.internimage.backbone import InternImage
from spic.segmentation.internimage.sizes import Size

WIDTH = 512
POOLED_SIDES = (1, 2, 3, 6)
_AT_ONCE = 64  # output channels of `conv3x3_of_maps` at once: bounds the memory and stays in the cache


class UPerNet(nn.Module):
    """Normalised images (N, 3, H, W) to logits (N, classes, H, W).

    `auxiliary_head`, on the third feature, served the training only; it is here because the official files have it.
    """

    def __init__(self, size: Size, num_classes: int):
        super().__init__()
        self.backbone = InternImage(size)
        self.decode_head = DecodeHead(size.level_channels, num_classes)
        convs = nn.Sequential(ConvModule(size.level_channels[2], 256, 3))
        self.auxiliary_head = nn.ModuleDict({"conv_seg": nn.Conv2d(256, num_classes, 1), "convs": convs})

    def forward(self, x):
        return resize(self.decode_head(self.backbone(x)), x.shape[-2:])


class ConvModule(nn.Sequential):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
        self.bn, self.act = nn.BatchNorm2d(channels_out), nn.ReLU()


class ConvOfMaps(ConvModule):
    """The same 3x3 module on the concatenation of maps, each resized to the size of the first."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__(channels_in, channels_out, 3)
        self.fast = True

    def forward(self, maps):
        if self.fast and maps[0].device.type == "cpu":
            y = conv3x3_of_maps(maps, self.conv.weight)
        else:
            y = self.conv(torch.cat([resize(x, maps[0].shape[-2:]) for x in maps], 1))
        return F.relu(self.bn(y))


class DecodeHead(nn.Module):
    """Four features, finest first, to logits at the size of the finest.

    ::

        feature 3 -> pooled to 1, 2, 3, 6 per side, joined -> bottleneck ------------------.
        feature 2 -> lateral -> + resized from above -> fpn conv ----------------------. |
        feature 1 -> lateral -> + resized from above -> fpn conv --------------------. | |
        feature 0 -> lateral -> + resized from above -> fpn conv -> fpn_bottleneck of all four -> conv_seg
    """

    def __init__(self, channels, num_classes: int):
        super().__init__()
        self.conv_seg = nn.Conv2d(WIDTH, num_classes, 1)
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), ConvModule(channels[3], WIDTH, 1)) for side in POOLED_SIDES
        )
        self.bottleneck = ConvOfMaps(channels[3] + len(POOLED_SIDES) * WIDTH, WIDTH)
        self.lateral_convs = nn.ModuleList(ConvModule(width, WIDTH, 1) for width in channels[:3])
        self.fpn_convs = nn.ModuleList(ConvModule(WIDTH, WIDTH, 3) for _ in channels[:3])
        self.fpn_bottleneck = ConvOfMaps(4 * WIDTH, WIDTH)

    def forward(self, features):
        maps = [self.bottleneck([features[3], *(module(features[3]) for module in self.psp_modules)])]
        above = maps[0]
        for i in (2, 1, 0):
            lateral = self.lateral_convs[i](features[i])
            above = lateral + resize(above, lateral.shape[-2:])
            maps.insert(0, self.fpn_convs[i](above))
        return self.conv_seg(self.fpn_bottleneck(maps))


def resize(x, size):
    """Bilinear interpolation of (N, C, H, W) to `size`, pixel centres aligned as `align_corners=False` does."""
    return x if x.shape[-2:] == torch.Size(size) else F.interpolate(x, size, mode="bilinear", align_corners=False)


def conv3x3_of_maps(maps, weight):
    """Convolve the concatenation of maps resized to the first one's size.

    UPerNet joins maps of strides 4, 8, 16 and 32 at stride 4: three quarters of its work would go into pixels that were
    only interpolated. Both steps are linear, so the nine taps of the kernel are applied at the small size, and the
    results are resized, shifted and added.

    Parameters
    ----------
    maps : list of torch.Tensor
        (N, C_i, h_i, w_i); the first is the largest.
    weight : torch.Tensor
        (C_out, sum of C_i, 3, 3); zero padding 1, stride 1, no bias.

    Returns
    -------
    torch.Tensor
        (N, C_out, h_0, w_0); equal to the direct evaluation up to rounding.
    """
    size, outputs = maps[0].shape[-2:], []
    for kernels in weight.split(_AT_ONCE):
        first, *others = kernels.split([x.shape[1] for x in maps], 1)
        total = F.conv2d(maps[0], first, padding=1)
        for x, part in zip(maps[1:], others, strict=True):
            for row, column in product(range(3), repeat=2):
                tap = resize(F.conv2d(x, part[:, :, row : row + 1, column : column + 1]), size)
                total += F.pad(tap, (1 - column, column - 1, 1 - row, row - 1))
        outputs.append(total)
    return torch.cat(outputs, 1)
