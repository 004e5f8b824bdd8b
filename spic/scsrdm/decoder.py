"""SCSRDM as a receiver uses it: label maps and coarse pictures in, pictures out, settings read from the weights."""

import numpy as np
import torch

from spic.devices import autocast, pick_device, pick_dtype
from spic.errors import BitstreamError
from spic.labels import one_hot
from spic.scsrdm.checkpoint import load_checkpoint
from spic.scsrdm.sampler import sample
from spic.weights import shipped


class Decoder:
    """A network with its sampler, steps and guidance.

    Parameters
    ----------
    weights : path-like, optional
        Checkpoint of `spic.scsrdm.save_checkpoint`; None takes the shipped one.
    device, dtype : str
        As in `spic.devices.pick_device` and `pick_dtype`.
    **sampling
        Settings of `spic.scsrdm.sample` (sampler, steps, start, guidance) that overrule those of the checkpoint.
    """

    def __init__(self, weights=None, device: str = "auto", dtype: str = "auto", **sampling):
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self.model, config = load_checkpoint(weights or shipped("street-decoder"), device=self.device)
        self.sampling = config["sampling"] | sampling

    def __call__(self, ssm: np.ndarray, coarse: np.ndarray, seeds: list[int], batch: int = 4) -> np.ndarray:
        """Rebuild pictures.

        Parameters
        ----------
        ssm : numpy.ndarray
            uint8 (N, H, W), ids of the label space the network was trained on, or void.
        coarse : numpy.ndarray
            uint8 (N, H / 4, W / 4, 3).
        seeds : list of int
            One a picture; a picture's result does not depend on the others (up to rounding).
        batch : int
            Pictures at once; bounds the memory.

        Returns
        -------
        numpy.ndarray
            uint8 (N, H, W, 3).

        Raises
        ------
        BitstreamError
            The SSM holds an id that the network does not know.
        """
        classes = self.model.config.num_classes
        if ssm.size and int(ssm.max()) > classes:
            raise BitstreamError(f"the SSM holds id {int(ssm.max())}; this decoder knows {classes} classes and void")
        pictures = [
            self._decode(ssm[start : start + batch], coarse[start : start + batch], seeds[start : start + batch])
            for start in range(0, len(ssm), batch)
        ]
        return np.concatenate(pictures)

    def _decode(self, ssm, coarse, seeds):
        labels = torch.from_numpy(np.ascontiguousarray(ssm)).to(self.device)
        small = torch.from_numpy(np.ascontiguousarray(coarse)).to(self.device)
        small = small.permute(0, 3, 1, 2).float() / 127.5 - 1
        with autocast(self.device, self.dtype):
            x = sample(self.model, one_hot(labels, self.model.config.ssm_planes), small, noise=seeds, **self.sampling)
        x = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return x.permute(0, 2, 3, 1).cpu().numpy()
