"""3x3 convolutions with a quarter of the multiplications, for the wide float32 ones that dominate UPerNet on a CPU.

Winograd's minimal filtering F(4x4, 3x3): tiles of 6x6 values are transformed by B, multiplied channel by channel with
the transformed kernel, and come back as 4x4 outputs by A. The interpolation points 0, 1, -1, 1/2, -2 are those of
smallest rounding error for this size (Barabasz et al., arXiv 1803.10986): about ten times that of the direct sum.
"""

import torch
from torch.nn import functional as F

TILE = 4
_B = (
    (1, -3 / 2, -2, 3 / 2, 1, 0),
    (0, -1, 1 / 2, 5 / 2, 1, 0),
    (0, 1, -5 / 2, 1 / 2, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 1 / 2, -1, -1 / 2, 1, 0),
    (0, 1, -3 / 2, -2, 3 / 2, 1),
)
_G = (
    (1, 0, 0),
    (1 / 3, 1 / 3, 1 / 3),
    (-1 / 3, 1 / 3, -1 / 3),
    (-16 / 15, -8 / 15, -4 / 15),
    (1 / 15, -2 / 15, 4 / 15),
    (0, 0, 1),
)
_A = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 1 / 2, -2, 0),
    (0, 1, 1, 1 / 4, 4, 0),
    (0, 1, -1, 1 / 8, -8, 1),
)
_TILES = 256  # tiles at once: bounds the memory and stays in the cache


def pays(x, weight) -> bool:
    """Whether `convolve` is faster than the direct convolution: float32 on a CPU, wide, and not tiny."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and min(weight.shape[:2]) >= 256 and min(x.shape[-2:]) >= 32


def convolve(x, weight):
    """3x3 convolution, stride 1, zero padding 1, no bias.

    Parameters
    ----------
    x : torch.Tensor
        (N, C_in, H, W).
    weight : torch.Tensor
        (C_out, C_in, 3, 3).

    Returns
    -------
    torch.Tensor
        (N, C_out, H, W), channels_last.
    """
    n, _, height, width = x.shape
    channels_out, channels_in = weight.shape[:2]
    b, g, a = (_both_axes(matrix, x) for matrix in (_B, _G, _A))
    kernels = (g @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(36, channels_in, channels_out)
    down, across = -(-height // TILE), -(-width // TILE)
    padding = (0, 0, 1, 1 + across * TILE - width, 1, 1 + down * TILE - height)
    tiles = F.pad(x.permute(0, 2, 3, 1), padding).unfold(1, 6, TILE).unfold(2, 6, TILE)  # (N, down, across, C, 6, 6)
    out = x.new_empty(n, down * TILE, across * TILE, channels_out)
    rows = max(1, _TILES // (n * across))
    for top in range(0, down, rows):
        part = tiles[:, top : top + rows]
        count = part.shape[1]
        values = b @ part.permute(4, 5, 0, 1, 2, 3).reshape(36, -1)
        values = values.view(36, n * count * across, channels_in) @ kernels
        values = (a @ values.view(36, -1)).view(TILE, TILE, n, count, across, channels_out)
        values = values.permute(2, 3, 0, 4, 1, 5).reshape(n, count * TILE, across * TILE, channels_out)
        out[:, top * TILE : (top + count) * TILE] = values
    return out[:, :height, :width].permute(0, 3, 1, 2)


def _both_axes(matrix, x):
    """A transform of both axes of a tile as one matrix, of the type of `x`."""
    one = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(one, one).to(x)
