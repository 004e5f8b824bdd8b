"""Convolutions of resized maps without resizing them first.

UPerNet joins maps of strides 4, 8, 16 and 32 at stride 4 and convolves: three quarters of its work goes into pixels
that were only interpolated. Both steps are linear, so the order can be turned: the nine taps of the kernel are applied
at the small size (a 1x1 convolution with nine times the outputs), and the results are resized, shifted and added.
"""

from functools import partial

import torch
from torch.nn import functional as F

from spic.segmentation.internimage import winograd

_BLOCK = 32  # output rows or columns a matrix product makes: the interpolation matrices are banded


def resize(x, size):
    """Bilinear interpolation of (N, C, H, W) to `size`, pixel centres aligned as `align_corners=False` does."""
    return x if x.shape[-2:] == torch.Size(size) else F.interpolate(x, size, mode="bilinear", align_corners=False)


def conv3x3_of_maps(maps, weight):
    """Convolve the concatenation of maps resized to the first one's size.

    Parameters
    ----------
    maps : list of torch.Tensor
        (N, C_i, h_i, w_i); the first is the largest.
    weight : torch.Tensor
        (C_out, sum of C_i, 3, 3); zero padding 1, stride 1, no bias.

    Returns
    -------
    torch.Tensor
        (N, C_out, h_0, w_0), channels_last; equal to the direct evaluation up to rounding.
    """
    size = maps[0].shape[-2:]
    parts = weight.split([x.shape[1] for x in maps], 1)
    first = winograd.convolve if winograd.pays(maps[0], parts[0]) else partial(F.conv2d, padding=1)
    total = first(maps[0], parts[0]).contiguous(memory_format=torch.channels_last)
    for x, part in zip(maps[1:], parts[1:], strict=True):
        _add_conv_of_resized(total.permute(0, 2, 3, 1), x, part, size)
    return total


def _add_conv_of_resized(total, x, weight, size):
    """Add to `total` (N, H, W, C_out) the 3x3 convolution of `x` (N, C, h, w) resized to (H, W)."""
    channels = weight.shape[0]
    down, across = _taps(x, 2, size[0]), _taps(x, 3, size[1])  # (3, H, h), (3, W, w)
    across = across.permute(1, 2, 0)  # (W, w, 3)
    # tapped[ky]: (N, h, w, (kx, C_out))
    tapped = [
        F.conv2d(x, weight[:, :, ky].permute(2, 0, 1).flatten(0, 1)[..., None, None]).permute(0, 2, 3, 1)
        for ky in range(3)
    ]
    for n in range(len(x)):
        for top in range(0, size[0], _BLOCK):
            rows = slice(top, min(top + _BLOCK, size[0]))
            first, last = _band(down[:, rows].sum(0))
            tall = sum(down[ky, rows, first:last] @ tapped[ky][n, first:last].flatten(1) for ky in range(3))
            tall = tall.view(len(tall), x.shape[3], 3 * channels)  # (rows, w, (kx, C_out))
            for left in range(0, size[1], _BLOCK):
                columns = slice(left, min(left + _BLOCK, size[1]))
                start, stop = _band(across[columns].sum(2))
                wide = tall[:, start:stop].reshape(len(tall), -1, channels)  # (rows, (w, kx), C_out)
                total[n, rows, columns] += across[columns, start:stop].flatten(1) @ wide


def _taps(x, axis: int, length: int):
    """Matrices (3, length, x.shape[axis]) that resize along an axis and shift by -1, 0, 1 (zero outside)."""
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    eye = torch.eye(x.shape[axis], dtype=exact, device=x.device)[None, None]
    matrix = resize(eye, (length, x.shape[axis]))[0, 0].to(x.dtype)
    matrix = F.pad(matrix, (0, 0, 1, 1))
    return torch.stack([matrix[shift : shift + length] for shift in range(3)])


def _band(matrix):
    """First and last + 1 column of a matrix that is not zero everywhere."""
    (used,) = matrix.any(0).nonzero(as_tuple=True)
    return int(used[0]), int(used[-1]) + 1
