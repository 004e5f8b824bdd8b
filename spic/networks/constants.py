"""Numbers that a network or a loss computes with, as tensors that are made once.

A tensor made from Python numbers within a step is copied to the device each time, and cannot be part of a CUDA graph.
"""

from functools import cache

import torch


def constant(values: tuple, like: torch.Tensor) -> torch.Tensor:
    """A tensor of these numbers, a flat tuple, on another tensor's device and of its dtype: not to be changed."""
    return _made(values, like.device, like.dtype)


@cache
def _made(values, device, dtype):
    with torch.inference_mode(False):  # made while images are decoded, it may be needed by a training later
        return torch.tensor(values, device=device, dtype=dtype)
