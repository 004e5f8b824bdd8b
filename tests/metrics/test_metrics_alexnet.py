"""The column fd_alex: features at every position, only of AlexNet."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spic.metrics.alexnet import ALEXNET
from spic.metrics.observations import Sample
from spic.metrics.perceptual import STAGES


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of both networks, in the layout of the package lpips."""
    folder = tmp_path_factory.mktemp("lpips")
    shapes = {
        "alex": [(64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3)],
        "vgg": [(64, 3, 3), (64, 64, 3), (8, 64, 3), (8, 8, 3)] + [(8, 8, 3)] * 9,
    }
    for name, sizes in shapes.items():
        state = {"scaling_layer.shift": torch.zeros(1, 3, 1, 1), "scaling_layer.scale": torch.ones(1, 3, 1, 1)}
        sizes = iter(sizes)
        for number, stage in enumerate(STAGES[name], start=1):
            for index, _, _ in filter(None, stage):
                out, into, side = next(sizes)
                state[f"net.slice{number}.{index}.weight"] = 0.05 * torch.randn(out, into, side, side)
                state[f"net.slice{number}.{index}.bias"] = torch.zeros(out)
            state[f"lin{number - 1}.model.1.weight"] = torch.rand(1, out, 1, 1)
        torch.save(state, folder / f"{name}.pth")
        save_file(state, folder / f"{name}.safetensors")
    (folder / "cut.safetensors").write_bytes(b"no header")
    save_file({"other": torch.zeros(1)}, folder / "other.safetensors")
    return folder


def test_features_of_every_position(weights):
    see = ALEXNET.build(weights / "alex.pth", "cpu")
    image = np.random.default_rng(0).integers(256, size=(256, 512, 3), dtype=np.uint8)
    features = see(Sample(image, image))["features"]
    assert features.shape == (15 * 31, 256) and features.dtype == np.float32 and features.std() > 0


@pytest.mark.parametrize(
    ("name", "found"),
    [(f"{name}.{end}", name == "alex") for name in ("alex", "vgg", "none") for end in ("pth", "safetensors")]
    + [("cut.safetensors", False), ("other.safetensors", False)],
)
def test_only_with_alexnet(name, found, weights):
    paths = ALEXNET.find_weights({"lpips_weights": str(weights / name)})
    assert paths == ([weights / name] if found else None)
    assert ALEXNET.find_weights({}) is None
