"""The perceptual loss: against the same layers of torchvision's order, and files that are no VGG16."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spic.errors import WeightsError
from spic.training.losses import feature_distance
from spic.training.perceptual import Vgg

WINDOW = (64, 128)

PLAN = [
    64,
    64,
    "M",
    128,
    128,
    "M",
    256,
    256,
    256,
    "M",
    512,
    512,
    512,
]  # VGG16, to conv4_3
SLICES = (4, 9, 16, 23)  # where the published slices of LPIPS end


@pytest.fixture(scope="module")
def trunk():
    """VGG16's layers to conv4_3 in torchvision's order, of random weights."""
    torch.manual_seed(0)
    layers, channels = [], 3
    for width in PLAN:
        if width == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def file(trunk, tmp_path_factory):
    state = {}
    for name, tensor in trunk.state_dict().items():
        index = int(name.split(".")[0])
        number = 1 + sum(index >= end for end in SLICES)
        state[f"net.slice{number}.{name}"] = tensor
    path = tmp_path_factory.mktemp("vgg") / "vgg.pt"
    torch.save(state, path)
    return path


def test_against_torchvisions_order(trunk, file):
    vgg = Vgg(file)
    a, b = (torch.rand(2, 3, *WINDOW, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i in (1, 2))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def stages(x):
        y = ((x + 1) / 2 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
        found = []
        for i, layer in enumerate(trunk):
            y = layer(y)
            if i + 1 in SLICES:
                found.append(y)
        return found

    with torch.no_grad():
        expected = feature_distance(stages(a), stages(b))
        found = vgg(a, b, np.random.default_rng(0))
    assert found == pytest.approx(float(expected), rel=2e-3)  # LPIPS rounds ImageNet's mean and deviation
    assert vgg(a, a, np.random.default_rng(0)) == 0


def test_it_teaches_what_is_drawn_and_nothing_else(file):
    vgg = Vgg(file, window=WINDOW)
    drawn = torch.zeros(1, 3, 96, 160, requires_grad=True)
    vgg(drawn, torch.ones(1, 3, 96, 160) * 0.5, np.random.default_rng(3)).backward()
    part = (drawn.grad.abs().sum((0, 1)) > 0).nonzero()
    height, width = (part.max(0).values - part.min(0).values + 1).tolist()
    assert height <= WINDOW[0] and width <= WINDOW[1] and height * width > 0.8 * WINDOW[0] * WINDOW[1]
    assert not any(weight.requires_grad for weight in vgg.weights.values())


def test_small_crops_are_compared_whole(file):
    vgg = Vgg(file)
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    assert vgg(x, F.avg_pool2d(x, 3, 1, 1), np.random.default_rng(0)) > 0


@pytest.mark.parametrize("damage", ["missing", "shape", "alex", "none"])
def test_what_is_no_vgg(damage, file, tmp_path):
    state, path = torch.load(file), tmp_path / "weights.pt"
    if damage == "missing":
        del state["net.slice3.12.bias"]
    elif damage == "shape":
        state["net.slice2.5.weight"] = torch.zeros(128, 3, 3, 3)
    elif damage == "alex":
        state = {"net.slice1.0.weight": torch.zeros(64, 3, 11, 11), "net.slice1.0.bias": torch.zeros(64)}
    torch.save(state, path)
    with pytest.raises(WeightsError, match="VGG16"):
        Vgg(tmp_path / "nothing.pt" if damage == "none" else path)
