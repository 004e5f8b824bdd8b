"""A perceptual distance on frozen VGG16 features, for the decoder's second stage.

Johnson, Alahi, Fei-Fei 2016 (a loss on VGG16's activations). The network's plain activations are compared, without
the layer weights that LPIPS learned. The metric `lpips` of this project is AlexNet's.
"""

from pathlib import Path

import torch
from torch import nn

from spic.errors import WeightsError
from spic.metrics.perceptual import STAGES
from spic.training.losses import feature_distance
from spic.weights.reading import expand, read_state_dict

NEEDED = "the perceptual loss needs VGG16 as the weights of LPIPS have it (spic weights convert vgg16.ckpt)"
DEPTH = 4  # stages of VGG16 that are compared, of five
WINDOW = (64, 128)  # height and width of the part of a crop that is compared
_MEAN, _STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of ImageNet's images in [-1, 1], as LPIPS has them


class Vgg(nn.Module):
    """Distance of images (N, 3, H, W) in [-1, 1] by VGG16's activations after the first four stages.

    Parameters
    ----------
    path : path-like
        Weights of LPIPS on VGG16, trunk included.

    Raises
    ------
    WeightsError
        The file is missing, unreadable, or has no VGG16.
    """

    def __init__(self, path):
        super().__init__()
        state = read_state_dict(Path(expand(path)), NEEDED)
        self.stages = nn.ModuleList()
        channels = 3
        for number, stage in enumerate(STAGES["vgg"][:DEPTH], start=1):
            layers = []
            for layer in stage:
                key = layer and f"net.slice{number}.{layer[0]}"
                weight = layer and state.get(f"{key}.weight")
                if layer and (weight is None or weight.shape[1:] != (channels, 3, 3) or f"{key}.bias" not in state):
                    raise WeightsError(f"{path}: no VGG16; {NEEDED}")
                if layer is None:
                    layers.append(nn.MaxPool2d(2))
                    continue
                convolution = nn.Conv2d(channels, channels := len(weight), 3, padding=1)
                convolution.load_state_dict({"weight": weight.float(), "bias": state[f"{key}.bias"].float()})
                layers += [convolution, nn.ReLU()]
            self.stages.append(nn.Sequential(*layers))
        self.requires_grad_(False).eval()

    def forward(self, drawn, real, rng):
        """Distance of the same random window of each pair: scalar."""
        height, width = drawn.shape[2:]
        top = int(rng.integers(max(0, height - WINDOW[0]) + 1))
        left = int(rng.integers(max(0, width - WINDOW[1]) + 1))
        window = (..., slice(top, top + WINDOW[0]), slice(left, left + WINDOW[1]))
        with torch.no_grad():
            wanted = self.features(real[window])
        return feature_distance(self.features(drawn[window]), wanted)

    def features(self, x) -> list:
        """Activations after each stage."""
        x = (x - x.new_tensor(_MEAN).view(1, 3, 1, 1)) / x.new_tensor(_STD).view(1, 3, 1, 1)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found
