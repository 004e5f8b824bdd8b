"""Recipe that takes a 4x4 pattern out of what a decoder draws, and leaves the rest as it was.

A network that draws patches of 4x4 pixels may draw the same pattern in each, faint beside the texture, which eyes find
(`spic.training.losses.pattern`). The decoder learns to draw without it what it drew before: no discriminator has a say,
so a few hundred steps change little else (docs/decoder.md).
"""

from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from spic.errors import ConfigError
from spic.machine import autocast
from spic.pictures.labels import get_label_space
from spic.scsrdm.refine import low_pass
from spic.scsrdm.sampler import sample
from spic.scsrdm.sampling import Sampling
from spic.training import losses
from spic.training.batches import Batches
from spic.training.chains import CHAINED, asked_of
from spic.training.decoder import known_decoder
from spic.training.loop import Budget, Optimization, mean_losses, origin, train
from spic.training.pack import Pack

_SPREAD = 20  # timesteps around the one step's, as the second stage has them
_LOOKS = 8  # batches of an evaluation


@dataclass(frozen=True)
class Recipe:
    """Numbers of the training.

    Attributes
    ----------
    kept, grid : float
        Weights of the L1 distance to what the decoder drew before, and of `losses.uneven` against the originals.
    colour_share : float, optional
        Another one (`ScsrdmConfig`) for the decoder, before and after. Here nothing draws against it, as the second
        stage does: trained with 0.7 there, a network's own colours had half as much error again.
    window, batch : (int, int), int
        Height and width of the crops, multiples of 64; crops per step.
    learning_rate, ema_decay : float
        Peak rate of Adam; of the average of the weights, which is what is kept.
    """

    kept: float = 10.0
    grid: float = 15.0
    colour_share: float | None = None
    window: tuple[int, int] = (128, 256)
    batch: int = 6
    learning_rate: float = 5e-5
    ema_decay: float = 0.99

    def __post_init__(self):
        losses.check_crop(self.window)


class Mender:
    """A decoder, what it was before, and the losses of one step."""

    def __init__(self, init, recipe: Recipe, space, device: str, dtype: str):
        self.recipe, self.device, self.dtype = recipe, device, dtype
        self.model, self.config = known_decoder(init, space)
        if recipe.colour_share is not None:
            self.model.config = replace(self.model.config, colour_share=recipe.colour_share)
            self.config = {**self.config, "network": self.model.config.to_dict()}
        self.before = deepcopy(self.model).requires_grad_(False).eval()
        for module in (self.model, self.before):
            module.to(device, memory_format=torch.channels_last)
        self.sampling = Sampling.from_dict(self.config["sampling"])
        one_step = self.sampling.sampler == "noiseless" and len(self.sampling.chain) == 1
        if not (one_step or self.sampling.sampler in CHAINED):
            drawn = f"{len(self.sampling.chain)} steps of {self.sampling.sampler}"
            raise ConfigError(f"{init}: draws by {drawn}; expected one step of noiseless, {' or '.join(CHAINED)}")
        planes = self.model.config.ssm_planes
        self.asked = asked_of(self.sampling, _SPREAD, recipe.batch, recipe.window, planes).to(device)

    def batches_of(self, pack: Pack, predicted=None, **settings) -> Batches:
        """Crops of a pack."""
        planes = self.model.config.ssm_planes
        return Batches(pack, predicted, self.recipe.window, planes, device=self.device, **settings)

    def losses(self, batches: Batches, rng) -> dict:
        """Losses of one step."""

        def crops(count, rng):
            return batches.draw(count, rng).restored(self.model)

        given = self.asked.next(self.model, crops, self.recipe.batch, rng)
        seen = given["x_t"], given["t"], given["ssm"], given["coarse"]
        with autocast(self.device, self.dtype):
            drawn = self.model(*seen)
            with torch.no_grad():
                wanted = self.before(*seen)
        self.asked.advance(drawn.detach(), given)
        return self.compare(drawn, wanted, given["images"])

    def look(self, batches: Batches, network, rng) -> dict:
        """Losses of images that `network` draws as it will be used, from the noise that the one before gets."""
        batch = batches.draw(self.recipe.batch, rng).restored(network)
        shape = 2 * len(self.sampling.chain), *batch.images.shape
        noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))

        def draw(model):
            left = iter(noise)
            return sample(model, batch.ssm, batch.coarse, noise=lambda shape: next(left), sampling=self.sampling)

        with autocast(self.device, self.dtype):
            drawn, wanted = draw(network), draw(self.before)
        return self.compare(drawn, wanted, batch.images)

    def compare(self, drawn, wanted, images) -> dict:
        """All losses of drawn images, given what was drawn before and the originals."""
        images = low_pass(images) if self.model.config.low_pass else images
        kept, grid = F.l1_loss(drawn, wanted), losses.uneven(drawn, images)
        return {"loss": self.recipe.kept * kept + self.recipe.grid * grid, "kept": kept, "grid": grid}


def train_mend(
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
    """Train a decoder to draw without a 4x4 pattern; returns its averaged state dict and its config.

    The two are what `spic.scsrdm.save_checkpoint` takes. A chain learns on the x_t that its own earlier steps make.

    Parameters
    ----------
    pack, validation : Pack
        What is learned from; the losses on `validation` are logged, of images drawn as they will be in use.
    recipe : Recipe
        The numbers.
    init : path-like
        The decoder, of the sampler "noiseless", "published" or "ancestral".
    predicted : numpy.ndarray, optional
        uint8 (N, H, W), SSMs of the pack's images as the transmitter will make them.
    **running
        `evaluate_every` (500), `checkpoint_seconds`, `on_save` of `spic.training.loop.train`.

    Raises
    ------
    ConfigError, DataError, WeightsError
        A decoder of another sampler, or of other labels; a checkpoint of another recipe.
    """
    torch.manual_seed(seed)
    mender = Mender(init, recipe, get_label_space(pack.label_space), device, dtype)
    learned = mender.batches_of(pack, predicted)
    look = validation and partial(mender.look, mender.batches_of(validation, lights=0.0))
    state = train(
        mender.model,
        lambda rng, _: mender.losses(learned, rng),
        folder,
        budget,
        Optimization(recipe.learning_rate, (0.0, 0.99), ema_decay=recipe.ema_decay, clip=5.0, seed=seed),
        recipe={**asdict(recipe), **origin(pack, init, dtype, seed), "predicted": predicted is not None},
        companions={"asked": mender.asked},
        evaluate=look and partial(mean_losses, look=look, count=_LOOKS, seed=seed),
        **{"evaluate_every": 500, **running},
    )
    return state, mender.config
