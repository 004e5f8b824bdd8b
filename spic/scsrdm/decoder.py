"""SCSRDM as a receiver uses it: label maps and coarse images in, images out, settings read from the weights."""

import numpy as np
import torch

from spic.errors import BitstreamError, DataError
from spic.machine import pick_device, pick_dtype
from spic.pictures.labels import one_hot
from spic.pictures.limits import MAX_PIXELS
from spic.scsrdm import tiles
from spic.scsrdm.checkpoint import load_checkpoint
from spic.scsrdm.geometry import padded_size
from spic.scsrdm.info import check_condition, find_decoder
from spic.scsrdm.memory import device_memory, plan
from spic.scsrdm.sampler import sample
from spic.scsrdm.sampling import Sampling


class Decoder:
    """A network and how its weights recommend to sample from it, `sampling`; large images go by overlapping tiles.

    Parameters
    ----------
    weights : path-like, optional
        Checkpoint of `spic.scsrdm.save_checkpoint`, or the name of a shipped one; None takes "street-decoder".
    device, dtype : str
        As in `spic.machine.pick_device` and `pick_dtype`.
    void_is_null : bool
        Code void as the all-zero vector, the null condition of guidance, also where the network has a class for it.
    compile : bool
        Let `torch.compile` fuse the network: minutes at the first image of each size, for long runs on a GPU.
    memory : int, optional
        Bytes that images may take, weights not counted; by default half of what the device has beside the weights.
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
    ):
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self.model, config = load_checkpoint(find_decoder("decoder_weights", weights or None), device=self.device)
        self.model.torso_to(getattr(torch, self.dtype))
        if compile:
            self.model.run = torch.compile(self.model.run)
        self.sampling = Sampling.from_dict(config["sampling"])
        if memory is None:
            memory = (device_memory(self.device) - sum(x.nbytes for x in self.model.state_dict().values())) // 2
        self.memory = memory
        self._last_null = None, None
        self.void_is_null = void_is_null

    @torch.no_grad()
    def __call__(
        self, ssm: np.ndarray, coarse: np.ndarray, seeds, sampling: Sampling | None = None, batch: int | None = None
    ) -> np.ndarray:
        """Rebuild images.

        Parameters
        ----------
        ssm : numpy.ndarray
            uint8 (N, H, W), ids of the label space the network was trained on, or void.
        coarse : numpy.ndarray
            uint8 (N, H / 4, W / 4, 3).
        seeds : list of int, or callable
            One per image; an image's result does not depend on the others (up to rounding). Or `noise(shape)`, one
            source for all images in their order, as in `spic.scsrdm.sample`.
        sampling : Sampling, optional
            By default what the weights recommend.
        batch : int, optional
            Images at once; by default what fits (`spic.scsrdm.memory.plan`).

        Returns
        -------
        numpy.ndarray
            uint8 (N, H, W, 3).

        Raises
        ------
        BitstreamError
            The SSM holds an id that the network does not know.
        DataError
            The images are larger than `MAX_PIXELS` or than the memory.
        """
        height, width = ssm.shape[1:]
        if height * width > MAX_PIXELS:
            raise DataError(f"pictures of {height}x{width} are more than {MAX_PIXELS} pixels")
        classes = self.model.config.num_classes
        if ssm.size and int(ssm.max()) > classes:
            raise BitstreamError(f"the SSM holds id {int(ssm.max())}; this decoder knows {classes} classes and void")
        model = tiles.Tiled(self.model) if height * width > tiles.MAX_WHOLE else self.model
        size, sampling = padded_size(model.config, height, width), sampling or self.sampling
        guided = sampling.guidance != 1.0
        fitting, room = plan(model, size, 1 + guided, model.dtype, self.memory)
        if guided and self._last_null[0] != size:  # made once for images of one size after the other
            self._last_null = size, model.null_condition(*size, model.dtype)
        kept = {"null": self._last_null[1] if guided else None, "room": room, "sampling": sampling}
        batch = batch or fitting
        parts = [slice(start, start + batch) for start in range(0, len(ssm), batch)]
        return np.concatenate(
            [
                self._decode(model, ssm[part], coarse[part], noise=seeds if callable(seeds) else seeds[part], **kept)
                for part in parts
            ]
        )

    def _decode(self, model, ssm, coarse, **settings):
        if self.void_is_null:
            ssm = np.where(ssm == self.model.config.num_classes, np.uint8(255), ssm)
        labels = torch.from_numpy(np.ascontiguousarray(ssm)).to(self.device)
        small = torch.from_numpy(np.ascontiguousarray(coarse)).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        onehot = one_hot(labels, self.model.config.ssm_planes)
        x = sample(model, onehot, self.model.restored(onehot, small), **settings)
        return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def one_sided(setting: str, weights=None, device: str = "auto", dtype: str = "auto") -> Decoder:
    """The decoder of "sr_weights", which does not look at the SSM, or of "sdm_weights", not at the coarse image.

    Parameters
    ----------
    setting : str
        One of the two.
    weights : path-like, optional
        Its checkpoint; None takes the shipped one.
    device, dtype : str
        As in `spic.machine`.

    Raises
    ------
    ConfigError
        None are given and none are shipped, or they were trained for another condition.
    """
    weights = find_decoder(setting, weights)
    network = Decoder(weights, device, dtype)
    check_condition(setting, weights, network.model.config.condition)
    return network
