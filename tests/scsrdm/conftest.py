"""Small networks for the tests of SCSRDM."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from spic.scsrdm import build

SMALL = {
    "num_classes": 5,
    "base_channels": 32,
    "channel_mult": [1, 2],
    "num_res_blocks": 1,
    "nominal_size": 16,
    "attention_resolutions": [8],
    "head_channels": 16,
    "spade_hidden": 16,
}


def rule_tensor(name, shape):
    """Weights anyone can make again, from the tensor's name alone (the rule of the conformance vectors)."""
    values = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape)
    if len(shape) >= 2:
        values = values / np.sqrt(np.prod(shape[1:]))
    else:
        values = 0.1 * values + name.endswith("weight")
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture(scope="session")
def fill():
    """Give a network the weights of the rule; a fresh one has a head of zeros and would say nothing."""

    def fill(model):
        model.load_state_dict({name: rule_tensor(name, tuple(t.shape)) for name, t in model.state_dict().items()})
        return model.eval()

    return fill


@pytest.fixture(scope="session")
def small(fill):
    """Factory of small networks: `small(prediction="v", ...)`."""
    return lambda **changes: fill(build({**SMALL, **changes}))


@pytest.fixture(scope="session")
def fresh():
    """Factory of small networks as `build` makes them: their head is zero."""
    return lambda **changes: build({**SMALL, **changes}).eval()


@pytest.fixture(scope="session")
def inputs():
    """Factory of inputs: x_t, one-hot SSM with void, coarse."""

    def inputs(n=2, height=16, width=32, classes=5, planes=None, seed=0):
        g = torch.Generator().manual_seed(seed)
        labels = torch.randint(0, classes + 1, (n, height // 4, width // 4), generator=g)
        labels = labels.repeat_interleave(4, 1).repeat_interleave(4, 2)
        onehot = (labels[:, None] == torch.arange(planes or classes).view(1, -1, 1, 1)).float()
        coarse = torch.rand(n, 3, height // 4, width // 4, generator=g) * 1.6 - 0.8
        return torch.randn(n, 3, height, width, generator=g), onehot, coarse

    return inputs


@pytest.fixture(scope="session")
def vector_data():
    """Folder of the conformance vectors in the repository."""
    return Path(__file__).resolve().parent.parent / "data" / "scsrdm"


@pytest.fixture(scope="session")
def vector_case(fill):
    """Load one conformance case from a folder: dict of model, tensors and expected arrays."""

    def load(folder, name):
        from spic.scsrdm import config_from_official

        case = json.loads((folder / f"{name}.json").read_text())
        n, h, w, classes = case["batch"], case["height"], case["width"], case["num_classes"]
        g = np.random.Generator(np.random.PCG64(case["input_seed"]))
        x = g.standard_normal((n, 3, h, w)).astype(np.float32)
        low = np.clip(g.standard_normal((n, 3, h // 4, w // 4)) * 0.5, -1, 1).astype(np.float32)
        labels = g.integers(0, classes + 1, (n, h // 8, w // 8)).repeat(8, 1).repeat(8, 2)
        return {
            **case,
            "model": fill(build(config_from_official(case["config"]))),
            "x": torch.from_numpy(x),
            "coarse": torch.from_numpy(low),
            "labels": torch.from_numpy(labels),
            "t": torch.from_numpy(g.integers(0, 1000, n)),
            "expected": np.load(folder / f"{name}.npz"),
        }

    return load
