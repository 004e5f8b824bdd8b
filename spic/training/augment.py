"""Crops of a segmenter's batches: window, mixture and light.

The numbers come from one numpy generator per step (`draw_...`), the arithmetic is on tensors of fixed shapes: nothing
waits for the device, so that a step can be captured as a CUDA graph.
"""

import numpy as np
import torch
import torch.nn.functional as F

ASPECT = 1.18  # most by which a window's two zooms may differ, as a factor
_CORNERS = np.array([(x, y) for y in (-1, 1) for x in (-1, 1)])


def draw_windows(rng: np.random.Generator, count: int, frame, size, zoom=(0.5, 2.0), turn: float = 8.0) -> np.ndarray:
    """Random windows in frames: zoomed, a little stretched, turned, flipped left to right for half of them.

    A window is put where it lies within the frame, and one that is larger where the frame lies within it, turns aside.

    Parameters
    ----------
    frame, size : (int, int)
        Height and width of the frames, and of what is cut out of them.
    zoom : (float, float)
        Range of the zoom factor, which is drawn log-uniformly.
    turn : float
        Largest angle, degrees.

    Returns
    -------
    numpy.ndarray
        float32 (count, 4, 2, 3), what `cut` takes: affine maps from a pixel of the crop, (x, y) from its centre, to the
        place in the frame, from its centre. Four of them per crop, for the mean over a pixel: where the crop is a
        reduced image they differ by up to half a pixel of the crop, elsewhere they are the same.
    """
    factor = np.exp(rng.uniform(*np.log(zoom), size=count))
    aspect = np.exp(rng.uniform(-1, 1, size=count) * np.log(ASPECT) / 2)
    zooms = np.stack([factor * aspect, factor / aspect], 1)  # of x and y
    angle = np.deg2rad(rng.uniform(-turn, turn, size=count))
    flip = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    room = np.array([frame[1], frame[0]]) - np.array([size[1], size[0]]) / zooms
    centre = rng.uniform(-0.5, 0.5, size=(count, 2)) * np.abs(room)
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(count, 2, 2)
    return windows(rotation / zooms[:, None] * np.stack([flip, np.ones(count)], 1)[:, None], centre, zooms)


def windows(linear: np.ndarray, centre: np.ndarray, zooms: np.ndarray) -> np.ndarray:
    """What `draw_windows` returns, of matrices (N, 2, 2), centres (N, 2) and zooms (N, 2), in x and y."""
    spread = np.clip((1 - zooms) / 2, 0, 0.25)[:, None] * _CORNERS  # (N, 4, 2): halves of a halved image
    middles = centre[:, None] + np.einsum("nij,nkj->nki", linear, spread)
    return np.concatenate([np.repeat(linear[:, None], 4, 1), middles[..., None]], -1).astype(np.float32)


def cut(images: torch.Tensor, labels: torch.Tensor, maps: torch.Tensor, size, void: int):
    """Windows of frames, images and labels alike.

    Parameters
    ----------
    images, labels : torch.Tensor
        uint8 (N, H, W, 3) and (N, H, W).
    maps : torch.Tensor
        float32 (N, 4, 2, 3) of `draw_windows`.
    size : (int, int)
        Height and width of the windows.
    void : int
        Label of what lies outside the frame; the image is mirrored there.

    Returns
    -------
    torch.Tensor, torch.Tensor
        float32 (N, 3, height, width) in [0, 1], bilinear; int64 (N, height, width), nearest.
    """
    grid = places(maps, size, labels.shape[1:])
    return sampled(images.permute(0, 3, 1, 2).float() / 255, grid), sampled_labels(labels, grid, void)


def places(maps: torch.Tensor, size, frame) -> torch.Tensor:
    """Where the pixels of windows lie in frames, -1 to 1: (N, 5, height, width, 2); four places per pixel, its middle.

    `maps` and `size` as for `cut`; `frame` is height and width of the frames.
    """
    height, width = size
    rows = torch.arange(height, device=maps.device).view(-1, 1) - (height - 1) / 2
    columns = torch.arange(width, device=maps.device) - (width - 1) / 2
    maps = torch.cat([maps, maps.mean(1, keepdim=True)], 1)[..., None, None]
    # By elements, not as a product of matrices, which may be rounded to ten bits on a GPU.
    x, y = (maps[:, :, i, 0] * columns + maps[:, :, i, 1] * rows + maps[:, :, i, 2] for i in (0, 1))
    return torch.stack([x * (2 / frame[1]), y * (2 / frame[0])], -1)


def sampled(images: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) at the places of `places`, bilinear, mirrored beyond their borders; gradients go through."""
    parts = F.grid_sample(images.float(), grid[:, :4].flatten(1, 2), padding_mode="reflection", align_corners=False)
    return parts.unflatten(2, (4, grid.shape[2])).mean(2)


def sampled_labels(labels: torch.Tensor, grid: torch.Tensor, void: int) -> torch.Tensor:
    """Labels (N, H, W) at the places of `places`, int64, the nearest one; `void` beyond the borders."""
    known = F.grid_sample(labels[:, None].float() - void, grid[:, 4], mode="nearest", align_corners=False)
    return known[:, 0].long() + void


def draw_pasted(rng: np.random.Generator, count: int, odds: np.ndarray, share: float) -> np.ndarray:
    """Which classes each of `count` crops takes from its neighbour: bool (count, len(odds)); none but for `share`."""
    return (rng.random((count, 1)) < share) & (rng.random((count, len(odds))) < odds)


def paste(images: torch.Tensor, labels: torch.Tensor, pasted: torch.Tensor):
    """Put the pixels of some classes of each crop's neighbour in the batch over the crop, image and labels alike.

    Source: ClassMix (Olsson et al. 2021). Before the light is drawn, so that it is one light and no edge of brightness
    tells what was pasted.

    Parameters
    ----------
    images, labels : torch.Tensor
        float32 (N, 3, H, W) and int64 (N, H, W).
    pasted : torch.Tensor
        bool (N, ids): which ids are taken over.
    """
    others = labels.roll(1, 0)
    over = pasted.gather(1, others.flatten(1)).view_as(labels)
    return torch.where(over[:, None], images.roll(1, 0), images), torch.where(over, others, labels)


def draw_light(rng: np.random.Generator, count: int, strength: float = 0.4, other: float = 0.4) -> dict:
    """Numbers of `relight` for `count` images: as weather and cameras vary; `other` of them in another light.

    Another light is darker, flatter, tinted, less saturated, grainy, and uneven over the image: training frames are
    mostly taken by day, with a sky that is white all over; dusk, clouds and tunnels are not among them. Three images
    in ten are blurred or sharpened.

    Parameters
    ----------
    strength : float
        Largest natural logarithm of the factors by which gamma, contrast and saturation vary; tints do by a third.
    other : float
        Share of the images in another light.

    Returns
    -------
    dict of str to numpy.ndarray
        float32 `gamma`, `contrast`, `saturation`, `blur` and `grain` (count,); `tint` (count, 3); `shade` (count, 1, 4,
        8), logarithms of brightness at 4x8 places.
    """
    on = rng.random(count) < other

    def jitter(*shape, by=strength):
        return np.exp(rng.uniform(-by, by, size=(count, *shape)))

    def only(where, values, rest):
        return np.where(where.reshape(-1, *[1] * (values.ndim - 1)), values, rest)

    tint = rng.uniform(0.35, 1.05, size=(count, 1)) * np.exp(rng.normal(0, 0.12, size=(count, 3)))
    numbers = {
        "gamma": jitter() * only(on, rng.uniform(0.7, 1.9, size=count), 1.0),
        "contrast": jitter(),
        "saturation": jitter() * only(on, rng.uniform(0.2, 1.2, size=count), 1.0),
        "tint": jitter(3, by=strength / 3) * only(on, tint, 1.0),
        "blur": only(rng.random(count) < 0.3, rng.uniform(-0.5, 1.0, size=count), 0.0),
        "grain": only(on, rng.uniform(0, 0.05, size=count), 0.0),
        "shade": only(on, rng.uniform(0, 0.3, size=(count, 1, 1, 1)) * rng.normal(size=(count, 1, 4, 8)), 0.0),
    }
    return {name: values.astype(np.float32) for name, values in numbers.items()}


def relight(images, *, gamma, contrast, saturation, tint, blur, grain, shade, noise) -> torch.Tensor:
    """Images (N, 3, H, W) in [0, 1] in the light of `draw_light`, with `noise`, (N, 3, H, W) of deviation 1.

    `blur` is the share of the mean over 3x3 pixels in each; a negative one sharpens.
    """
    gamma, contrast, saturation, blur, grain = (v.view(-1, 1, 1, 1) for v in (gamma, contrast, saturation, blur, grain))
    x = images.clamp(min=0) ** gamma
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * contrast
    gray = x.mean(1, keepdim=True)
    uneven = F.interpolate(shade, images.shape[2:], mode="bicubic", align_corners=False).exp()
    x = (gray + (x - gray) * saturation) * tint[:, :, None, None] * uneven
    soft = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    return (x + (soft - x) * blur + noise * grain).clamp(0, 1)
