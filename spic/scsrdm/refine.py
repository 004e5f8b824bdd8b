"""A last look at full resolution, for networks whose U-Net works on patches.

With a patch of 4 the U-Net never sees where inside a patch a class begins, and its head must draw 48 values from each
feature vector. This head starts from what the U-Net drew, the coarse image and the full SSM, on patches of 2 pixels.
A pixel shuffle at the very end leaves a grid of 2x2 blocks in the image; `Finish` draws the last correction by
convolutions on the full grid, which know of no blocks.
"""

from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from spic.networks.constants import constant

PATCH = 2
LOW_PASS = 5  # pixels that the filter `low_pass` reaches
_REST = reduce(np.convolve, LOW_PASS * [[-0.25, 0.5, -0.25]])  # what `low_pass` takes away, as factors on these pixels
_KERNEL = tuple((np.eye(1, 2 * LOW_PASS + 1, LOW_PASS)[0] - _REST).tolist())


class Refine(nn.Module):
    """Correction (N, 3, H, W) to a prediction from [x0, coarse image enlarged, SSM]; zero when fresh.

    Parameters
    ----------
    channels : int
        Width of the 3x3 convolutions at half the image's height and width.
    ssm_planes : int
        Channels of the one-hot SSM.
    blocks : int
        Residual blocks after the first two convolutions; fresh ones change nothing.
    finish : int
        Width of the convolutions on the full grid; 0: the head ends in its pixel shuffle.
    """

    def __init__(self, channels: int, ssm_planes: int, blocks: int = 0, finish: int = 0):
        super().__init__()
        self.embed = nn.Conv2d((6 + ssm_planes) * PATCH**2, channels, 3, padding=1)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=2, dilation=2)
        self.blocks = nn.ModuleList(Block(channels, 1 + i % 2) for i in range(blocks))
        self.out = zeroed(nn.Conv2d(channels, 3 * PATCH**2, 3, padding=1))
        self.finish = Finish(channels, ssm_planes, finish) if finish else None

    def forward(self, x0, c, ssm_onehot):
        onehot = ssm_onehot.to(x0.dtype).expand(len(x0), -1, -1, -1)
        planes = torch.cat([x0, c, onehot], dim=1).to(self.embed.weight.dtype)
        h = F.silu(self.embed(F.pixel_unshuffle(planes, PATCH)))
        h = F.silu(h + self.second(F.silu(self.first(h))))
        for block in self.blocks:
            h = block(h)
        correction = F.pixel_shuffle(self.out(h), PATCH).float()
        return correction if self.finish is None else correction + self.finish(h, x0 + correction, c, onehot)


class Block(nn.Module):
    """Two 3x3 convolutions around an identity; the second is zero when fresh."""

    def __init__(self, channels, dilation):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = zeroed(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x):
        return x + self.second(F.silu(self.first(x)))


class Finish(nn.Module):
    """Correction on the full grid from the features at half size, the image so far, coarse image and SSM.

    To the image so far the first correction is added as it is, in units of the prediction's error.
    """

    def __init__(self, channels, ssm_planes, width):
        super().__init__()
        self.up = nn.Conv2d(channels, width * PATCH**2, 3, padding=1)
        with torch.no_grad():  # the places of a block start alike (ICNR, Aitken et al. 2017)
            self.up.weight.copy_(self.up.weight[:: PATCH**2].repeat_interleave(PATCH**2, 0))
            self.up.bias.copy_(self.up.bias[:: PATCH**2].repeat_interleave(PATCH**2, 0))
        self.mix = nn.Conv2d(6 + ssm_planes + width, width, 3, padding=1)
        self.second = zeroed(nn.Conv2d(width, width, 3, padding=1))
        self.last = zeroed(nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, h, x0, c, onehot):
        grown = F.pixel_shuffle(F.silu(self.up(h)), PATCH)
        planes = torch.cat([x0, c, onehot], dim=1).to(grown.dtype)
        y = F.silu(self.mix(torch.cat([planes, grown], dim=1)))
        y = y + F.silu(self.second(y))
        return self.last(y).float()


def half_chroma(x):
    """Keep the luma of (N, 3, H, W) images, H and W even, and halve the resolution of their chroma.

    As image codecs do. The network then has no way to draw coloured patterns of single pixels.
    Luma and chroma by ITU-R BT.601.
    """
    (r, _, b), y = x.unbind(1), _luma(x)
    chroma = F.avg_pool2d(torch.stack([b - y, r - y], dim=1), 2)
    blue, red = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False).unbind(1)
    r, b = y + red, y + blue
    return torch.stack([r, (y - 0.299 * r - 0.114 * b) / 0.587, b], dim=1)


def nearer(x, c, colour: float, luma: float, factor: int):
    """Move images, as far as their coarse versions show them, by a share of the distance to enlarged coarse images.

    So what is drawn stays near to what was sent. One step of iterative back-projection (Irani and Peleg 1991), damped.

    x, c : (N, 3, H, W), H and W multiples of the factor. colour, luma : the shares, of the colour differences and of
    the luma of ITU-R BT.601.
    """
    distance = c - F.interpolate(F.avg_pool2d(x, factor), scale_factor=factor, mode="bilinear", align_corners=False)
    return x + colour * distance + (luma - colour) * _luma(distance)[:, None]


def _luma(x):
    """(N, H, W) of (N, 3, H, W) images, by ITU-R BT.601."""
    r, g, b = x.unbind(1)
    return 0.299 * r + 0.587 * g + 0.114 * b


def low_pass(x):
    """Images (N, 3, H, W) without what changes from pixel to pixel: rows, columns and checkerboards vanish.

    The factor on a frequency of f cycles per pixel is 1 - sin(pi f)^10, along rows and along columns: 0.97 at a period
    of 4 pixels, 0.71 at 2.8, 0 at 2.
    """
    kernel = constant(_KERNEL, x)
    with torch.autocast(x.device.type, enabled=False):
        planes = F.pad(x.flatten(0, 1)[:, None], 4 * (LOW_PASS,), mode="replicate")
        planes = F.conv2d(F.conv2d(planes, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
    return planes.view(x.shape)


def zeroed(convolution):
    """Start a layer at zero, so that a fresh residual block is the identity."""
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
    return convolution
