"""SCSRDM as a receiver uses it: label maps and coarse pictures in, pictures out, settings read from the weights."""

import numpy as np
import torch

from spic.errors import BitstreamError, DataError
from spic.machine import pick_device, pick_dtype
from spic.pictures.labels import one_hot
from spic.pictures.limits import MAX_PIXELS
from spic.scsrdm.checkpoint import load_checkpoint
from spic.scsrdm.geometry import padded_size
from spic.scsrdm.memory import device_memory, plan
from spic.scsrdm.sampler import sample
from spic.weights import shipped


class Decoder:
    """A network with its sampler, steps and guidance.

    Parameters
    ----------
    weights : path-like, optional
        Checkpoint of `spic.scsrdm.save_checkpoint`; None takes the shipped one.
    device, dtype : str
        As in `spic.machine.pick_device` and `pick_dtype`.
    void_is_null : bool
        Code void as the all-zero vector, the null condition of guidance, also where the network has a class for it.
    compile : bool
        Let `torch.compile` fuse the network: minutes at the first picture of each size, for long runs on a GPU.
    memory : int, optional
        Bytes that pictures may take, weights not counted; by default half of what the device has beside the weights.
    **sampling
        Settings of `spic.scsrdm.sample` (sampler, steps, start, guidance) that overrule those of the checkpoint.
    """

    def __init__(
        self,
        weights=None,
        device: str = "auto",
        dtype: str = "auto",
        *,
        void_is_null: bool = False,
        compile: bool = False,
        memory: int | None = None,
        **sampling,
    ):
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self.model, config = load_checkpoint(weights or shipped("street-decoder"), device=self.device)
        self.model.torso_to(getattr(torch, self.dtype))
        if compile:
            self.model.run = torch.compile(self.model.run)
        self.sampling = config["sampling"] | sampling
        if memory is None:
            weights_bytes = sum(tensor.nbytes for tensor in self.model.state_dict().values())
            memory = (device_memory(self.device) - weights_bytes) // 2
        self.memory = memory
        self._last_null = None, None
        self.void_is_null = void_is_null

    def __call__(self, ssm: np.ndarray, coarse: np.ndarray, seeds, batch: int | None = None) -> np.ndarray:
        """Rebuild pictures.

        Parameters
        ----------
        ssm : numpy.ndarray
            uint8 (N, H, W), ids of the label space the network was trained on, or void.
        coarse : numpy.ndarray
            uint8 (N, H / 4, W / 4, 3).
        seeds : list of int, or callable
            One a picture; a picture's result does not depend on the others (up to rounding). Or `noise(shape)`, one
            source for all pictures in their order, as in `spic.scsrdm.sample`.
        batch : int, optional
            Pictures at once; by default what fits (`spic.scsrdm.memory.plan`).

        Returns
        -------
        numpy.ndarray
            uint8 (N, H, W, 3).

        Raises
        ------
        BitstreamError
            The SSM holds an id that the network does not know.
        DataError
            The pictures are larger than `MAX_PIXELS` or than the memory.
        """
        height, width = ssm.shape[1:]
        if height * width > MAX_PIXELS:
            raise DataError(f"pictures of {height}x{width} are more than {MAX_PIXELS} pixels")
        classes = self.model.config.num_classes
        if ssm.size and int(ssm.max()) > classes:
            raise BitstreamError(f"the SSM holds id {int(ssm.max())}; this decoder knows {classes} classes and void")
        fitting, room = self._plan(height, width)
        batch = batch or fitting
        pictures = [
            self._decode(ssm[part], coarse[part], seeds if callable(seeds) else seeds[part], room)
            for part in (slice(start, start + batch) for start in range(0, len(ssm), batch))
        ]
        return np.concatenate(pictures)

    @property
    def _guided(self):
        return self.sampling.get("guidance", 1.0) != 1.0

    def _plan(self, height, width):
        size = padded_size(self.model.config, height, width)
        return plan(self.model, size, 2 if self._guided else 1, self.model.dtype, self.memory)

    def _null(self, height, width):
        """Null condition of guidance, made once for pictures of one size after the other."""
        size = padded_size(self.model.config, height, width)
        if self._guided and self._last_null[0] != size:
            with torch.no_grad():
                self._last_null = size, self.model.null_condition(*size, self.model.dtype)
        return self._last_null[1]

    def _decode(self, ssm, coarse, seeds, room):
        if self.void_is_null:
            ssm = np.where(ssm == self.model.config.num_classes, np.uint8(255), ssm)
        labels = torch.from_numpy(np.ascontiguousarray(ssm)).to(self.device)
        small = torch.from_numpy(np.ascontiguousarray(coarse)).to(self.device)
        small = small.permute(0, 3, 1, 2).float() / 127.5 - 1
        onehot = one_hot(labels, self.model.config.ssm_planes)
        kept = {"null": self._null(*labels.shape[1:]), "room": room}
        x = sample(self.model, onehot, small, noise=seeds, **kept, **self.sampling)
        x = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return x.permute(0, 2, 3, 1).cpu().numpy()
