"""Second stage of the decoder's training: images that look real, by a segmenter with the class "drawn" and patches.

The first stage (`spic.training.decoder`) minimises a squared error, which means blur. This one starts from its weights
and draws in one step from the noiseless coarse image, as the shipped sampling does.
"""

from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
import torch

from spic.errors import ConfigError, DataError
from spic.machine import autocast
from spic.pictures.labels import get_label_space
from spic.scsrdm import build, load_checkpoint
from spic.scsrdm.schedule import NUM_TIMESTEPS, alphas_cumprod
from spic.training import losses
from spic.training.batches import Batches
from spic.training.decoder import CONDITIONS, recipe_of
from spic.training.discriminators import SHIFT, Discriminators
from spic.training.loop import Budget, Optimization, mean_losses, train
from spic.training.pack import Pack
from spic.training.perceptual import Vgg
from spic.training.segmenter import class_weights
from spic.weights import load_state, sha256, weight_paths

DRAWING = {"refine_blocks": 4, "finish_channels": 24, "chroma": "half"}  # what the second stage adds to the network
START = {"both": 200, "coarse": 200, "ssm": NUM_TIMESTEPS - 1}  # timestep of the one step, by condition
_LOOKS = 8  # batches of an evaluation


@dataclass(frozen=True)
class Recipe:
    """Numbers of the second stage.

    Attributes
    ----------
    network : dict
        Settings of `ScsrdmConfig` over those of the weights to start from (of the first stage's "small" without such).
    condition : str, optional
        What the decoder sees: "both", or "coarse" or "ssm" alone; by default what it saw before.
    window, batch
        Height and width of the crops, multiples of 64; crops per step.
    start : int, optional
        Timestep of the one step; by default that of `START`.
    spread : int
        Timesteps start - spread to start + spread are trained.
    pixels, low, colour, features, perceptual, grid, texture : float
        Weights of the losses of likeness (see `spic.training.losses`); `low` and `colour` are L1 distances at a
        quarter of the size and of colour differences, `perceptual` that of `spic.training.perceptual`, where its
        network is given.
    semantic, patch : float
        Weights of the two adversarial losses.
    learning_rate, discriminator_rate : float
        Peak rates of Adam (beta 0 and 0.99).
    hold : int
        Steps for which fresh discriminators learn alone; the adversarial weights then rise over as many steps.
    ema_decay : float
        Of the average of the decoder's weights, which is what is kept.
    """

    network: dict = field(default_factory=lambda: dict(DRAWING))
    condition: str | None = None
    window: tuple[int, int] = (128, 256)
    batch: int = 6
    start: int | None = None
    spread: int = 20
    pixels: float = 1.0
    low: float = 2.0
    colour: float = 2.0
    features: float = 1.0
    perceptual: float = 1.0
    grid: float = 2.0
    texture: float = 1.0
    semantic: float = 0.3
    patch: float = 0.08
    learning_rate: float = 2e-4
    discriminator_rate: float = 1e-4
    hold: int = 200
    ema_decay: float = 0.999

    def __post_init__(self):
        if len(self.window) != 2 or any(side < 1 or side % losses.WINDOW for side in self.window):
            raise ConfigError(f"crops of {self.window}: height and width are multiples of {losses.WINDOW}")
        if min(self.batch - 1, self.spread, self.hold) < 0 or not 0 <= (self.start or 0) < NUM_TIMESTEPS:
            raise ConfigError("a recipe needs a batch of 1 or more, a start below 1000, a spread and hold of 0 or more")


class Trainer:
    """The decoder, its discriminators, and the losses of one step."""

    def __init__(self, pack: Pack, predicted, recipe: Recipe, init, device: str, dtype: str, vgg=None):
        space = get_label_space(pack.label_space)
        self.recipe, self.void, self.device, self.dtype = recipe, space.void, device, dtype
        self.model = grown_network(init, recipe, space)
        start = START[self.model.config.condition] if recipe.start is None else recipe.start
        self.config = {
            "network": self.model.config.to_dict(),
            "sampling": {"sampler": "noiseless", "steps": 1, "start": start, "guidance": 1.0},
            "label_space": space.name,
        }
        planes = self.model.config.ssm_planes
        self.discriminators = Discriminators(space.num_classes, planes)
        self.vgg = vgg and Vgg(vgg)
        for module in filter(None, (self.model, self.discriminators, self.vgg)):
            module.to(device, memory_format=torch.channels_last)
        self.batches = Batches(pack, predicted, recipe.window, planes, device=device)
        weights = class_weights(pack.labels, space.num_classes, ceiling=3.0)
        self.weights = torch.tensor(weights, dtype=torch.float32, device=device)
        self.abar = torch.tensor(alphas_cumprod(), dtype=torch.float32, device=device)

    def draw(self, network, batch, rng):
        """Images drawn in one step from the noiseless coarse image."""
        spread = rng.integers(-self.recipe.spread, self.recipe.spread + 1, size=len(batch.labels))
        t = np.clip(self.config["sampling"]["start"] + spread, 0, NUM_TIMESTEPS - 1)
        t = torch.from_numpy(t).to(self.device)
        x_t = self.abar[t].sqrt().view(-1, 1, 1, 1) * network.enlarge(batch.coarse)
        with autocast(self.device, self.dtype):
            return network(x_t, t, batch.ssm, batch.coarse)

    def losses(self, rng, step: int) -> dict:
        """Losses of decoder and discriminators on one batch; gradients of each reach its own parameters alone."""
        batch = self.batches.draw(self.recipe.batch, rng)
        drawn = self.draw(self.model, batch, rng)
        return self.compare(drawn, batch, rng, min(1.0, max(0.0, step / max(1, self.recipe.hold) - 1)))

    def compare(self, drawn, batch, rng, adversarial: float) -> dict:
        """All losses of drawn images; `adversarial` in 0..1 scales the two adversarial ones of the decoder."""
        r, nets = self.recipe, self.discriminators
        pixels, low = losses.reconstruction(drawn, batch.images)
        colour = (losses.chroma(drawn) - losses.chroma(batch.images)).abs().mean()
        uneven = losses.uneven(drawn, batch.images)
        coarser = losses.texture(drawn, batch.images)
        change = _change(len(drawn), rng, self.device)
        real, fake = change(batch.images), change(drawn)
        around = change(self.model.enlarge(batch.coarse)), batch.ssm * (self.model.config.condition != "coarse")
        shift = tuple(rng.integers(SHIFT + 1, size=2))
        size = real.shape[-2:]
        with autocast(self.device, self.dtype):
            with torch.no_grad():
                wanted = nets.features(real)
            found = nets.features(fake)
            features = losses.feature_distance(found, wanted)
            perceptual = self.vgg(drawn, batch.images, rng) if self.vgg else drawn.new_zeros(())
            nets.requires_grad_(False)
            readable = losses.readable(nets.logits(found, size), batch.labels, self.weights, self.void)
            patches = losses.hinge_of_generator(nets.patch_scores(fake, *around, shift))
            nets.requires_grad_(True)
            nets.segmenter.encoder.requires_grad_(False)
            both = [torch.cat([a, b.detach()]) for a, b in zip(wanted, found, strict=True)]
            on_real, on_drawn = losses.segmenter_loss(
                *nets.logits(both, size).chunk(2), batch.labels, self.weights, self.void
            )
            pairs = [torch.cat([a, b]) for a, b in zip((real, *around), (fake.detach(), *around), strict=True)]
            scores = [score.chunk(2) for score in nets.patch_scores(*pairs, shift)]
            hinge = losses.hinge_loss([a for a, _ in scores], [b for _, b in scores])
        alike = {
            "pixels": pixels,
            "low": low,
            "colour": colour,
            "features": features,
            "perceptual": perceptual,
            "grid": uneven,
            "texture": coarser,
        }
        decoder = sum(getattr(r, name) * value for name, value in alike.items())
        decoder = decoder + adversarial * (r.semantic * readable + r.patch * patches)
        return {
            "loss": decoder + on_real + on_drawn + hinge,
            "decoder": decoder,
            **alike,
            "readable": readable,
            "patch": patches,
            "on_real": on_real,
            "on_drawn": on_drawn,
            "hinge": hinge,
        }


def train_adversarial(
    pack: Pack,
    folder,
    budget: Budget,
    recipe: Recipe,
    *,
    init=None,
    validation: Pack | None = None,
    predicted: np.ndarray | None = None,
    vgg=None,
    device: str = "cpu",
    dtype: str = "float32",
    seed: int = 0,
    evaluate_every: int = 500,
    **saving,
) -> tuple[dict, dict]:
    """Train a decoder against discriminators and return its averaged state dict and its config.

    The two are what `spic.scsrdm.save_checkpoint` takes.

    Parameters
    ----------
    pack, validation : Pack
        With coarse images at the QPs to serve; the losses on `validation` are logged, those of the discriminators
        among them: with a few hundred frames they learn the training images by heart.
    recipe : Recipe
        The numbers.
    init : path-like, optional
        Decoder weights to start from; they may lack the parts of the network that this stage adds. The discriminators
        start fresh.
    predicted : numpy.ndarray, optional
        uint8 (N, H, W), SSMs of the pack's images as the transmitter will make them.
    vgg : path-like, optional
        VGG16, as the weights of LPIPS have it, for the perceptual loss; none without.
    **saving
        `checkpoint_seconds`, `on_save` of `spic.training.loop.train`.
    """
    torch.manual_seed(seed)
    trainer = Trainer(pack, predicted, recipe, init, device, dtype, vgg)
    left_out = validation and Batches(
        validation, None, recipe.window, trainer.model.config.ssm_planes, lights=0, device=device
    )

    def look(probe, rng):
        batch = left_out.draw(recipe.batch, rng)
        return trainer.compare(trainer.draw(probe, batch, rng), batch, rng, 1.0)

    state = train(
        trainer.model,
        trainer.losses,
        folder,
        budget,
        Optimization(recipe.learning_rate, (0.0, 0.99), ema_decay=recipe.ema_decay, clip=5.0, seed=seed),
        groups=[
            {"params": list(trainer.model.parameters())},
            {
                "params": [p for p in trainer.discriminators.parameters() if p.requires_grad],
                "scale": recipe.discriminator_rate / recipe.learning_rate,
            },
        ],
        recipe={
            **asdict(recipe),
            **trainer.config,
            "init": init and sha256(weight_paths(init)[0]),
            "predicted": predicted is not None,
            "vgg": vgg and sha256(vgg),
            "names": len(pack),
            "dtype": dtype,
            "seed": seed,
        },
        companions={"discriminators": trainer.discriminators},
        evaluate=partial(mean_losses, look=look, count=_LOOKS, seed=seed) if validation else None,
        evaluate_every=evaluate_every,
        **saving,
    )
    return state, trainer.config


def grown_network(init, recipe: Recipe, space):
    """The network of the weights `init` with the parts that `recipe` adds to its head, those fresh.

    Without `init` the network of the first stage, all fresh. A fresh part gives zero, so nothing changes at first but
    what `chroma` does.
    """
    if init is None:
        base, state = recipe_of("small", recipe.condition or "both").network, None
    else:
        known, config = load_checkpoint(init)
        base, state = config["network"], known.state_dict()
        if config.get("label_space", space.name) != space.name:
            raise DataError(f"{init}: a decoder of {config['label_space']}; the pack's labels are {space.name}")
    if recipe.condition not in (None, base["condition"]):
        base = base | CONDITIONS.get(recipe.condition, {}).get("network", {}) | {"condition": recipe.condition}
    model = build({**base, **recipe.network, "num_classes": space.num_classes})
    if state is not None:
        fresh = model.state_dict()
        added = {name: fresh[name] for name in fresh if name.startswith("refine.") and name not in state}
        load_state(model, added | state, f"a decoder to start from ({init})")
    return model


def _change(count, rng, device):
    """Another brightness, saturation and contrast for most images of a batch, the same for all that is shown of each.

    So that a discriminator does not learn a few hundred images by heart. Coarse and drawn images change alike: colour
    stays evidence.
    """
    on = rng.random(count) < 0.7
    shift, saturation, contrast = (
        torch.tensor(np.where(on, value, rest), dtype=torch.float32, device=device).view(-1, 1, 1, 1)
        for value, rest in (
            (0.4 * rng.random(count) - 0.2, 0.0),
            (0.6 + 0.8 * rng.random(count), 1.0),
            (0.75 + 0.5 * rng.random(count), 1.0),
        )
    )

    def change(x):
        gray = x.mean(1, keepdim=True)
        return contrast * (gray + (x - gray) * saturation) + shift

    return change
