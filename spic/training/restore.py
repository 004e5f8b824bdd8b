"""Recipe of the network that restores coarse images (`spic.scsrdm.restore`).

It sees pairs of a coarse image before and after BPG, at any QP of a range, in the light of the day and in others. The
other light is there before coding, as it is for a transmitter: a dark image has the same noise, and less to hide it.
"""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from spic.codecs import get_codec
from spic.errors import ConfigError, DataError
from spic.machine import autocast
from spic.pictures.labels import get_label_space, one_hot
from spic.pictures.sizes import COARSE_FACTOR, downscale
from spic.scsrdm import build
from spic.training.batches import SCENE_SHARE, Batch, lights, put, scene_odds, ssms
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
    copies : int
        Times that each image of the pack is coded, at another QP each.
    qps : (int, int)
        Range of the QPs, both included.
    lights : float
        Share of the copies in another light.
    truth : float
        Share of crops with the SSM of the ground truth, where there are predicted maps.
    crop : int
        Height and width of the crops in coarse pixels, a multiple of 4.
    batch, learning_rate, ema_decay
        Crops per step; peak rate of Adam; of the average of the weights, which is what is kept.
    """

    channels: int = 96
    blocks: int = 7
    copies: int = 10
    qps: tuple[int, int] = (20, 48)
    lights: float = 0.5
    truth: float = 0.35
    crop: int = 64
    batch: int = 16
    learning_rate: float = 5e-4
    ema_decay: float = 0.995

    def __post_init__(self):
        if min(self.copies, self.batch, self.crop) < 1 or self.crop % COARSE_FACTOR:
            raise ConfigError("a recipe needs a copy, a batch of 1 or more, and crops of a multiple of 4 coarse pixels")
        if not 0 <= self.qps[0] <= self.qps[1] <= 51:
            raise ConfigError(f"QPs {self.qps}: expected a range within 0 to 51")


class Pairs:
    """Coarse images before and after coding, and crops of them; all in memory.

    Parameters
    ----------
    pack : Pack
        Images and label maps; its own coarse images are not used.
    predicted : numpy.ndarray or None
        uint8 (N, H, W), SSMs as the transmitter will make them; None: the labels alone.
    recipe : Recipe
        The numbers.
    device : str
        Where crops are put.
    seed : int
        Of QPs and lights.
    report : callable, optional
        Called after each image that is coded.
    """

    def __init__(self, pack: Pack, predicted, recipe: Recipe, *, device: str = "cpu", seed: int = 0, report=None):
        if any(side < COARSE_FACTOR * recipe.crop for side in pack.labels.shape[1:]):
            raise DataError(f"crops of {recipe.crop} coarse pixels; the pack's images are smaller")
        self.pack, self.recipe, self.device = pack, recipe, device
        self.maps = ssms(pack, predicted)
        self.odds = scene_odds(pack.sources, SCENE_SHARE)
        rng, codec = np.random.default_rng(seed), get_codec("bpg")
        height, width = (side // COARSE_FACTOR for side in pack.labels.shape[1:])
        self.before, self.after = np.empty((2, recipe.copies, len(pack), height, width, 3), np.uint8)
        for copy in range(recipe.copies):
            for i, image in enumerate(pack.pictures):
                _, light = lights(1, recipe.lights, rng, "cpu")
                image = (light(torch.from_numpy(image)[None])[0].permute(1, 2, 0) + 1) * 127.5
                before = self.before[copy, i] = downscale(image.round().to(torch.uint8).numpy())
                qp = int(rng.integers(recipe.qps[0], recipe.qps[1] + 1))
                self.after[copy, i] = codec.decode(codec.encode(before, qp=qp))
                if report is not None:
                    report(copy * len(pack) + i)

    def draw(self, rng: np.random.Generator, planes: int) -> Batch:
        """Crops: `coarse` after coding, `images` before; `ssm` has `planes` shares of classes in each coarse pixel."""
        r, side = self.recipe, self.recipe.crop
        image = rng.choice(len(self.odds), size=r.batch, p=self.odds)
        copy = rng.integers(r.copies, size=r.batch)
        source = (rng.random(r.batch) >= r.truth) * (len(self.maps) - 1)
        top, left = (rng.integers(self.before.shape[axis] - side + 1, size=r.batch) for axis in (2, 3))
        flip = put(rng.random(r.batch) < 0.5, self.device)

        def cut(of, scale):
            places = zip(top * scale, left * scale, strict=True)
            crops = [of(n)[y : y + side * scale, x : x + side * scale] for n, (y, x) in enumerate(places)]
            crops = torch.from_numpy(np.stack(crops)).to(self.device)
            return torch.where(flip.view(-1, *[1] * (crops.ndim - 1)), crops.flip(2), crops)

        images, coarse = (
            cut(lambda n, a=a: a[copy[n], image[n]], 1).permute(0, 3, 1, 2).float() / 127.5 - 1
            for a in (self.before, self.after)
        )
        labels = cut(lambda n: self.maps[source[n]][image[n]], COARSE_FACTOR).long()
        return Batch(images, labels, F.avg_pool2d(one_hot(labels, planes), COARSE_FACTOR), coarse)


def train_restore(
    pairs: Pairs, folder, budget: Budget, *, init, apart: Pairs | None = None, dtype="float32", seed=0, **running
) -> tuple[dict, dict]:
    """Train the restoring part of a decoder; returns the whole decoder's state dict and config.

    The two are what `spic.scsrdm.save_checkpoint` takes. Nothing else of the decoder changes, and no gradient goes
    through it: its images get better by what it is given.

    Parameters
    ----------
    pairs, apart : Pairs
        What is learned from, with its recipe and device; the losses on `apart` are logged.
    init : path-like
        The decoder. It may have a restoring part already, which is trained on.
    **running
        `evaluate_every` (500), `checkpoint_seconds`, `on_save` of `spic.training.loop.train`.

    Raises
    ------
    ConfigError, DataError, WeightsError
        A decoder that sees no coarse image, or of other labels; a checkpoint of another recipe.
    """
    torch.manual_seed(seed)
    recipe, pack, device = pairs.recipe, pairs.pack, pairs.device
    space = get_label_space(pack.label_space)
    known, config = known_decoder(init, space)
    network = config["network"]
    if network["num_classes"] != space.num_classes:
        raise DataError(f"{init}: a decoder of {network['num_classes']} classes; the pack's are {space.name}")
    if not network["restore_channels"]:
        network = network | {"restore_channels": recipe.channels, "restore_blocks": recipe.blocks}
    model = build(network)
    fresh = {name: value for name, value in model.state_dict().items() if name.startswith("restore.")}
    load_state(model, fresh | known.state_dict(), f"a decoder to start from ({init})")
    model.restore.to(device, memory_format=torch.channels_last)
    seen = network["condition"] != "coarse"

    def losses(drawn: Pairs, restore, rng) -> dict:
        batch = drawn.draw(rng, model.config.ssm_planes)
        with autocast(device, dtype):
            found = restore(batch.coarse, batch.ssm * seen)
        loss, coded = (((x - batch.images).square() + _CLOSE**2).sqrt().mean() for x in (found.float(), batch.coarse))
        return {"loss": loss, "coded": coded}

    state = train(
        model.restore,
        lambda rng, _: losses(pairs, model.restore, rng),
        folder,
        budget,
        Optimization(recipe.learning_rate, (0.9, 0.99), ema_decay=recipe.ema_decay, seed=seed),
        recipe={**asdict(recipe), **origin(pack, init, dtype, seed), "predicted": len(pairs.maps) > 1},
        evaluate=apart and partial(mean_losses, look=partial(losses, apart), count=_LOOKS, seed=seed),
        **{"evaluate_every": 500, **running},
    )
    whole = {**model.state_dict(), **{f"restore.{name}": value for name, value in state.items()}}
    return whole, {**config, "network": network}
