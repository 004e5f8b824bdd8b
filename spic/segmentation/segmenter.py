"""The segmentation networks of this project behind the common interface; `street` and `judge` are shipped ones."""

import numpy as np
import torch
import torch.nn.functional as F

from spic.errors import ConfigError, DataError, SpicError, WeightsError
from spic.machine import autocast, pick_device, pick_dtype
from spic.pictures.labels import get_label_space
from spic.segmentation import dense, pyramid, street
from spic.weights import load_state, read_weights, shipped

NETWORKS = {  # by `arch` of the weights' config: shape, network, normalisation, what sides must be multiples of
    "street": (street.StreetConfig, street.StreetNet, street.normalize, street.SIZE_MULTIPLE),
    "pyramid": (pyramid.PyramidConfig, pyramid.PyramidNet, street.normalize, pyramid.SIZE_MULTIPLE),
    "dense": (dense.DenseConfig, dense.DenseNet, dense.normalize, dense.SIZE_MULTIPLE),
}
MAX_POTTS, POTTS_STEPS = 100, 6
_OLD_NAMES = {"judge": "pyramid"}  # what weights of 0.1.0 call it


def network_name(config: dict) -> str | None:
    """Which of `NETWORKS` the config of weights describes; None for something else."""
    name = config.get("arch")
    name = _OLD_NAMES.get(name, name) if isinstance(name, str) else None
    return name if name in NETWORKS else None


class NetworkSegmenter:
    """A network of this project with weights; images of any size.

    Attributes
    ----------
    label_space : spic.pictures.labels.LabelSpace
        What the ids mean.
    mirrored : bool
        Whether an image is seen a second time as its mirror image, and the scores of both are added: weights whose
        config says so. Twice the time.
    potts : float
        Strength of `agreed`, which asks a pixel's neighbours, too; 0 without. Of weights whose config names it.
    """

    def __init__(self, path, device: str = "auto", dtype: str = "auto", input_size: str = "working"):
        if input_size != "working":
            raise ConfigError(f"segmenter_input {input_size!r}: this segmenter sees pictures as they come (working)")
        state, config = read_weights(path)
        if (name := network_name(config)) is None:
            raise WeightsError(f"{path}: holds {config.get('arch')!r}, not a segmenter ({', '.join(NETWORKS)})")
        shape, network, self.normalize, self.multiple = NETWORKS[name]
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        try:
            self.label_space = get_label_space(config["label_space"])
            self.mirrored = config.get("mirrored", False)
            if not isinstance(self.mirrored, bool):
                raise ConfigError(f"mirrored: {self.mirrored!r}, expected true or false")
            self.potts = check_potts(config.get("potts", 0.0))
            _check_numbers(config["net"])
            with torch.device("meta"):  # no memory before the tensors are known to fit
                model = network(shape.from_dict({**config["net"], "num_classes": self.label_space.num_classes}))
        except (SpicError, KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, RuntimeError) as error:
            raise WeightsError(f"{path}: the config does not describe a segmenter ({error})") from None
        load_state(model, state, str(path))
        self.model = model.to(self.device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def segment(self, pictures: np.ndarray, batch: int = 4) -> np.ndarray:
        """Label maps of images.

        Parameters
        ----------
        pictures : numpy.ndarray
            uint8 (N, H, W, 3) sRGB, else `DataError`. Sides that are no multiples of the network's stride are
            continued by their last pixels, and cut again.
        batch : int
            Images per forward pass; bounds the memory. An image's map does not depend on it (up to rounding).

        Returns
        -------
        numpy.ndarray
            uint8 (N, H, W), ids of `label_space`; never void.
        """
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
            raise DataError(f"a segmenter takes uint8 (N, H, W, 3), not {pictures.dtype} {pictures.shape}")
        height, width = pictures.shape[1:3]
        padding = ((0, 0), (0, -height % self.multiple), (0, -width % self.multiple), (0, 0))
        maps = np.empty(pictures.shape[:3], np.uint8)
        for start in range(0, len(pictures), batch):
            padded = np.pad(pictures[start : start + batch], padding, mode="edge")
            x = self.normalize(torch.from_numpy(padded).to(self.device))
            with autocast(self.device, self.dtype):
                logits = self.model(x)
                if self.mirrored:
                    logits = logits.float() + self.model(x.flip(3)).flip(3)
            logits = logits[..., :height, :width]
            if self.potts:
                logits = agreed(logits.float(), self.potts)
            maps[start : start + batch] = logits.argmax(1).to(torch.uint8).cpu().numpy()
        return maps


def check_potts(value) -> float:
    """Return `value` if it is a strength for `agreed`, 0 to `MAX_POTTS`; `ConfigError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_POTTS:
        raise ConfigError(f"potts: {value!r}, expected a number from 0 to {MAX_POTTS}")
    return float(value)


def agreed(logits: torch.Tensor, potts: float) -> torch.Tensor:
    """Scores (N, classes, H, W) in which pixels agree with their neighbours: a Potts model's, by mean field.

    Borders where the network cannot decide become short and straight, specks go; a map takes fewer bits, and little
    that the network is sure of changes. Of each pixel the score of a class rises by `potts` times the mean of the
    class's probability over the 3x3 pixels around; `POTTS_STEPS` times, from the probabilities of the time before.
    After Kraehenbuehl and Koltun, "Efficient inference in fully connected CRFs", 2011, with the nearest alone.
    """
    classes, size = logits.shape[1], logits.shape[2:]
    nine = logits.new_ones(classes, 1, 3, 3)  # a convolution per class: four times as fast as avg_pool2d on a CPU
    weight = potts / F.conv2d(logits.new_ones(1, 1, *size), nine[:1], padding=1)
    found = logits
    for _ in range(POTTS_STEPS):
        found = logits + weight * F.conv2d(found.softmax(1), nine, padding=1, groups=classes)
    return found


def _check_numbers(net: dict) -> None:
    """`ConfigError` for a network so large that building it would take forever: a config may come from anywhere."""
    if not isinstance(net, dict):
        raise ConfigError(f"net: {net!r}, expected a table of settings")
    for name, value in net.items():
        most = {"depth": 16, "blocks": 16, "width": 16}.get(name, 4096)
        for number in value if isinstance(value, list) else [value]:
            if not isinstance(number, int | float) or not 0 < number <= most:
                raise ConfigError(f"{name}: {value!r}, expected numbers above 0, at most {most}")


def street_segmenter(weights=None, **settings) -> NetworkSegmenter:
    """The project's segmenter; `weights` of any network of this module, None for the shipped ones."""
    return NetworkSegmenter(weights or shipped("street-segmenter"), **settings)


def judge_segmenter(weights=None, **settings) -> NetworkSegmenter:
    """The independent judge: a network that no other part of the project uses or was trained against."""
    return NetworkSegmenter(weights or shipped("street-judge"), **settings)
