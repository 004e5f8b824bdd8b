"""The perceptual loss: against the same layers of torchvision's order, and files that are no VGG16."""

import pytest
import torch
from torch.nn import functional as F

from spic.errors import WeightsError
from spic.training.losses import feature_distance
from spic.training.perceptual import Vgg

WINDOW = (64, 128)
CORNER = torch.tensor([0, 0])


def test_against_torchvisions_order(vgg_trunk, vgg_file):
    vgg = Vgg(vgg_file)
    a, b = (torch.rand(2, 3, *WINDOW, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i in (1, 2))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def stages(x):
        y = ((x + 1) / 2 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
        found = []
        for i, layer in enumerate(vgg_trunk, 1):
            y = layer(y)
            if i in (4, 9, 16, 23):  # where the published slices of LPIPS end
                found.append(y)
        return found

    with torch.no_grad():
        expected = feature_distance(stages(a), stages(b))
        found = vgg(a, b, CORNER)
    assert found == pytest.approx(float(expected), rel=2e-3)  # LPIPS rounds ImageNet's mean and deviation
    assert vgg(a, a, CORNER) == 0


def test_it_teaches_what_is_drawn_and_nothing_else(vgg_file):
    vgg = Vgg(vgg_file, window=WINDOW)
    drawn = torch.zeros(1, 3, 96, 160, requires_grad=True)
    vgg(drawn, torch.ones(1, 3, 96, 160) * 0.5, torch.tensor([9, 20])).backward()
    part = (drawn.grad.abs().sum((0, 1)) > 0).nonzero()
    height, width = (part.max(0).values - part.min(0).values + 1).tolist()
    assert height <= WINDOW[0] and width <= WINDOW[1] and height * width > 0.8 * WINDOW[0] * WINDOW[1]
    assert not any(weight.requires_grad for weight in vgg.weights.values())


def test_small_crops_are_compared_whole(vgg_file):
    vgg = Vgg(vgg_file)
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    assert vgg(x, F.avg_pool2d(x, 3, 1, 1), CORNER) > 0


@pytest.mark.parametrize("damage", ["missing", "shape", "alex", "none"])
def test_what_is_no_vgg(damage, vgg_file, tmp_path):
    state, path = torch.load(vgg_file), tmp_path / "weights.pt"
    if damage == "missing":
        del state["net.slice3.12.bias"]
    elif damage == "shape":
        state["net.slice2.5.weight"] = torch.zeros(128, 3, 3, 3)
    elif damage == "alex":
        state = {"net.slice1.0.weight": torch.zeros(64, 3, 11, 11), "net.slice1.0.bias": torch.zeros(64)}
    torch.save(state, path)
    with pytest.raises(WeightsError, match="VGG16"):
        Vgg(tmp_path / "nothing.pt" if damage == "none" else path)
