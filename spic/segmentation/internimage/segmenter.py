"""InternImage + UPerNet behind the common interface, with official Cityscapes weights."""

import numpy as np
import torch

from spic.errors import ConfigError, DataError, WeightsError
from spic.machine import autocast, pick_device, pick_dtype
from spic.pictures.labels import CITYSCAPES19
from spic.segmentation.internimage import INPUTS
from spic.segmentation.internimage.checkpoint import load_checkpoint
from spic.segmentation.internimage.upernet import resize

NATIVE_SIZE = (1024, 2048)  # height and width at which the authors test
WINDOW = (512, 1024)  # height and width of the crops they train on
_PIXELS = WINDOW[0] * WINDOW[1]  # in a forward pass, unless one image has more
_MEAN = (123.675, 116.28, 103.53)  # of RGB in 0..255, as the official configs say
_STD = (58.395, 57.12, 57.375)


class InternImageSegmenter:
    """One of the five sizes; images of any size.

    Parameters
    ----------
    size : str
        "t", "s", "b", "l" or "xl".
    weights : path-like
        Official checkpoint, see `spic.segmentation.internimage.checkpoint.load_checkpoint`.
    device, dtype : str
        As in `spic.machine.pick_device` and `pick_dtype`.
    input_size : str
        "native": the whole image, resized to fit 2048x1024, as the authors test. "working": as it comes. "sliding":
        resized as for "native", then seen through overlapping windows of 1024x512, which takes less memory.

    Attributes
    ----------
    label_space : spic.pictures.labels.LabelSpace
        `CITYSCAPES19`.

    Raises
    ------
    ConfigError
        Unknown `input_size`.
    WeightsError
        The file is missing, damaged, or not that of this size.
    """

    label_space = CITYSCAPES19

    def __init__(self, size: str, weights, device="auto", dtype="auto", input_size: str = "native"):
        if input_size not in INPUTS:
            raise ConfigError(f"segmenter_input {input_size!r}: internimage-{size} takes {', '.join(INPUTS)}")
        self.input_size = input_size
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        model, classes = load_checkpoint(weights, size), self.label_space.num_classes
        classify = model.decode_head.conv_seg
        if classify.out_channels < classes:
            raise WeightsError(f"{weights}: {classify.out_channels} output classes; Cityscapes has {classes}")
        # Of the 150 rows in the released files only 0 to 18, the train ids, were targets.
        classify.weight = torch.nn.Parameter(classify.weight[:classes].clone())
        classify.bias = torch.nn.Parameter(classify.bias[:classes].clone())
        classify.out_channels = classes
        self.model = model.to(self.device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def segment(self, pictures: np.ndarray) -> np.ndarray:
        """Label maps of images.

        Parameters
        ----------
        pictures : numpy.ndarray
            uint8 (N, H, W, 3) sRGB, else `DataError`. Several go through the network at once while they have no more
            than 512x1024 pixels together, as it sees them; that bounds the memory.

        Returns
        -------
        numpy.ndarray
            uint8 (N, H, W), Cityscapes train ids; never void.
        """
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or 0 in pictures.shape[1:]:
            raise DataError(f"a segmenter takes uint8 (N, H, W, 3), not {pictures.dtype} {pictures.shape}")
        size = pictures.shape[1:3]
        seen = size if self.input_size == "working" else native_size(size)
        batch = max(1, _PIXELS // (seen[0] * seen[1]))
        maps = np.empty(pictures.shape[:3], np.uint8)
        for start in range(0, len(pictures), batch):
            x = normalize(torch.from_numpy(pictures[start : start + batch]).to(self.device))
            logits = resize(self._logits(resize(x, seen)), size)
            maps[start : start + batch] = logits.argmax(1).to(torch.uint8).cpu().numpy()
        return maps

    def _logits(self, x):
        if self.input_size != "sliding":
            return self._forward(x)
        height, width = x.shape[-2:]
        seen = x.new_zeros(1, 1, height, width)
        total = x.new_zeros(len(x), self.label_space.num_classes, height, width)
        for top in _starts(height, WINDOW[0]):
            for left in _starts(width, WINDOW[1]):
                window = (..., slice(top, top + WINDOW[0]), slice(left, left + WINDOW[1]))
                total[window] += self._forward(x[window])
                seen[window] += 1
        return total / seen

    def _forward(self, x):
        with autocast(self.device, self.dtype):
            return self.model(x.contiguous(memory_format=torch.channels_last)).float()


def normalize(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 (N, H, W, 3) RGB to float32 (N, 3, H, W) as the official test pipeline does."""
    mean, std = (torch.tensor(values, device=pictures.device) for values in (_MEAN, _STD))
    return ((pictures - mean) / std).permute(0, 3, 1, 2)


def native_size(size) -> tuple[int, int]:
    """Height and width of an image of `size` scaled, in its proportions, to just fit `NATIVE_SIZE`."""
    scale = min(NATIVE_SIZE[0] / size[0], NATIVE_SIZE[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _starts(length: int, window: int) -> list[int]:
    """First pixels of windows that cover `length`, the last ending with it, each overlapping the next by half."""
    last = max(0, length - window)
    return sorted({*range(0, last, window // 2), last})
