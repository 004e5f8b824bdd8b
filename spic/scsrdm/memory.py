"""How many images at once, and how much may be kept between steps.

Both follow from the device, the network and the size of the images alone, never from how much memory happens to be
free: a batch of another size rounds differently, and the same seed on the same device must give the same bytes.
"""

import os
from pathlib import Path

import torch

from spic.errors import DataError

MOST = {"cpu": 4, "cuda": 16}  # more images at once do not make a device faster
_WORKING = 6  # feature maps of the largest size that exist at once, beside the skips
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def device_memory(device: str) -> int:
    """All memory of a device in bytes; for "cpu" that of the machine, or of the container if it has less."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_properties(device).total_memory
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _CGROUPS:
        text = file.read_text().strip() if file.is_file() else ""
        if text.isdecimal():
            total = min(total, int(text))
    return total


def kept_bytes(model, size, dtype) -> int:
    """Bytes of all scales and shifts of one image's SSM, for images of `size` = (height, width)."""
    area = size[0] * size[1] // model.config.patch_size**2
    return sum(2 * spade.channels * (area >> 2 * spade.level) for spade in model.spades) * dtype.itemsize


def working_bytes(model, size, copies: int, dtype) -> int:
    """Bytes of the feature maps of one image while the network runs: skips, and the widest maps of the decoder.

    copies : 2 with guidance, else 1. An estimate; benchmarks/decoder.py measures the peak.
    """
    config = model.config
    pictures = 4 * 24 * size[0] * size[1]  # x_t, x0, noise, ..., float32
    seen = [min(sides) for sides in zip(size, getattr(model, "tile", size), strict=True)]
    area = seen[0] * seen[1] // config.patch_size**2
    skips = sum(
        (config.num_res_blocks + 1) * channels * (area >> 2 * level)
        for level, channels in enumerate(config.level_channels)
    )
    widest = max(spade.channels * (area >> 2 * spade.level) for spade in model.spades)
    refine = (config.refine_channels + 3 * config.finish_channels) * seen[0] * seen[1]
    return (skips + _WORKING * copies * widest + refine) * dtype.itemsize + pictures


def plan(model, size, copies: int, dtype, budget: int) -> tuple[int, int]:
    """Choose how to run within `budget` bytes, weights not counted.

    Parameters
    ----------
    model : torch.nn.Module
        Network of `spic.scsrdm.build`.
    size : (int, int)
        Height and width of the images, padded.
    copies : int
        2 with guidance, else 1.
    dtype : torch.dtype
        Of the feature maps.

    Returns
    -------
    batch : int
        Images at once: as many as fit with all their scales and shifts, 1 to `MOST`.
    room : int
        Bytes for scales and shifts of such a batch; for one image this may be less than all of them.

    Raises
    ------
    DataError
        If not even one image fits.
    """
    working, kept = working_bytes(model, size, copies, dtype), kept_bytes(model, size, dtype)
    if working > budget:
        raise DataError(f"pictures of {size[0]}x{size[1]} need {working >> 20} MiB each, there are {budget >> 20} MiB")
    batch = max(1, min(MOST[model.out[2].weight.device.type], budget // (working + kept)))
    return batch, budget - batch * working
