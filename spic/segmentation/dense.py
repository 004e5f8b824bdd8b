"""A segmenter from scratch: dense 3x3 convolutions, no pretrained encoder.

It shares nothing with the EfficientNets of this project (`street`, `pyramid`, the discriminators of the decoder's
training, `fd_lite0`): no architecture, no starting weights, no data but the labelled street images. It is meant for the
judge.

Dense convolutions run faster than depthwise ones in training, most of all in bfloat16. The finest scale of the decoder
is stride 2, so that poles and pedestrians, a few pixels wide at 256x512, survive.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from spic.errors import ConfigError
from spic.networks.config import Shape

SIZE_MULTIPLE = 32
_DILATIONS = (1, 2, 4)


@dataclass(frozen=True)
class DenseConfig(Shape):
    """Shape of the network.

    Attributes
    ----------
    num_classes : int
        Output classes.
    widths : tuple of int
        Channels at strides 2, 4, 8, 16 and 32.
    blocks : tuple of int
        Residual blocks at strides 4, 8, 16 and 32.
    decoder : tuple of int
        Channels of the decoder at strides 2, 4, 8 and 16.
    """

    num_classes: int = 11
    widths: tuple[int, ...] = (32, 64, 128, 192, 256)
    blocks: tuple[int, ...] = (2, 3, 3, 2)
    decoder: tuple[int, ...] = (48, 64, 96, 128)

    def __post_init__(self):
        if [len(self.widths), len(self.blocks), len(self.decoder)] != [5, 4, 4]:
            raise ConfigError("dense segmenter: widths has 5 numbers, blocks and decoder have 4")


def convolution(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1, dilation: int = 1):
    """Convolution and batch norm; the size is kept, or divided by `stride`."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2 * dilation, dilation, bias=False),
        nn.BatchNorm2d(channels_out),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions around an identity; the first may be dilated."""

    def __init__(self, channels, dilation=1):
        super().__init__()
        self.first = convolution(channels, channels, dilation=dilation)
        self.second = convolution(channels, channels)

    def forward(self, x):
        return F.relu(x + self.second(F.relu(self.first(x))))


class Climb(nn.Module):
    """Double the size, put the encoder's features of that size beside, fuse by two 3x3 convolutions."""

    def __init__(self, channels_in, channels_skip, channels_out):
        super().__init__()
        self.reduce = convolution(channels_in, channels_out, 1)
        self.fuse = convolution(channels_out + channels_skip, channels_out)
        self.refine = Residual(channels_out)

    def forward(self, x, skip):
        x = F.interpolate(F.relu(self.reduce(x)), size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return self.refine(F.relu(self.fuse(torch.cat([x, skip], 1))))


class DenseNet(nn.Module):
    """Logits (N, classes, H, W) from normalised images (N, 3, H, W); H and W multiples of 32.

    ::

        image -> stem /2 -> /4 -> /8 -> /16 -> /32 (dilated, + global mean)
                    |        |     |      |      |
        logits <-- /2 <---- /4 <- /8 <-- /16 <---'
    """

    def __init__(self, config: DenseConfig):
        super().__init__()
        self.config = config
        first, *rest = config.widths
        self.stem = nn.Sequential(convolution(3, first, stride=2), nn.ReLU(), convolution(first, first), nn.ReLU())
        self.stages = nn.ModuleList(
            nn.Sequential(
                convolution(before, width, stride=2),
                nn.ReLU(),
                *(Residual(width, _DILATIONS[k % len(_DILATIONS)] if i >= 2 else 1) for k in range(blocks)),
            )
            for i, (before, width, blocks) in enumerate(zip(config.widths[:-1], rest, config.blocks, strict=True))
        )
        top, outs = config.widths[-1], config.decoder[::-1]  # from the coarsest on
        self.context = nn.Conv2d(top, top, 1)
        self.climbs = nn.ModuleList(map(Climb, (top, *outs[:-1]), config.widths[-2::-1], outs))
        self.classify = nn.Conv2d(outs[-1], config.num_classes, 1)

    def forward(self, x):
        scales = [self.stem(x)]
        for stage in self.stages:
            scales.append(stage(scales[-1]))
        *scales, y = scales
        y = F.relu(y + self.context(y.mean(dim=(2, 3), keepdim=True)))
        for climb, skip in zip(self.climbs, scales[::-1], strict=True):
            y = climb(y, skip)
        return F.interpolate(self.classify(y), size=x.shape[-2:], mode="bilinear", align_corners=False)


def normalize(images: torch.Tensor) -> torch.Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W), channels_last, roughly zero mean and unit variance."""
    return ((images.permute(0, 3, 1, 2).float() - 115.0) / 70.0).contiguous(memory_format=torch.channels_last)
