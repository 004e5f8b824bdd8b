"""What discriminators see of images: other light, places and sizes, so that they do not learn a few hundred by heart.

All random numbers are drawn first, by `views`; what is done with them is work on the device alone.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

SHIFT = 4  # pixels that the patch discriminators' window moves, so that no place in a block is special
LIT, WARPED = 0.7, 0.8  # shares of the images that are changed
ASPECT = 1.12  # width over height, changed by at most this factor


def views(rng: np.random.Generator, count: int, size, compared, zoom: float = 1.0, turn: float = 0.0) -> dict:
    """Random numbers for the views of some images of height and width `size`: a dict of arrays.

    `light` (3, count) is for `changed_light`; `shift` (2,) for the patch discriminators; `corner` (2,) for the part of
    the images, `compared` high and wide, that is compared perceptually; `warp` (count, 2, 3) for `warped`, only where
    the images are to be enlarged or reduced by up to `zoom` or turned by up to `turn` degrees.
    """
    on = rng.random(count) < LIT
    light = [
        np.where(on, 0.4 * rng.random(count) - 0.2, 0.0),
        np.where(on, 0.6 + 0.8 * rng.random(count), 1.0),
        np.where(on, 0.75 + 0.5 * rng.random(count), 1.0),
    ]
    found = {
        "light": np.stack(light).astype(np.float32),
        "shift": rng.integers(SHIFT + 1, size=2),
        "corner": np.array([rng.integers(max(0, side - part) + 1) for side, part in zip(size, compared, strict=True)]),
    }
    return found | ({"warp": _affine(rng, count, size, zoom, turn)} if zoom != 1.0 or turn else {})


def _affine(rng, count, size, zoom, turn):
    """Maps (count, 2, 3) from places in a view to places in its image, both in -1..1; the image fills the view."""
    factor = np.exp(rng.uniform(-1, 1, count) * np.log(zoom))
    aspect = np.exp(rng.uniform(-0.5, 0.5, count) * np.log(ASPECT))
    angle, ratio = np.radians(rng.uniform(-turn, turn, count)), size[0] / size[1]
    wide, high = 1 / (factor * aspect), aspect / factor
    moved = rng.uniform(-1, 1, (2, count)) * np.maximum(np.abs(1 - np.stack([wide, high])), 0.1)
    rows = [
        [np.cos(angle) * wide, -np.sin(angle) * high * ratio, moved[0]],
        [np.sin(angle) * wide / ratio, np.cos(angle) * high, moved[1]],
    ]
    still = rng.random(count) >= WARPED
    return np.where(still[:, None, None], np.eye(2, 3), np.array(rows).transpose(2, 0, 1)).astype(np.float32)


def changed_light(light: torch.Tensor) -> Callable:
    """A function that gives images another brightness, saturation and contrast, each its own, (3, N).

    The same for all that is shown of an image: coarse and drawn images change alike, colour stays evidence.
    """
    shift, saturation, contrast = light[:, :, None, None, None]

    def change(x):
        gray = x.mean(1, keepdim=True)
        return contrast * (gray + (x - gray) * saturation) + shift

    return change


def warped(x: torch.Tensor, warp: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) or maps of labels (N, H, W) seen through affine maps (N, 2, 3); mirrored at their borders."""
    maps = x.ndim == 3
    planes = x[:, None].float() if maps else x
    with torch.autocast(x.device.type, enabled=False):  # places in half precision are off by pixels
        places = F.affine_grid(warp, planes.shape, align_corners=False)
        mode = "nearest" if maps else "bilinear"
        seen = F.grid_sample(planes.float(), places, mode, padding_mode="reflection", align_corners=False)
    return seen[:, 0].to(x.dtype) if maps else seen


def window(x: torch.Tensor, corner: torch.Tensor, size) -> torch.Tensor:
    """The part of images (N, C, H, W) with this height and width, at most theirs, from the corner (2,) on."""
    for dim, start, side in zip((-2, -1), corner, size, strict=True):
        if side < x.shape[dim]:
            x = x.index_select(dim, start + torch.arange(side, device=x.device))
    return x
