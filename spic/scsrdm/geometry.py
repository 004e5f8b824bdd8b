"""Sizes: what a network takes, and how an image that does not fit is continued over its border."""

from math import lcm

import torch

from spic.errors import DataError


def padded_size(config, height: int, width: int) -> tuple[int, int]:
    """The next sides, from `height` and `width` up, that the network and its coarse image divide into."""
    multiple = lcm(config.size_multiple, config.coarse_factor)
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def pad(config, ssm_onehot, coarse):
    """Mirror SSM and coarse image over their right and lower border up to `padded_size`.

    Mirrored content is what the network knows, and the enlarged coarse image stays what it was inside the image.
    The image is to be cropped afterwards. Tensors that fit come back as they are.
    """
    height, width = padded_size(config, *ssm_onehot.shape[-2:])
    factor = config.coarse_factor
    return _mirrored(ssm_onehot, height, width), _mirrored(coarse, height // factor, width // factor)


def _mirrored(x, height: int, width: int):
    for axis, side in ((2, height), (3, width)):
        own = x.shape[axis]
        if own != side:
            places = torch.arange(side, device=x.device) % (2 * own)
            x = x.index_select(axis, torch.minimum(places, 2 * own - 1 - places))
    return x


def check_inputs(config, ssm_onehot, coarse) -> None:
    """`DataError` unless SSM and coarse image have the shapes, types and channels a network of `config` takes.

    A side of the coarse image is that of the SSM over `coarse_factor`, rounded up.
    """
    for name, tensor in (("SSM", ssm_onehot), ("coarse image", coarse)):
        if not isinstance(tensor, torch.Tensor) or tensor.ndim != 4 or not tensor.is_floating_point():
            raise DataError(f"{name}: expected a float tensor (N, C, H, W)")
    n, channels, height, width = ssm_onehot.shape
    if channels != config.ssm_planes:
        raise DataError(f"the SSM has {channels} channels, the network takes {config.ssm_planes}")
    if not n or not height or not width:
        raise DataError(f"{n} SSMs of {height}x{width}: nothing to rebuild")
    wanted = (n, 3, -(-height // config.coarse_factor), -(-width // config.coarse_factor))
    if tuple(coarse.shape) != wanted:
        raise DataError(f"coarse image {tuple(coarse.shape)}, expected {wanted} for an SSM of {height}x{width}")
    if coarse.device != ssm_onehot.device:
        raise DataError(f"SSM on {ssm_onehot.device}, coarse image on {coarse.device}")
