"""A perceptual distance on frozen VGG16 features, for the decoder's second stage.

Johnson, Alahi, Fei-Fei 2016 (a loss on VGG16's activations). The network's plain activations are compared, without
the layer weights that LPIPS learned. The metric `lpips` of this project is AlexNet's.
"""

from pathlib import Path

import torch

from spic.metrics.perceptual import check_shapes, stage_maps, trunk_shapes
from spic.networks.constants import constant
from spic.training.losses import feature_distance
from spic.training.views import window
from spic.weights.reading import expand, read_state_dict

NEEDED = "the perceptual loss needs VGG16 as the weights of LPIPS have it (spic weights convert vgg16.ckpt)"
DEPTH = 4  # stages of VGG16 that are compared, of five
_MEAN, _STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of ImageNet's images in [-1, 1], as LPIPS has them


class Vgg:
    """Distance of images (N, 3, H, W) in [-1, 1] by VGG16's activations after the first four stages.

    Parameters
    ----------
    path : path-like
        Weights of LPIPS on VGG16; of the trunk the first four stages, the rest may be missing.
    device : str
        Where the images will be.
    window : (int, int)
        Height and width of the part of each image that is compared.

    Raises
    ------
    WeightsError
        The file is missing, unreadable, or has no VGG16.
    """

    def __init__(self, path, device: str = "cpu", window=(64, 128)):
        self.window = window
        state = read_state_dict(Path(expand(path)), NEEDED)
        shapes = trunk_shapes(state, "vgg", DEPTH)
        check_shapes(state, shapes, path, NEEDED)
        self.weights = {key: state[key].float().to(device) for key in shapes}

    def __call__(self, drawn, real, corner):
        """Distance of the same window of each pair, whose top and left are `corner`, int64 (2,): scalar."""
        drawn, real = (window(x, corner, self.window) for x in (drawn, real))
        with torch.no_grad():
            wanted = self.features(real)
        return feature_distance(self.features(drawn), wanted)

    def features(self, x) -> list:
        """Activations after each stage."""
        x = (x - constant(_MEAN, x).view(1, 3, 1, 1)) / constant(_STD, x).view(1, 3, 1, 1)
        return list(stage_maps(x, self.weights, "vgg", DEPTH))
