"""A segmenter of two parts: an EfficientNet-Lite1 encoder under a feature pyramid.

The encoder starts from the ImageNet weights of Lite1: the discriminators of the decoder's training have Lite2's,
`fd_lite0` has Lite0's. The finest scale is stride 2, where far pedestrians and thin signs still have pixels.

Source: Lin et al. 2017 (feature pyramid networks), its semantic branch after Kirillov et al. 2019, at stride 2.
"""

from dataclasses import dataclass

from torch import nn
from torch.nn import functional as F

from spic.networks.config import Shape
from spic.networks.efficientnet import LITE, LiteEncoder, norm

SIZE_MULTIPLE = 32


@dataclass(frozen=True)
class PyramidConfig(Shape):
    """Shape of the network: output classes, scaling of the encoder (Lite1), channels of the pyramid."""

    num_classes: int = 11
    width: float = LITE["lite1"][0]
    depth: float = LITE["lite1"][1]
    pyramid: int = 64


class Filter(nn.Sequential):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, channels):
        super().__init__(nn.Conv2d(channels, channels, 3, padding=1, bias=False), norm(channels), nn.ReLU())


class PyramidNet(nn.Module):
    """Logits (N, classes, H, W) from images (N, 3, H, W) normalised as for `street`; H and W multiples of 32.

    ::

        image -> /2 -> /4 -> /8 -> /16 -> /32 (+ global mean)    encoder
                   |     |     |      |      |
                   + <-- + <-- + <--- + <----'                     pyramid
                   |     |     |      |
        logits <- (sum of the filtered scales at /2)
    """

    def __init__(self, config: PyramidConfig):
        super().__init__()
        self.config = config
        self.encoder = LiteEncoder(config.width, config.depth)
        widths, channels = self.encoder.widths, config.pyramid
        self.context = nn.Conv2d(widths[-1], widths[-1], 1)
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), norm(channels)) for width in widths
        )
        self.filters = nn.ModuleList(Filter(channels) for _ in widths)
        self.merge = Filter(channels)
        self.classify = nn.Conv2d(channels, config.num_classes, 1)

    def forward(self, x):
        *scales, top = self.encoder(x)
        top = top + self.context(top.mean(dim=(2, 3), keepdim=True))
        y = self.lateral[-1](top)
        total = self.filters[-1](y)
        for feature, lateral, kernel in zip(scales[::-1], self.lateral[-2::-1], self.filters[-2::-1], strict=True):
            y = lateral(feature) + _resized(y, feature)
            total = kernel(y) + _resized(total, y)
        return _resized(self.classify(self.merge(total)), x)


def _resized(x, like):
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
