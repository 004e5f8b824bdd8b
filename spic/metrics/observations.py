"""What is recorded of each image for the metrics: by a network, or by arithmetic on its pixels.

An `Observation` runs where the images are at hand (`spic.benchmark.observations`), on one image after the other; what
it returns is kept by content. A column of the tables (`spic.metrics.columns`) makes a number of what was recorded over
a set of images.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spic.errors import ConfigError
from spic.metrics.distortion import MIN_SIDE, ms_ssim, psnr
from spic.metrics.features import InceptionFeatures, Lite0Features
from spic.metrics.perceptual import Lpips
from spic.pictures.labels import LabelSpace


@dataclass(frozen=True)
class Sample:
    """One image as an observation gets it.

    Attributes
    ----------
    decoded : numpy.ndarray
        uint8 sRGB (H, W, 3): what a receiver rebuilt, or an original where the originals are looked at.
    original : numpy.ndarray
        uint8 sRGB (H, W, 3): the same array as `decoded` where the originals are looked at.
    ssm : numpy.ndarray or None
        uint8 (H, W): the segmenter's map of the original, ids of `space`; None unless the observation asks for maps.
    truth : numpy.ndarray or None
        uint8 (H, W): ground truth, ids of `truth_space`; None also where the data set has none.
    space, truth_space : spic.pictures.labels.LabelSpace or None
        Meaning of the ids; their `void` means unlabelled.
    """

    decoded: np.ndarray
    original: np.ndarray
    ssm: np.ndarray | None = None
    truth: np.ndarray | None = None
    space: LabelSpace | None = None
    truth_space: LabelSpace | None = None


@dataclass(frozen=True)
class Observation:
    """What is recorded of each image, and what that takes.

    Attributes
    ----------
    name : str
        Of its files. "judge_<name>" is a further judge: it returns `labels` (uint8 (H, W) of class ids), and its `see`
        has an attribute `constants` with `space` (see `spic.benchmark.observations`). The columns `miou_judge_<name>`
        and
        `miou_gt_<name>` come of it.
    build : callable
        `build(weights, device)` loads what is needed and returns `see(sample) -> {array name: array}`, the same names
        and shapes for each image. Of an observation that is not paired the array `features` is called by the
        observation's name in what columns need; all others are called by their own name.
    paired : bool
        Whether `see` compares with the original; it then runs on reconstructions only. Others run on originals too.
    maps : bool
        Whether `see` needs `ssm` and `truth`; only with `paired`.
    weights : callable, optional
        `weights(settings)` gives the path of a weights file, from the run's settings called `*_weights` (but those of
        networks that code) or from anywhere else, or None where there is none: then nothing is recorded.
        Without it no file is needed.
    version : int
        Raise it where the result changes for another reason than the source file of `build` or the weights.

    Raises
    ------
    ConfigError
        The name is not in lower case, or is kept for the segmenter and the judge.
    """

    name: str
    build: Callable
    paired: bool = False
    maps: bool = False
    weights: Callable | None = None
    version: int = 1

    def __post_init__(self):
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", self.name) or re.match(r"judge$|segmenter", self.name):
            raise ConfigError(f"observation {self.name!r}: not a name that an observation may have")
        if self.maps and not self.paired:
            raise ConfigError(f"observation {self.name!r}: maps are for paired observations")

    def find_weights(self, settings: dict) -> list[Path] | None:
        """Its weights files, [] where it needs none, None where they are not at hand and nothing can be recorded."""
        if self.weights is None:
            return []
        path = self.weights(settings)
        return None if path is None else [Path(path)]


def _lite0(weights, device):
    network = Lite0Features(device)
    return lambda sample: {
        "features": network(sample.decoded[None])[0],
        "patches": network.patches(sample.decoded[None])[0],
    }


def _inception(weights, device):
    network = InceptionFeatures(weights, device)
    return lambda sample: {"features": network(sample.decoded[None])[0]}


def _lpips(weights, device):
    network = Lpips(weights, device)
    return lambda sample: {"lpips": np.float64(network(sample.original, sample.decoded))}


def _distortion(weights, device):
    def see(sample):
        pair, large = (sample.original, sample.decoded), min(sample.decoded.shape[:2]) >= MIN_SIDE
        return {"psnr": np.float64(psnr(*pair)), "ms_ssim": np.float64(ms_ssim(*pair) if large else np.nan)}

    return see


LITE0 = Observation("lite0", _lite0)  # features float32 (1280,), patches float32 (P, 1280)
INCEPTION = Observation("inception", _inception, weights=lambda settings: settings.get("fid_weights"))  # (2048,)
DISTORTION = Observation("distortion", _distortion, paired=True)  # psnr in dB; ms_ssim, NaN for images too small for it
LPIPS = Observation("lpips", _lpips, paired=True, weights=lambda settings: settings.get("lpips_weights"))
