"""The independent judge: a small dense-convolution encoder-decoder for street scenes.

Dense 3x3 convolutions throughout, because those run fastest on CPUs with bfloat16 (depthwise ones are several times
slower to train). Strides 2, 4, 8, 16; the context of far objects comes from dilated blocks at stride 16; the decoder
climbs back to stride 2 so that poles and pedestrians, a few pixels wide at 256x512, survive.

It shares nothing with the segmenter `street`, with the network of the decoder's training loss or with the network of
`fd_lite0`, which are EfficientNets: no architecture, no starting weights, no seed.
"""

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F

from spic.errors import ConfigError

SIZE_MULTIPLE = 16


@dataclass(frozen=True)
class JudgeConfig:
    """Shape of the network: output classes, width a stride (2, 4, 8, 16), residual blocks at strides 4, 8, 16."""

    num_classes: int = 11
    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    blocks: tuple[int, int, int] = (2, 3, 4)

    @classmethod
    def from_dict(cls, values: dict) -> "JudgeConfig":
        """Build from JSON values; `ConfigError` names an unknown key."""
        unknown = set(values) - set(asdict(cls()))
        if unknown:
            raise ConfigError(f"judge: unknown setting {sorted(unknown)[0]!r}")
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


class ConvNorm(nn.Sequential):
    """3x3 (or 1x1) convolution and batch norm."""

    def __init__(self, channels_in, channels_out, stride=1, dilation=1, kernel=3):
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2 * dilation, dilation, bias=False),
            nn.BatchNorm2d(channels_out),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around an identity."""

    def __init__(self, channels, dilation=1):
        super().__init__()
        self.first = ConvNorm(channels, channels, dilation=dilation)
        self.second = ConvNorm(channels, channels)

    def forward(self, x):
        return F.relu(x + self.second(F.relu(self.first(x))))


class Down(nn.Sequential):
    """Halve the size, widen, then refine by residual blocks with the given dilations."""

    def __init__(self, channels_in, channels_out, dilations):
        super().__init__(
            ConvNorm(channels_in, channels_out, stride=2),
            nn.ReLU(),
            *(ResidualBlock(channels_out, dilation) for dilation in dilations),
        )


class Up(nn.Module):
    """Double the size, add the encoder's features of that size, fuse by one convolution."""

    def __init__(self, channels_in, channels_skip, channels_out):
        super().__init__()
        self.reduce = ConvNorm(channels_in, channels_out, kernel=1)
        self.skip = ConvNorm(channels_skip, channels_out, kernel=1)
        self.fuse = ConvNorm(channels_out, channels_out)

    def forward(self, x, skip):
        x = F.interpolate(self.reduce(x), size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return F.relu(self.fuse(F.relu(x + self.skip(skip))))


class JudgeNet(nn.Module):
    """Logits (N, classes, H, W) from normalised pictures (N, 3, H, W); H and W multiples of 16.

    ::

        picture -> stem /2 -> /4 -> /8 -> /16 (dilated, + global mean)
                     |         |      |      |
        logits <- up /2 <-- up /4 <- up /8 <-'
    """

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        w2, w4, w8, w16 = config.widths
        self.stem = nn.Sequential(ConvNorm(3, w2, stride=2), nn.ReLU(), ConvNorm(w2, w2), nn.ReLU())
        self.down4 = Down(w2, w4, [1] * config.blocks[0])
        self.down8 = Down(w4, w8, [1] * config.blocks[1])
        self.down16 = Down(w8, w16, [(1, 2, 4, 8)[i % 4] for i in range(config.blocks[2])])
        self.context = nn.Conv2d(w16, w16, 1)
        self.up8 = Up(w16, w8, w8)
        self.up4 = Up(w8, w4, w4)
        self.up2 = Up(w4, w2, w2)
        self.classify = nn.Conv2d(w2, config.num_classes, 1)

    def forward(self, x):
        x2 = self.stem(x)
        x4 = self.down4(x2)
        x8 = self.down8(x4)
        x16 = self.down16(x8)
        x16 = F.relu(x16 + self.context(x16.mean(dim=(2, 3), keepdim=True)))
        y = self.up2(self.up4(self.up8(x16, x8), x4), x2)
        return F.interpolate(self.classify(y), size=x.shape[-2:], mode="bilinear", align_corners=False)


def normalize(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W), channels_last, roughly zero mean and unit variance."""
    x = pictures.permute(0, 3, 1, 2).float()
    return ((x - 115.0) / 70.0).contiguous(memory_format=torch.channels_last)
