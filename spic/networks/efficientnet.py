"""The EfficientNet-Lite encoders: body of the segmenter `street`, and with its head the network of `fd_lite0`.

They are written out here instead of taken from timm: importing timm and torchvision costs more CPU time than segmenting
ten images.

Source: Tan & Le 2019 (EfficientNet, table 1 and compound scaling), Lite variants as in TensorFlow's
efficientnet_lite_builder.py: no squeeze-and-excitation, ReLU6, stem and last stage not scaled.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

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
STEM, HEAD = 32, 1280  # channels of the first and the last convolution


def scaled_channels(base: int, width: float) -> int:
    """Scaled channels: the nearest multiple of 8, never less than 0.9 of the exact value."""
    exact = base * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding: at stride 2 the odd pixel goes to the right and below."""

    def __init__(self, channels_in, channels_out, kernel, stride=1, groups=1):
        super().__init__(
            channels_in, channels_out, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups, bias=False
        )

    def forward(self, x):
        if self.stride[0] == 1:
            return super().forward(x)
        packed = x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
        if packed and not any(side % 2 for side in x.shape[-2:]):
            # A kernel with zeros in front does the same to the last bit and spares a padded copy of the map.
            weight, padding = F.pad(self.weight, (1, 0, 1, 0)), (self.kernel_size[0] - 1) // 2
            return F.conv2d(x, weight, self.bias, self.stride, padding, 1, self.groups)
        height, width = (self.kernel_size[0] - (side % 2 or 2) for side in x.shape[-2:])  # for stride 2
        return super().forward(F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2)))


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation as these networks were trained with."""
    return nn.BatchNorm2d(channels, eps=1e-3)


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter each channel, project by 1x1; around an identity where shapes allow."""

    def __init__(self, channels_in, channels_out, expansion, kernel, stride):
        super().__init__()
        hidden = channels_in * expansion
        layers = [SameConv(channels_in, hidden, 1), norm(hidden), nn.ReLU6()] if expansion > 1 else []
        layers += [SameConv(hidden, hidden, kernel, stride, groups=hidden), norm(hidden), nn.ReLU6()]
        self.layers = nn.Sequential(*layers, SameConv(hidden, channels_out, 1), norm(channels_out))
        self.identity = stride == 1 and channels_in == channels_out

    def forward(self, x):
        return x + self.layers(x) if self.identity else self.layers(x)


class LiteEncoder(nn.Module):
    """EfficientNet-Lite up to its last stage: features at strides 2, 4, 8, 16 and 32 (their channels: `widths`).

    Parameters
    ----------
    width, depth : float
        Compound scaling of channels and blocks; 1.0 and 1.0 are Lite0, 1.1 and 1.2 Lite2.
    stem : int
        Channels of the first convolution.
    """

    def __init__(self, width: float = 1.0, depth: float = 1.0, stem: int = STEM):
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, stem, 3, 2), norm(stem), nn.ReLU6())
        self.stages, self.widths, channels = nn.ModuleList(), [], stem
        for i, (expansion, kernel, stride, base, blocks) in enumerate(STAGES):
            if stride == 2:
                self.widths.append(channels)  # what the scale above ends with
            fixed = i in (0, len(STAGES) - 1)
            scaled, layers = scaled_channels(base, width), []
            for j in range(blocks if fixed else math.ceil(blocks * depth)):
                layers.append(InvertedResidual(channels, scaled, expansion, kernel, stride if j == 0 else 1))
                channels = scaled
            self.stages.append(nn.Sequential(*layers))
        self.widths.append(channels)

    def forward(self, x):
        x, scales = self.stem(x), []
        for stage, (_, _, stride, _, _) in zip(self.stages, STAGES, strict=True):
            if stride == 2:
                scales.append(x)
            x = stage(x)
        return [*scales, x]


class LiteFeatures(nn.Module):
    """EfficientNet-Lite0 before its classifier: (N, 3, H, W) normalised to (N, 1280), the mean of the last maps."""

    def __init__(self):
        super().__init__()
        self.encoder = LiteEncoder()
        self.head = nn.Sequential(SameConv(self.encoder.widths[-1], HEAD, 1), norm(HEAD), nn.ReLU6())

    def forward(self, x):
        return self.head(self.encoder(x)[-1]).mean(dim=(2, 3))
