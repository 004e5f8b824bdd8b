"""InternImage made small, and the deterministic weights of its reference vectors."""

import zlib
from dataclasses import replace

import numpy as np
import pytest


def filled(key: str, shape) -> np.ndarray:
    """Weights of the reference vectors, float32: a function of a tensor's name and shape (README of the vectors)."""
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(shape)
    last = key.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if last == "running_var":
        value = 1 + 0.1 * np.abs(noise)
    elif last == "running_mean":
        value = 0.1 * noise
    elif len(shape) >= 2:
        value = noise / np.sqrt(np.prod(shape[1:]))
    elif last in ("weight", "gamma1", "gamma2"):
        value = 1 + 0.1 * noise
    elif key.endswith("dcn.offset.bias"):
        value = noise
    else:
        value = 0.1 * noise
    return np.asarray(value, np.float32)


def fill(module, prefix: str = ""):
    """Give a module, made on the meta device or not, those weights; returns it in eval mode."""
    import torch

    state = {
        key: torch.from_numpy(filled(prefix + key, tuple(tensor.shape))) for key, tensor in module.state_dict().items()
    }
    module.load_state_dict(state, assign=True)
    return module.eval()


@pytest.fixture(scope="session")
def filler():
    """`fill(module, prefix="")`: weights that depend on nothing but names and shapes."""
    return fill


@pytest.fixture
def tiny_sizes(monkeypatch):
    """Shrink every size to a few hundred thousand parameters, each still with its own norms and offset scale."""
    from spic.segmentation.internimage import upernet
    from spic.segmentation.internimage.sizes import SIZES

    for i, (name, size) in enumerate(SIZES.items()):
        monkeypatch.setitem(SIZES, name, replace(size, channels=16 * (i + 1), depths=(1, 1, 2, 1)))
    monkeypatch.setattr(upernet, "WIDTH", 16)
