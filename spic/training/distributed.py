"""Several processes that train one network together, started by `torchrun --nproc-per-node 8 -m spic.cli train ...`.

Each process (rank) holds the whole network, draws its own part of the batch from its own random stream, and averages
its gradients with the others'. All then take the same step, so nothing but gradients ever has to travel, and N ranks
with batches of b are one process with batches of N b.
"""

import os
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import distributed

from spic.errors import ConfigError

_AT_ONCE = 16  # tensors that travel together


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is; the default is one that trains alone."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes logs, checkpoints and weights."""
        return self.rank == 0

    def generator(self, seed: int, step: int) -> np.random.Generator:
        """Random stream of this rank at a step; that of rank 0 is the one of a process that trains alone."""
        return np.random.default_rng([seed, step, self.rank] if self.rank else [seed, step])

    def average(self, tensors: list) -> None:
        """Replace tensors, the same ones in the same order on all ranks, by their means over the ranks."""
        for start in range(0, len(tensors) if self.world > 1 else 0, _AT_ONCE):
            bucket = tensors[start : start + _AT_ONCE]
            flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in bucket])
            distributed.all_reduce(flat)
            parts = flat.div_(self.world).split([tensor.numel() for tensor in bucket])
            for tensor, part in zip(bucket, parts, strict=True):
                tensor.detach().copy_(part.view_as(tensor))

    def agree(self, number: float, device) -> float:
        """The number that rank 0 has."""
        if self.world == 1:
            return number
        box = torch.tensor(float(number), dtype=torch.float64, device=device)
        distributed.broadcast(box, 0)
        return float(box)


@contextmanager
def joined(device: str):
    """Join the processes that torchrun has started, if it has, for the time of the block.

    Parameters
    ----------
    device : str
        "cpu", or "cuda" for the GPU that this rank's number on its machine names.

    Yields
    ------
    ranks : Ranks
    device : str
        This rank's own device.

    Raises
    ------
    ConfigError
        The environment is not one that torchrun makes, or there are fewer GPUs than ranks on this machine.
    """
    try:
        world, rank, local = (int(os.environ.get(name, 0)) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"))
    except ValueError as error:
        raise ConfigError(f"WORLD_SIZE, RANK, LOCAL_RANK: torchrun sets numbers here ({error})") from None
    if world <= 1:
        yield Ranks(), device
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        if local >= torch.cuda.device_count():
            raise ConfigError(f"rank {local} of this machine has no GPU: torch sees {torch.cuda.device_count()}")
        device = f"cuda:{local}"
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Ranks(rank, world), device
    finally:
        distributed.destroy_process_group()
