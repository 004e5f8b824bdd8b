"""Recipe of the network that restores coarse images (`spic.scsrdm.restore`).

It sees pairs of a coarse image before and after BPG: those of the pack, or at any QP of a range and in other lights
(`spic.training.batches.Coded`). It learns by itself, to be close; no gradient goes through the decoder.
"""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from spic.errors import ConfigError, DataError
from spic.machine import autocast
from spic.pictures.labels import get_label_space
from spic.pictures.sizes import COARSE_FACTOR
from spic.scsrdm import build
from spic.scsrdm.config import RESTORE_GROUPS
from spic.training.batches import Batches
from spic.training.decoder import known_decoder
from spic.training.loop import Budget, Optimization, mean_losses, origin, train
from spic.training.pack import Pack
from spic.weights import load_state

_CLOSE = 0.003  # in [-1, 1]: an error below it counts little
_LOOKS = 8  # batches of an evaluation


@dataclass(frozen=True)
class Recipe:
    """Numbers of the training.

    Attributes
    ----------
    channels, blocks : int
        Of `Restore`; weights to start from that have one keep theirs.
    crop : int
        Height and width of the crops in pixels, a multiple of 4.
    batch, learning_rate, ema_decay
        Crops per step; peak rate of Adam; of the average of the weights, which is what is kept.
    """

    channels: int = 96
    blocks: int = 7
    crop: int = 256
    batch: int = 16
    learning_rate: float = 5e-4
    ema_decay: float = 0.995

    def __post_init__(self):
        if self.channels < 1 or self.channels % RESTORE_GROUPS:
            raise ConfigError(f"{self.channels} channels: expected a multiple of {RESTORE_GROUPS}")


def train_restore(
    pack: Pack,
    folder,
    budget: Budget,
    recipe: Recipe,
    *,
    init,
    validation: Pack | None = None,
    predicted: np.ndarray | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    seed: int = 0,
    **running,
) -> tuple[dict, dict]:
    """Train the restoring part of a decoder; returns the whole decoder's state dict and config.

    The two are what `spic.scsrdm.save_checkpoint` takes. Nothing else of the decoder changes, and no gradient goes
    through it: its images get better by what it is given.

    Parameters
    ----------
    pack, validation : Pack
        What is learned from; the losses on `validation` are logged.
    recipe : Recipe
        The numbers.
    init : path-like
        The decoder. It may have a restoring part already, which is trained on.
    predicted : numpy.ndarray, optional
        uint8 (N, H, W), SSMs of the pack's images as the transmitter will make them.
    **running
        `evaluate_every` (500), `checkpoint_seconds`, `on_save` of `spic.training.loop.train`.

    Raises
    ------
    ConfigError, DataError, WeightsError
        A decoder that sees no coarse image, or of other labels; a checkpoint of another recipe.
    """
    torch.manual_seed(seed)
    model, config = _with_part(init, recipe, get_label_space(pack.label_space))
    model.to(device, memory_format=torch.channels_last)

    def batches_of(pack, predicted=None, **settings):
        return Batches(pack, predicted, (recipe.crop, recipe.crop), model.config.ssm_planes, device=device, **settings)

    def losses(batches, network, rng) -> dict:
        batch = batches.draw(recipe.batch, rng)
        images = F.avg_pool2d(batch.images, COARSE_FACTOR)
        with autocast(device, dtype):
            found = network.restored(batch.ssm, batch.coarse)
        loss, raw = (((x - images).square() + _CLOSE**2).sqrt().mean() for x in (found, batch.coarse))
        return {"loss": loss, "coded": raw}

    drawn, apart = batches_of(pack, predicted), validation and batches_of(validation, lights=0.0)
    state = train(
        model,
        lambda rng, _: losses(drawn, model, rng),
        folder,
        budget,
        Optimization(recipe.learning_rate, (0.9, 0.99), ema_decay=recipe.ema_decay, seed=seed),
        groups=[{"params": list(model.restore.parameters())}],
        recipe={
            **asdict(recipe),
            **origin(pack, init, dtype, seed),
            "predicted": predicted is not None,
        },
        evaluate=apart and partial(mean_losses, look=partial(losses, apart), count=_LOOKS, seed=seed),
        **{"evaluate_every": 500, **running},
    )
    return state, config


def _with_part(init, recipe, space):
    """The decoder `init` with a restoring part, its own or a fresh one; and its config."""
    known, config = known_decoder(init, space)
    network = config["network"]
    if network["num_classes"] != space.num_classes:
        raise DataError(f"{init}: a decoder of {network['num_classes']} classes; the pack's are {space.name}")
    if not network["restore_channels"]:
        network = network | {"restore_channels": recipe.channels, "restore_blocks": recipe.blocks}
    model = build(network)
    fresh = {name: value for name, value in model.state_dict().items() if name.startswith("restore.")}
    load_state(model, fresh | known.state_dict(), f"a decoder to start from ({init})")
    return model, {**config, "network": network}
