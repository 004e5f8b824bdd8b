"""LPIPS, the learned perceptual distance, where its weights are given. Needs no further package and downloads nothing.

Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
2018, version 0.1 (inputs scaled). Both images, in [-1, 1], are shifted and scaled by fixed numbers per channel, go
through the convolutions of AlexNet or VGG16, and after each of five stages every pixel's channels are brought to unit
length; the squared differences are weighted a channel, averaged over the pixels, and the five means add up.
"""

import os
from pathlib import Path

import numpy as np

from spic.errors import DataError, WeightsError
from spic.machine import pick_device
from spic.weights.reading import expand, read_state_dict

NEEDED = (
    "LPIPS needs the state dict of the lpips package's network, trunk included: "
    'torch.save(lpips.LPIPS(net="alex").state_dict(), path), or "vgg"'
)
MIN_SIDE = 64  # below it AlexNet's last maps shrink to a pixel or two
# A stage: (index of the convolution in the published trunk, stride, padding), None for a max-pooling.
STAGES = {
    "alex": [[(0, 4, 2)], [None, (3, 1, 2)], [None, (6, 1, 1)], [(8, 1, 1)], [(10, 1, 1)]],
    "vgg": [
        [(0, 1, 1), (2, 1, 1)],
        [None, (5, 1, 1), (7, 1, 1)],
        [None, (10, 1, 1), (12, 1, 1), (14, 1, 1)],
        [None, (17, 1, 1), (19, 1, 1), (21, 1, 1)],
        [None, (24, 1, 1), (26, 1, 1), (28, 1, 1)],
    ],
}
POOL = {"alex": 3, "vgg": 2}  # side of the pooling window; the stride is 2
_FIRST = "net.slice1.0.weight"
FIRST = {(64, 3, 11, 11): "alex", (64, 3, 3, 3): "vgg"}  # shape of the first convolution


def lpips_weights_path(configured=None) -> Path | None:
    """File of the LPIPS weights: the configured one, else the one that SPIC_LPIPS_WEIGHTS names, else None."""
    given = configured or os.environ.get("SPIC_LPIPS_WEIGHTS")
    return Path(expand(given)) if given else None


class Lpips:
    """LPIPS with a weights file. Call it with two images.

    Parameters
    ----------
    weights_path : str or path
        State dict of `lpips.LPIPS(net="alex")` or `(net="vgg")`, trunk included, saved by `torch.save` or as
        safetensors (`.safetensors`). Read with `weights_only=True`: code in the file is not run.
    device : str
        "auto", "cpu", "cuda", ...

    Attributes
    ----------
    network : str
        "alex" or "vgg", as the file has it. Numbers of the two can not be compared.

    Raises
    ------
    WeightsError
        The file is missing, unreadable, or not such a state dict.
    ConfigError
        The device is not usable.
    """

    def __init__(self, weights_path, device: str = "auto"):
        state = read_state_dict(Path(expand(weights_path)), NEEDED)
        self.network = _network(state)
        if not self.network:
            raise WeightsError(f"{weights_path}: not a network of LPIPS; {NEEDED}")
        self._device = pick_device(device)
        self._weights = {key: state[key].float().to(self._device) for key in self._checked_keys(state, weights_path)}

    def __call__(self, a: np.ndarray, b: np.ndarray) -> float:
        """Distance of two images.

        Parameters
        ----------
        a, b : numpy.ndarray
            uint8 sRGB (H, W, 3) of one shape, both sides at least 64.

        Returns
        -------
        float
            At least 0 with the published weights (they are not negative); 0 for identical images. Without unit.

        Raises
        ------
        DataError
            The images are not uint8 (H, W, 3), differ in shape or are too small.
        """
        import torch

        for picture in (a, b):
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
                raise DataError(f"LPIPS takes uint8 (H, W, 3), not {picture.dtype} {picture.shape}")
        if a.shape != b.shape:
            raise DataError(f"pictures of different shape: {a.shape} and {b.shape}")
        if min(a.shape[:2]) < MIN_SIDE:
            raise DataError(f"LPIPS needs {MIN_SIDE} pixels per side, the picture has {a.shape[0]}x{a.shape[1]}")
        with torch.inference_mode():
            distance = 0
            for i, maps in enumerate(stage_maps(self._planes(np.stack([a, b])), self._weights, self.network)):
                first, second = maps / (maps.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
                weight = self._weights[f"lin{i}.model.1.weight"][0]
                distance += ((first - second).square() * weight).sum(dim=0).mean()
            return float(distance)

    def features(self, image: np.ndarray) -> np.ndarray:
        """Activations after the last stage at every position, float32 (P, channels), of a uint8 (H, W, 3) image."""
        import torch

        with torch.inference_mode():
            *_, last = stage_maps(self._planes(image[None]), self._weights, self.network)
            return last[0].flatten(1).T.contiguous().cpu().numpy()

    def _planes(self, images):
        import torch

        x = torch.tensor(images, device=self._device).permute(0, 3, 1, 2).float() / 127.5 - 1
        return (x - self._weights["scaling_layer.shift"]) / self._weights["scaling_layer.scale"]

    def _checked_keys(self, state: dict, path) -> list[str]:
        """Keys that are used; `WeightsError` where one is missing or has another shape."""
        shapes = {"scaling_layer.shift": (1, 3, 1, 1), "scaling_layer.scale": (1, 3, 1, 1)}
        shapes |= trunk_shapes(state, self.network)
        for number, stage in enumerate(STAGES[self.network], start=1):
            (channels,) = shapes[f"net.slice{number}.{stage[-1][0]}.bias"]
            shapes[f"lin{number - 1}.model.1.weight"] = (1, channels, 1, 1)
        check_shapes(state, shapes, path, NEEDED)
        return list(shapes)


def trunk_shapes(state: dict, network: str, depth: int | None = None) -> dict[str, tuple]:
    """Shapes that the tensors of the first `depth` stages of "alex" or "vgg" have to have, by key, all of them if None.

    The number of channels is the file's; 0 where a weight is missing or none of a convolution.
    """
    shapes, channels = {}, 3
    for number, stage in enumerate(STAGES[network][:depth], start=1):
        for index, _, _ in filter(None, stage):
            key = f"net.slice{number}.{index}"
            weight = state.get(f"{key}.weight")
            out = weight.shape[0] if getattr(weight, "ndim", 0) == 4 else 0
            side = weight.shape[2] if out else 0
            shapes[f"{key}.weight"], shapes[f"{key}.bias"] = (out, channels, side, side), (out,)
            channels = out
    return shapes


def check_shapes(state: dict, shapes: dict[str, tuple], path, needed: str) -> None:
    """`WeightsError` where a tensor is missing or has another shape; `needed` says which file it should be."""
    for key, shape in shapes.items():
        if key not in state or tuple(getattr(state[key], "shape", ())) != shape or 0 in shape:
            raise WeightsError(f"{path}: {key} is missing or does not fit; {needed}")


def stage_maps(x, weights: dict, network: str, depth: int | None = None):
    """Yield the activations after each of the first `depth` stages, all if None, of planes x: (N, channels, h, w)."""
    from torch.nn import functional as F

    for number, stage in enumerate(STAGES[network][:depth], start=1):
        for layer in stage:
            if layer is None:
                x = F.max_pool2d(x, POOL[network], 2)
                continue
            index, stride, padding = layer
            key = f"net.slice{number}.{index}"
            x = F.conv2d(x, weights[f"{key}.weight"], weights[f"{key}.bias"], stride, padding).relu()
        yield x


def network_of(weights_path) -> str:
    """ "alex" or "vgg", as the file has it; empty for anything else, or where the file cannot be read.

    A run asks this several times while it is planned, so of safetensors the header alone is read, without torch.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(expand(weights_path))
    try:
        if path.suffix != ".safetensors":
            return _network(read_state_dict(path))
        with safe_open(path, framework="numpy") as file:
            return FIRST.get(tuple(file.get_slice(_FIRST).get_shape()), "")
    except (WeightsError, SafetensorError, OSError):
        return ""  # its loader reports what is wrong


def _network(state: dict) -> str:
    return FIRST.get(tuple(getattr(state.get(_FIRST), "shape", ())), "")
