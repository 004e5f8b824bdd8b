"""ESPNet as its authors released it: an outside judge, trained by others with other data handling and no pretraining.

The two files of the authors' repository are read as they are (see docs/weights.md for where to get them): one trained
on CamVid's 11 classes, one on the 19 of Cityscapes. Nothing that this project trains has seen this network.

Source: Mehta et al. 2018 (ESPNet, ECCV), section 3 and figure 4; tensor names of the authors' repository
sacmehta/ESPNet, p = 2 and q = 8.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from spic.errors import ConfigError, DataError, WeightsError
from spic.machine import autocast, pick_device, pick_dtype
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.segmentation.info import SegmenterInfo
from spic.weights import load_state, read_tensors

SIZE_MULTIPLE = 8
INPUTS = ("native", "working")
_DILATIONS = (1, 2, 4, 8, 16)
# By the classes in the file, void the last: label space, width of the training images, mean and std of BGR in 0..255.
_KINDS = {
    12: (CAMVID11, 480, (110.331, 108.409, 105.034), (72.125, 72.688, 69.903)),
    20: (CITYSCAPES19, 1024, (72.3923, 82.9089, 73.1584), (45.3192, 46.1529, 44.9148)),
}


def _norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Bare(nn.Sequential):
    """A convolution without bias under the authors' name `conv`."""

    def __init__(self, channels_in, channels_out, kernel, stride=1, dilation=1):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2 * dilation, dilation, bias=False)


class Activated(nn.Sequential):
    """Batch norm and PReLU, after a convolution where there is a kernel."""

    def __init__(self, channels_in, channels_out=None, kernel=0, stride=1):
        super().__init__()
        channels = channels_out or channels_in
        if kernel:
            self.conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
        self.bn, self.act = _norm(channels), nn.PReLU(channels)


class Pyramid(nn.Module):
    """Reduce, convolve with five dilations side by side, add them up one after the other, concatenate (ESP module).

    stride : 2 reduces by a 3x3 convolution, 1 by a 1x1. residual : add the input.
    """

    def __init__(self, channels_in, channels_out, stride=1, residual=False):
        super().__init__()
        part = channels_out // 5
        self.residual = residual
        self.c1 = Bare(channels_in, part, 3 if stride == 2 else 1, stride)
        for dilation in _DILATIONS:
            width = channels_out - 4 * part if dilation == 1 else part
            setattr(self, f"d{dilation}", Bare(part, width, 3, dilation=dilation))
        if stride == 2:  # the authors' names differ here
            self.bn, self.act = _norm(channels_out), nn.PReLU(channels_out)
        else:
            self.bn, self.act = Activated(channels_out), nn.Identity()

    def forward(self, x):
        reduced = self.c1(x)
        parts = [getattr(self, f"d{dilation}")(reduced) for dilation in _DILATIONS]
        for i in range(2, len(parts)):
            parts[i] = parts[i] + parts[i - 1]
        y = torch.cat(parts, 1)
        return self.act(self.bn(x + y if self.residual else y))


class Encoder(nn.Module):
    """ESPNet-C: features at strides 2, 4 and 8, each beside the image at that size."""

    def __init__(self, classes, p, q):
        super().__init__()
        self.level1 = Activated(3, 16, 3, 2)
        self.b1 = Activated(16 + 3)
        self.level2_0 = Pyramid(16 + 3, 64, stride=2)
        self.level2 = nn.Sequential(*(Pyramid(64, 64, residual=True) for _ in range(p)))
        self.b2 = Activated(2 * 64 + 3)
        self.level3_0 = Pyramid(2 * 64 + 3, 128, stride=2)
        self.level3 = nn.Sequential(*(Pyramid(128, 128, residual=True) for _ in range(q)))
        self.b3 = Activated(2 * 128)
        self.classifier = Bare(2 * 128, classes, 1)

    def forward(self, x):
        """Features (N, 16, H/2, W/2), the same beside the image, (N, 131, H/4, W/4), (N, 256, H/8, W/8)."""
        half, alone = F.avg_pool2d(x, 3, 2, 1), self.level1(x)
        first = self.b1(torch.cat([alone, half], 1))
        y = self.level2_0(first)
        second = self.b2(torch.cat([self.level2(y), y, F.avg_pool2d(half, 3, 2, 1)], 1))
        y = self.level3_0(second)
        return alone, first, second, self.b3(torch.cat([y, self.level3(y)], 1))


class EspNet(nn.Module):
    """Logits (N, classes, H, W), void the last class, from normalised BGR images (N, 3, H, W), sides multiples of 8.

    beside : channels at stride 2 that the last convolution sees; the authors' network for CamVid has 19, with the image
    among them, the one for Cityscapes 16, without it.
    """

    def __init__(self, classes: int, p: int = 2, q: int = 8, beside: int = 19):
        super().__init__()
        self.beside = beside
        self.encoder = Encoder(classes, p, q)
        self.level3_C = Bare(2 * 64 + 3, classes, 1)
        self.br = _norm(classes)
        self.conv = Activated(beside + classes, classes, 3)
        self.up_l3 = nn.Sequential(_doubled(classes))
        self.combine_l2_l3 = nn.Sequential(Activated(2 * classes), Pyramid(2 * classes, classes))
        self.up_l2 = nn.Sequential(_doubled(classes), Activated(classes))
        self.classifier = _doubled(classes)

    def forward(self, x):
        alone, first, second, third = self.encoder(x)
        y = self.up_l3(self.br(self.encoder.classifier(third)))
        y = self.up_l2(self.combine_l2_l3(torch.cat([self.level3_C(second), y], 1)))
        return self.classifier(self.conv(torch.cat([y, first if self.beside == 19 else alone], 1)))


def _classes(state) -> int:
    """Classes of a file of tensors, void among them; 0 where it is none of an ESPNet."""
    shape = getattr(state.get("br.weight"), "shape", ()) if isinstance(state, dict) else ()
    return shape[0] if len(shape) == 1 else 0


def _doubled(channels):
    return nn.ConvTranspose2d(channels, channels, 2, 2, bias=False)


class EspNetSegmenter:
    """The authors' network behind the common interface; images of any size.

    Parameters
    ----------
    weights : path-like
        One of the authors' files `decoder/espnet_p_2_q_8*.pth`.
    device, dtype : str
        As in `spic.machine.pick_device` and `pick_dtype`.
    input_size : str
        "native": resized to the width of its training images, 480 (CamVid) or 1024 (Cityscapes). "working": as it
        comes.

    Raises
    ------
    ConfigError
        Unknown `input_size`.
    WeightsError
        The file is missing, damaged or of another network.
    """

    def __init__(self, weights=None, device="auto", dtype="auto", input_size: str = "native"):
        if input_size not in INPUTS:
            raise ConfigError(f"segmenter_input {input_size!r}: espnet takes {', '.join(INPUTS)}")
        if weights is None:
            raise WeightsError("espnet has no shipped weights: name its authors' file (docs/weights.md says where)")
        state = read_tensors(weights)
        classes = _classes(state)
        if classes not in _KINDS:
            raise WeightsError(f"{weights}: not an ESPNet for CamVid's 11 or Cityscapes' 19 classes")
        self.label_space, width, mean, std = _KINDS[classes]
        self.width = width if input_size == "native" else None
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        last = getattr(state.get("conv.conv.weight"), "shape", ())
        model = EspNet(classes, beside=16 if tuple(last[1:2]) == (16 + classes,) else 19)
        counters = {name: value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
        load_state(model, {**counters, **state}, str(weights))  # files of that age have no counters
        self.model = model.to(self.device, memory_format=torch.channels_last).eval()
        self._mean, self._std = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (mean, std))

    @staticmethod
    def describe(weights=None) -> SegmenterInfo:
        """What is known before loading: the label space by the shape of the last layer."""
        if weights is None or not Path(weights).is_file():
            raise WeightsError(f"{weights or 'espnet'}: needs its authors' weights file (docs/weights.md)")
        kind = _KINDS.get(_classes(read_tensors(weights)))
        return SegmenterInfo(Path(weights), kind and kind[0], INPUTS)

    @torch.inference_mode()
    def segment(self, images: np.ndarray, batch: int = 4) -> np.ndarray:
        """Label maps uint8 (N, H, W), never void, of uint8 (N, H, W, 3) sRGB images, else `DataError`."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape[1:]:
            raise DataError(f"a segmenter takes uint8 (N, H, W, 3), not {images.dtype} {images.shape}")
        maps = np.empty(images.shape[:3], np.uint8)
        for start in range(0, len(images), batch):
            x = self.planes(images[start : start + batch])
            with autocast(self.device, self.dtype):
                logits = self.model(x)[:, : self.label_space.num_classes].float()
            logits = F.interpolate(logits, images.shape[1:3], mode="bilinear", align_corners=False)
            maps[start : start + batch] = logits.argmax(1).to(torch.uint8).cpu().numpy()
        return maps

    def planes(self, images: np.ndarray) -> torch.Tensor:
        """Normalised BGR at the size that the network sees, float32 (N, 3, H', W'), sides multiples of 8."""
        x = torch.tensor(images, device=self.device).permute(0, 3, 1, 2).float()
        height, width = x.shape[-2:]
        scale = 1 if self.width is None else self.width / width
        size = [max(1, round(side * scale / SIZE_MULTIPLE)) * SIZE_MULTIPLE for side in (height, width)]
        if size != [height, width]:
            x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 255)
        return ((x.flip(1) - self._mean) / self._std / 255).contiguous(memory_format=torch.channels_last)
