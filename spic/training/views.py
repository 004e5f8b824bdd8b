"""What discriminators see of images: other light and other sizes, so that they do not learn a few hundred by heart."""

import numpy as np
import torch
import torch.nn.functional as F


def changed_light(count, rng, device):
    """Another brightness, saturation and contrast for most images of a batch, the same for all that is shown of each.

    So that a discriminator does not learn a few hundred images by heart. Coarse and drawn images change alike: colour
    stays evidence.
    """
    on = rng.random(count) < 0.7
    shift, saturation, contrast = (
        torch.tensor(np.where(on, value, rest), dtype=torch.float32, device=device).view(-1, 1, 1, 1)
        for value, rest in (
            (0.4 * rng.random(count) - 0.2, 0.0),
            (0.6 + 0.8 * rng.random(count), 1.0),
            (0.75 + 0.5 * rng.random(count), 1.0),
        )
    )

    def change(x):
        gray = x.mean(1, keepdim=True)
        return contrast * (gray + (x - gray) * saturation) + shift

    return change


def zoomed(size, factor: float):
    """A function that resizes images of this height and width by a factor, to multiples of 32."""
    wanted = tuple(32 * max(1, round(side * factor / 32)) for side in size)
    if wanted == tuple(size):
        return lambda x: x
    return lambda x: F.interpolate(x, wanted, mode="bilinear", align_corners=False, antialias=True)
