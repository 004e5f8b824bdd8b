"""Random crops and colours for training batches; everything from one numpy generator per step."""

import numpy as np
from PIL import Image


def random_crop(pictures: list, size, rng: np.random.Generator, zoom=(1.0, 1.0), fill=0) -> list[np.ndarray]:
    """Cut the same random window out of aligned maps, after a random zoom and a random left-right flip.

    Parameters
    ----------
    pictures : list of numpy.ndarray
        uint8 (H, W, 3) images (bilinear zoom) and (H, W) label maps (nearest), aligned.
    size : (int, int)
        Height and width of the result.
    zoom : (float, float)
        Range of the zoom factor; it is drawn log-uniformly.
    fill : int
        Value of label maps outside the frame (void), where the zoomed frame is smaller than the window.
    """
    height, width = pictures[0].shape[:2]
    factor = float(np.exp(rng.uniform(*np.log(zoom))))
    wanted = (round(size[0] / factor), round(size[1] / factor))  # the window in source pixels
    top = rng.integers(min(0, height - wanted[0]), max(0, height - wanted[0]) + 1)
    left = rng.integers(min(0, width - wanted[1]), max(0, width - wanted[1]) + 1)
    flip = rng.random() < 0.5
    return [_window(picture, top, left, wanted, size, fill, flip) for picture in pictures]


def _window(picture, top, left, wanted, size, fill, flip):
    bottom, right = top + wanted[0], left + wanted[1]
    part = picture[max(0, top) : bottom, max(0, left) : right]
    pad = [(max(0, -top), max(0, bottom - picture.shape[0])), (max(0, -left), max(0, right - picture.shape[1]))]
    if any(sum(side) for side in pad):
        constant = 0 if picture.ndim == 3 else fill
        part = np.pad(part, pad + [(0, 0)] * (picture.ndim - 2), constant_values=constant)
    if wanted != tuple(size):
        mode = Image.Resampling.BILINEAR if picture.ndim == 3 else Image.Resampling.NEAREST
        part = np.asarray(Image.fromarray(part).resize((size[1], size[0]), mode))
    return np.ascontiguousarray(part[:, ::-1] if flip else part)


def jitter_colors(picture: np.ndarray, rng: np.random.Generator, strength: float = 0.3) -> np.ndarray:
    """Random gamma, contrast, saturation and white balance on uint8 (H, W, 3), as weather and cameras vary."""
    x = picture.astype(np.float32) / 255
    x = x ** np.exp(rng.uniform(-strength, strength))
    x = (x - x.mean()) * np.exp(rng.uniform(-strength, strength)) + x.mean()
    gray = x.mean(axis=2, keepdims=True)
    x = gray + (x - gray) * np.exp(rng.uniform(-strength, strength))
    x = x * np.exp(rng.uniform(-strength / 3, strength / 3, size=3))
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)


def other_light(picture: np.ndarray, rng: np.random.Generator, share: float = 0.4) -> np.ndarray:
    """Another light on uint8 (H, W, 3), for `share` of the calls: darker, flatter, tinted, less saturated, grainy.

    Training frames are mostly taken by day; dusk and tunnels are not among them.
    """
    if rng.random() >= share:
        return picture
    x = np.maximum(picture.astype(np.float32) / 255, 1e-4)
    x = rng.uniform(0.35, 1.05) * x ** rng.uniform(0.7, 1.9) * np.exp(rng.normal(0, 0.12, size=3))
    gray = x.mean(axis=2, keepdims=True)
    x = gray + (x - gray) * rng.uniform(0.2, 1.2)
    x = x + rng.uniform(0, 0.03) * rng.standard_normal(x.shape, dtype=np.float32)
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
