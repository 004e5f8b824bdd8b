"""DCNv3, the operator of InternImage: every pixel gathers nine places of its own choice, in each group of channels.

With G groups, offset scale s and v the projected input, output pixel (y, x) of a group is the sum over the points
(dx, dy) of a 3x3 grid of mask * v(y + s (dy + offset_y), x + s (dx + offset_x)), bilinear, zero outside the map.
Points run x slowest, y fastest; an offset is the pair (x, y). Layout is (N, H, W, C) throughout.

Two implementations give the same numbers up to rounding: `by_grid_sample` runs on every device, `by_gather` is three
to six times faster on a CPU.

Source: InternImage (arXiv 2211.05778), section 3.1.
"""

import torch
from torch import nn
from torch.nn import functional as F

POINTS = 9
_CHUNK = 1 << 16  # sampling points at once: bounds the memory and stays in the cache


class Permute(nn.Module):
    """Change of layout; stands where the official modules have one, so that the keys of the norms after it agree."""

    def __init__(self, *order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return x.permute(self.order)


class DCNv3(nn.Module):
    """The operator with its projections, (N, H, W, C) to the same shape.

    Parameters
    ----------
    channels, groups : int
        C and G.
    offset_scale : float
        s above.
    """

    def __init__(self, channels: int, groups: int, offset_scale: float = 1.0):
        super().__init__()
        self.groups, self.offset_scale = groups, offset_scale
        self.dw_conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.Sequential(Permute(0, 2, 3, 1), nn.LayerNorm(channels, eps=1e-6)),
            nn.GELU(),
        )
        self.offset = nn.Linear(channels, groups * POINTS * 2)
        self.mask = nn.Linear(channels, groups * POINTS)
        self.input_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        self.fast = True

    def forward(self, x):
        value = self.input_proj(x)
        query = self.dw_conv(x.permute(0, 3, 1, 2))
        # positions and weights stay out of bfloat16: its 8 bits would move the far points by a pixel
        precise = torch.promote_types(query.dtype, torch.float32)
        offset, mask = self.offset(query).to(precise), self.mask(query).to(precise)
        mask = mask.unflatten(-1, (self.groups, POINTS)).softmax(-1).flatten(-2)
        operator = by_gather if self.fast and x.device.type == "cpu" else by_grid_sample
        return self.output_proj(operator(value.to(offset.dtype), offset, mask, self.groups, self.offset_scale))


def by_grid_sample(value, offset, mask, groups: int, offset_scale: float):
    """The operator alone, by `grid_sample`.

    Parameters
    ----------
    value : torch.Tensor
        float (N, H, W, C).
    offset : torch.Tensor
        (N, H, W, G * 9 * 2) in pixels, order (group, point, (x, y)).
    mask : torch.Tensor
        (N, H, W, G * 9), weights of the points.
    groups, offset_scale
        G and s.

    Returns
    -------
    torch.Tensor
        (N, H, W, C).
    """
    n, height, width, _ = value.shape
    planes = value.unflatten(-1, (groups, -1)).permute(0, 3, 4, 1, 2).flatten(0, 1)  # (N G, C / G, H, W)
    out = torch.empty_like(value)
    for top, bottom in _row_chunks(value, groups):
        x, y = _places(offset[:, top:bottom], top, width, groups, offset_scale)
        grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1)  # align_corners False
        grid = grid.permute(0, 3, 1, 2, 4, 5).flatten(0, 1).flatten(2, 3)  # (N G, rows, W 9, 2)
        weights = mask[:, top:bottom].unflatten(-1, (groups, POINTS)).permute(0, 3, 1, 2, 4).flatten(0, 1)
        sampled = F.grid_sample(planes, grid, "bilinear", "zeros", align_corners=False)
        summed = (sampled.unflatten(-1, (width, POINTS)) * weights[:, None]).sum(-1)  # (N G, C / G, rows, W)
        out[:, top:bottom] = summed.unflatten(0, (n, groups)).permute(0, 3, 4, 1, 2).flatten(-2)
    return out


def by_gather(value, offset, mask, groups: int, offset_scale: float):
    """The operator alone, as weighted sums of rows of a table; arguments and result as `by_grid_sample`.

    The table is the map with a border of zeros, a row being one group's channels of one pixel. A place beyond the
    border is moved onto it: still zero. `embedding_bag` gathers, weighs and adds without storing the samples. The
    four neighbours of a place have the same row numbers in four shifted views of the table.
    """
    n, height, width, channels = value.shape
    padded = F.pad(value, (0, 0, 1, 2, 1, 2))
    table = padded.reshape(-1, channels // groups)
    down, right = padded.shape[2] * groups, groups  # rows from a pixel to its neighbours
    first = torch.arange(n, device=value.device).view(-1, 1, 1, 1, 1) * (padded.shape[1] * down)
    first = (first + (down + right) + torch.arange(groups, device=value.device).view(-1, 1)).int()
    out = torch.empty_like(value)
    for top, bottom in _row_chunks(value, groups):
        x, y = _places(offset[:, top:bottom], top, width, groups, offset_scale)
        left, above = x.clamp_(-1, width).floor(), y.clamp_(-1, height).floor()
        rows = above.int().mul_(down).add_(left.int(), alpha=right).add_(first).view(-1, POINTS)
        weights = mask[:, top:bottom].reshape(-1, POINTS)
        part_x, part_y = x.sub_(left).view(-1, POINTS), y.sub_(above).view(-1, POINTS)
        lower = weights * part_y
        upper = weights - lower
        upper_right, lower_right = upper * part_x, lower * part_x
        corners = (
            (0, upper.sub_(upper_right)),
            (right, upper_right),
            (down, lower.sub_(lower_right)),
            (down + right, lower_right),
        )
        sums = [F.embedding_bag(rows, table[at:], mode="sum", per_sample_weights=share) for at, share in corners]
        out[:, top:bottom] = sums[0].add_(sums[1]).add_(sums[2].add_(sums[3])).view(n, bottom - top, width, channels)
    return out


def _places(offset, top: int, width: int, groups: int, offset_scale: float):
    """Columns and rows of the sampling points: two (N, rows, W, G, 9) for rows from `top` on."""
    n, rows = offset.shape[:2]
    kind = {"dtype": offset.dtype, "device": offset.device}
    step = torch.arange(-1, 2, **kind) * offset_scale
    x = torch.arange(width, **kind).view(-1, 1, 1) + step.repeat_interleave(3)
    y = torch.arange(top, top + rows, **kind).view(-1, 1, 1, 1) + step.repeat(3)
    offset = offset.view(n, rows, width, groups, POINTS, 2)
    return torch.add(x, offset[..., 0], alpha=offset_scale), torch.add(y, offset[..., 1], alpha=offset_scale)


def _row_chunks(value, groups: int):
    """Ranges of rows with about `_CHUNK` sampling points each."""
    n, height, width, _ = value.shape
    rows = max(1, _CHUNK // (n * width * groups * POINTS))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]
