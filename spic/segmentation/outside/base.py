"""What all segmenters from files share: images to what the network sees, its scores to label maps."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from spic.errors import ConfigError, DataError, WeightsError
from spic.machine import pick_device, pick_dtype
from spic.segmentation.outside.sheet import read_sheet

SIZE_MULTIPLE = 32  # of the sides where the sheet names no size: the image is continued by its last pixels


class FileSegmenter(ABC):
    """A network from a file with its sheet; images of any size, seen one by one.

    Parameters
    ----------
    weights : pathlib.Path
        The ONNX file, or the folder.
    device, dtype : str
        As in `spic.machine.pick_device` and `pick_dtype`.
    input_size : str, optional
        "native": resized to the sheet's `size`, its usual one. "working": as it comes, which is all there is without a
        `size`.

    Attributes
    ----------
    label_space : spic.pictures.labels.LabelSpace
        What the ids mean.

    Raises
    ------
    ConfigError
        Unknown `input_size`.
    WeightsError
        File or sheet are missing or damaged, or do not fit each other.
    """

    def __init__(self, weights: Path, device="auto", dtype="auto", input_size: str | None = None):
        self.path, self.sheet = weights, read_sheet(weights)
        self.label_space = self.sheet.space
        inputs = ("native", "working") if self.sheet.size else ("working",)
        if input_size not in (None, *inputs):
            raise ConfigError(f"segmenter_input {input_size!r}: {weights.name} takes {', '.join(inputs)}")
        self.size = self.sheet.size if input_size != "working" else None
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)

    @abstractmethod
    def scores(self, x: torch.Tensor) -> torch.Tensor:
        """What the network gives for float32 (1, 3, H, W): scores float (1, classes, h, w), or ids int (1, h, w)."""

    @torch.inference_mode()
    def segment(self, images: np.ndarray) -> np.ndarray:
        """Label maps of images.

        Parameters
        ----------
        images : numpy.ndarray
            uint8 (N, H, W, 3) sRGB, else `DataError`.

        Returns
        -------
        numpy.ndarray
            uint8 (N, H, W), ids of `label_space`; void where a class has no counterpart there.

        Raises
        ------
        WeightsError
            The network does not run at this size, or gives another number of classes than its sheet has.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape[1:]:
            raise DataError(f"a segmenter takes uint8 (N, H, W, 3), not {images.dtype} {images.shape}")
        maps = np.empty(images.shape[:3], np.uint8)
        for i, image in enumerate(images):
            maps[i] = self._segment(image)
        return maps

    def _segment(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        x = self._planes(image)
        seen = (height, width) if self.size else x.shape[-2:]  # what is padded below is cut again
        found = self.scores(x)
        if found.ndim == 4 and found.is_floating_point():
            self.check_classes(found.shape[1])
            found = F.interpolate(found.float(), seen, mode="bilinear", align_corners=False)
            found[:, torch.from_numpy(self.sheet.masked)] = -torch.inf
            ids = found.argmax(1)
        else:
            self._check_ids(found)
            ids = F.interpolate(found[:, None].double(), seen, mode="nearest-exact")[:, 0].long()
        return self.sheet.table[ids[0, :height, :width].cpu().numpy()]

    def _planes(self, image: np.ndarray) -> torch.Tensor:
        """Normalised RGB at the size that the network sees, float32 (1, 3, H', W')."""
        x = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float() / 255
        if self.size is None:
            height, width = image.shape[:2]
            x = F.pad(x, (0, -width % SIZE_MULTIPLE, 0, -height % SIZE_MULTIPLE), mode="replicate")
        elif self.size != image.shape[:2]:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
        mean, std = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (self.sheet.mean, self.sheet.std))
        return (x - mean) / std

    def check_classes(self, found: int) -> None:
        """`WeightsError` unless the network has as many classes as its sheet."""
        if found != len(self.sheet.classes):
            raise WeightsError(f"{self.path}: gives {found} classes, its sheet has {len(self.sheet.classes)}")

    def _check_ids(self, found: torch.Tensor) -> None:
        if found.is_floating_point() or found.ndim != 3:
            raise WeightsError(f"{self.path}: gives {tuple(found.shape)}, neither scores nor ids of each pixel")
        if not 0 <= int(found.min()) <= int(found.max()) < len(self.sheet.classes):
            raise WeightsError(f"{self.path}: gives the id {int(found.max())}, its sheet has {len(self.sheet.classes)}")
        if self.sheet.masked.any():
            raise WeightsError(f"{self.path}: gives ids, not scores: its sheet cannot mask a class, only map it")
