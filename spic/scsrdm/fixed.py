"""What happens to a predicted image after the last layer: fixed steps without weights, each a setting of the network.

They take away what no loss could keep a network from: coloured patterns of single pixels, weaves, colours and light
that the coarse image contradicts, too much texture in the dark.
"""

from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F

from spic.networks.constants import constant

LOW_PASS = 5  # pixels that the filter `low_pass` reaches
_REST = reduce(np.convolve, LOW_PASS * [[-0.25, 0.5, -0.25]])  # what `low_pass` takes away, as factors on these pixels
_KERNEL = tuple((np.eye(1, 2 * LOW_PASS + 1, LOW_PASS)[0] - _REST).tolist())
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
DARK = 16 / 255  # luma below which `in_light` goes no further


def finished(x, c, config):
    """The image of a prediction.

    Parameters
    ----------
    x : torch.Tensor
        float32 (N, 3, H, W), what the layers predict.
    c : torch.Tensor
        float32 (N, 3, H, W), the coarse image enlarged.
    config : ScsrdmConfig
        Which steps there are: `chroma`, `low_pass`, `back_projection`, `light`.
    """
    if config.chroma == "half":
        x = half_chroma(x)
    if config.low_pass:
        x = low_pass(x)
    if config.back_projection:
        x = back_projected(x, c, *config.back_projection, config)
    if config.light:
        x = in_light(x, c, *config.light, config)
    return x


def luma(x):
    """Luma (N, 1, H, W) of images (N, 3, H, W)."""
    return (x * constant(LUMA, x).view(1, 3, 1, 1)).sum(1, keepdim=True)


def half_chroma(x):
    """Keep the luma of (N, 3, H, W) images, H and W even, and halve the resolution of their chroma.

    As image codecs do. The network then has no way to draw coloured patterns of single pixels.
    Luma and chroma by ITU-R BT.601.
    """
    r, g, b = x.unbind(1)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    chroma = F.avg_pool2d(torch.stack([b - y, r - y], dim=1), 2)
    blue, red = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False).unbind(1)
    r, b = y + red, y + blue
    return torch.stack([r, (y - 0.299 * r - 0.114 * b) / 0.587, b], dim=1)


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


def back_projected(x, c, luma_share: float, chroma_share: float, config):
    """Images (N, 3, H, W) moved towards what the coarse image says, by these shares of the difference.

    The difference is taken between coarse images, that of x against the one that was sent, and enlarged. With shares of
    1 and a coarse image without noise this is a step of iterative back-projection (Irani and Peleg 1991).
    """
    change = _smooth(c - x, config)
    return x + chroma_share * change + (luma_share - chroma_share) * luma(change)


def in_light(x, c, power: float, level: float, config):
    """Images (N, 3, H, W) whose luma detail is multiplied by (luma of the coarse image / level) ** power.

    Detail is what a coarse image of x cannot have. Networks draw too much of it in the dark and too little in the sun:
    contrast goes with light. Luma and `level` are in 0..1; darker than `DARK` counts as that.
    """
    detail = luma(x - _smooth(x, config))
    light = ((luma(c) + 1) / 2).clamp(min=DARK) / level
    return x + (light**power - 1) * detail


def _smooth(x, config):
    """Images (N, 3, H, W) as their coarse images would give them, enlarged."""
    factor = config.coarse_factor
    return F.interpolate(F.avg_pool2d(x, factor), scale_factor=factor, mode=config.upsampling, align_corners=False)
