"""What discriminators see of images: other light, places and sizes, so that they do not learn a few hundred by heart.

All random numbers are drawn first, by `views`; what is done with them is work on the device alone.
"""

from collections.abc import Callable

import numpy as np
import torch

from spic.training.augment import draw_windows

SHIFT = 4  # pixels that the patch discriminators' window moves, so that no place in a block is special
LIT, WARPED = 0.7, 0.8  # shares of the images that are changed


def views(rng: np.random.Generator, count: int, size, compared, zoom: float = 1.0, turn: float = 0.0) -> dict:
    """Random numbers for the views of some images of height and width `size`: a dict of arrays.

    `light` (3, count) is for `changed_light`; `shift` (2,) for the patch discriminators; `corner` (2,) for the part of
    the images, `compared` high and wide, that is compared perceptually; `warp` (count, 4, 2, 3) for
    `spic.training.augment.places`, only where images are to be enlarged or reduced by up to `zoom` or turned by up to
    `turn` degrees: most are, the others stay as they are.
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
    if zoom == 1.0 and not turn:
        return found
    warp = draw_windows(rng, count, size, size, (1 / zoom, zoom), turn)
    warp[rng.random(count) >= WARPED] = np.eye(2, 3)
    return found | {"warp": warp}


def changed_light(light: torch.Tensor) -> Callable:
    """A function that gives images another brightness, saturation and contrast, each its own, (3, N).

    The same for all that is shown of an image: coarse and drawn images change alike, colour stays evidence.
    """
    shift, saturation, contrast = light[:, :, None, None, None]

    def change(x):
        gray = x.mean(1, keepdim=True)
        return contrast * (gray + (x - gray) * saturation) + shift

    return change


def window(x: torch.Tensor, corner: torch.Tensor, size) -> torch.Tensor:
    """The part of images (N, C, H, W) with this height and width, at most theirs, from the corner (2,) on."""
    for dim, start, side in zip((-2, -1), corner, size, strict=True):
        if side < x.shape[dim]:
            x = x.index_select(dim, start + torch.arange(side, device=x.device))
    return x
