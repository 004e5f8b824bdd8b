"""Second stage of the decoder's training: images that look real, by a segmenter with the class "drawn" and patches.

The first stage (`spic.training.decoder`) minimises a squared error, which means blur. This one starts from its weights
and draws in one step from the noiseless coarse image, as the shipped sampling does.
"""

from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from spic.errors import ConfigError, WeightsError
from spic.machine import autocast
from spic.pictures.labels import get_label_space
from spic.scsrdm.refine import low_pass
from spic.scsrdm.sampler import sample
from spic.scsrdm.sampling import NUM_TIMESTEPS, STEPS, Sampling, even_timesteps
from spic.training import losses
from spic.training.augment import places, sampled, sampled_labels
from spic.training.batches import Batch, Batches, put
from spic.training.chains import CHAINED, asked_of
from spic.training.decoder import grown_network
from spic.training.discriminators import Discriminators
from spic.training.loop import Budget, Optimization, mean_losses, origin, train
from spic.training.pack import Pack
from spic.training.perceptual import Vgg
from spic.training.recorded import Staged
from spic.training.segmenter import class_weights
from spic.training.views import changed_light, views
from spic.weights import check_state, sha256
from spic.weights.reading import read_state_dict

# What the second stage adds.
DRAWING = {
    **{"refine_blocks": 4, "finish_channels": 24, "chroma": "half", "low_pass": True},
    **{"colour_share": 0.35, "luma_share": 0.5},
}
START = {"both": 200, "coarse": 200, "ssm": NUM_TIMESTEPS - 1}  # timestep of the one step, by condition
# Weights in `Recipe`.
LIKENESS = ("pixels", "low", "colour", "features", "perceptual", "grid", "spectrum", "texture", "amount")
LOSSES = ("loss", "decoder", *LIKENESS, "readable", "patch", "on_real", "on_drawn", "hinge")
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
    compared : (int, int)
        Height and width of the part of each crop that `perceptual` compares, at random; larger than the crop: all.
    zoom, turn : float
        The segmenter sees most crops enlarged or reduced by a factor of up to `zoom` and turned by up to `turn`
        degrees, beside 18 % of stretching and a flip: more than a few hundred images.
    sampler : str
        "noiseless": one step. "published" or "ancestral": the paper's 20 steps, see `spic.training.chains`.
    start : int, optional
        Timestep of the one step, by default that of `START`; or the chain's first, by default the published one, 192.
    end : int
        The chain's last timestep, after which the image is done. Nearer to 0 a network can hardly change x_t any more
        (`s` in `spic.scsrdm.model` falls with the noise), and the noise of the last steps stays in the image.
    spread : int
        Timesteps start - spread to start + spread are trained for the one step.
    pixels, low, colour, features, perceptual, grid, spectrum, texture, amount : float
        Weights of the losses of likeness (see `spic.training.losses`); `low` is the L1 distance at a quarter of the
        size, `colour` that of colour differences, where rare classes count up to three times; `perceptual` that of
        `spic.training.perceptual`, where its network is given.
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
    compared: tuple[int, int] = (64, 128)
    zoom: float = 1.5
    turn: float = 8.0
    sampler: str = "noiseless"
    start: int | None = None
    end: int = 30
    spread: int = 20
    pixels: float = 1.0
    low: float = 2.0
    colour: float = 2.0
    features: float = 1.0
    perceptual: float = 1.0
    grid: float = 2.0
    spectrum: float = 0.5
    texture: float = 1.0
    amount: float = 2.0
    semantic: float = 0.3
    patch: float = 0.08
    learning_rate: float = 2e-4
    discriminator_rate: float = 1e-4
    hold: int = 200
    ema_decay: float = 0.999

    def __post_init__(self):
        losses.check_crop(self.window)
        if min(self.batch - 1, self.spread, self.hold) < 0 or not 0 <= (self.start or 0) < NUM_TIMESTEPS:
            raise ConfigError("a recipe needs a batch of 1 or more, a start below 1000, a spread and hold of 0 or more")
        if not (1 <= self.zoom <= 4 and 0 <= self.turn <= 90):
            raise ConfigError(f"zoom {self.zoom}, turn {self.turn}: expected 1 to 4, and 0 to 90 degrees")
        if self.sampler not in ("noiseless", *CHAINED):
            raise ConfigError(f"a decoder is trained for noiseless, {' or '.join(CHAINED)}, not for {self.sampler!r}")
        self.sampling("both")

    def sampling(self, condition: str) -> Sampling:
        """How a decoder of this condition is trained to draw; `ConfigError` for a chain that cannot be."""
        if self.sampler == "noiseless":
            return Sampling(self.sampler, 1, START[condition] if self.start is None else self.start)
        start = Sampling().start if self.start is None else self.start
        return Sampling(self.sampler, timesteps=even_timesteps(STEPS, start, self.end))


class Trainer:
    """The decoder, its discriminators, and the losses of one step."""

    def __init__(self, pack: Pack, predicted, recipe: Recipe, init, device: str, dtype: str, vgg=None):
        space = get_label_space(pack.label_space)
        self.recipe, self.void, self.device, self.dtype = recipe, space.void, device, dtype
        self.model = grown_network(init, recipe, space)
        self.sampling = recipe.sampling(self.model.config.condition)
        self.config = {
            "network": self.model.config.to_dict(),
            "sampling": self.sampling.to_dict(),
            "label_space": space.name,
        }
        self.vgg = vgg and Vgg(vgg, device, recipe.compared)
        planes = self.model.config.ssm_planes
        self.discriminators = Discriminators(space.num_classes, planes)
        self.asked = asked_of(self.sampling, recipe.spread, recipe.batch, recipe.window, planes).to(device)
        for module in (self.model, self.discriminators):
            module.to(device, memory_format=torch.channels_last)
        self.batches = self.batches_of(pack, predicted)
        weights = class_weights(pack.labels, space.num_classes, ceiling=3.0)
        self.weights = torch.tensor(weights, dtype=torch.float32, device=device)

    def batches_of(self, pack: Pack, predicted=None, **settings) -> Batches:
        """Crops of a pack."""
        planes = self.model.config.ssm_planes
        return Batches(pack, predicted, self.recipe.window, planes, device=self.device, **settings)

    def crops(self, count: int, rng) -> Batch:
        """Crops to learn from."""
        return self.batches.draw(count, rng).restored(self.model)

    def drawable(self, images):
        """Images without what the network cannot draw: a discriminator would know them by it."""
        return low_pass(images) if self.model.config.low_pass else images

    def views(self, rng, count: int, adversarial: float) -> dict:
        """What `compare` needs beside the images; `adversarial` in 0..1 scales the decoder's adversarial losses."""
        r = self.recipe
        found = views(rng, count, r.window, r.compared, r.zoom, r.turn) | {"adversarial": adversarial}
        return {name: put(value, self.device) for name, value in found.items()}

    def draw(self, rng, step: int) -> dict:
        """All tensors of one step."""
        r = self.recipe
        given = self.asked.next(self.model, self.crops, r.batch, rng)
        adversarial = min(1.0, max(0.0, step / max(1, r.hold) - 1))
        return given | self.views(rng, len(given.get("near", given["t"])), adversarial)

    def losses(self, **given) -> dict:
        """Losses of decoder and discriminators on one batch; gradients of each reach its own parameters alone."""
        batch = Batch(**{name: given[name] for name in ("images", "labels", "ssm", "coarse")})
        with autocast(self.device, self.dtype):
            drawn = self.model(given["x_t"], given["t"], batch.ssm, batch.coarse)
        self.asked.advance(drawn.detach(), given)
        if "near" not in given:
            return self.compare(drawn, batch, given)
        near, far = given["near"], given["far"]
        found = dict.fromkeys(LOSSES, drawn.new_zeros(()))
        if len(near):
            found |= self.compare(drawn.index_select(0, near), batch[near], given)
        if len(far):
            rest = batch[far]
            distant = self.weighted(self.likeness(drawn.index_select(0, far), self.drawable(rest.images), rest))
            found["loss"] = found["loss"] + (1 - given["share"]) * (distant - found["decoder"])
        return found

    def likeness(self, drawn, images, batch) -> dict:
        """Losses of pixels, of the images at a quarter of their size and of colour; `images` as `drawable` has them."""
        pixels, low = losses.reconstruction(drawn, images)
        rare = F.pad(self.weights, (0, 256 - len(self.weights)))[batch.labels]
        return {"pixels": pixels, "low": low, "colour": losses.colour(drawn, images, rare)}

    def weighted(self, found: dict):
        """The sum of losses with the recipe's weights."""
        return sum(getattr(self.recipe, name) * value for name, value in found.items())

    def look(self, batches: Batches, network, rng) -> dict:
        """Losses of images that `network` draws as it will be used."""
        batch = batches.draw(self.recipe.batch, rng).restored(network)

        def noise(shape):
            return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))

        with autocast(self.device, self.dtype):
            drawn = sample(network, batch.ssm, batch.coarse, noise=noise, sampling=self.sampling)
        return self.compare(drawn, batch, self.views(rng, len(drawn), 1.0))

    def compare(self, drawn, batch, given: dict) -> dict:
        """All losses of drawn images, seen as `views` says.

        How much texture there is to be is what the images have before `drawable` takes some.
        """
        r, nets, images = self.recipe, self.discriminators, self.drawable(batch.images)
        change, shift, size = changed_light(given["light"]), given["shift"], drawn.shape[-2:]
        real, fake = change(images), change(drawn)
        around = change(self.model.enlarge(batch.coarse)), batch.ssm * (self.model.config.condition != "coarse")
        seen, labels = (lambda x: x), batch.labels
        if "warp" in given:
            grid = places(given["warp"], size, size)
            seen, labels = partial(sampled, grid=grid), sampled_labels(labels, grid, self.void)
        with autocast(self.device, self.dtype):
            with torch.no_grad():
                wanted = nets.features(seen(real))
            found = nets.features(seen(fake))
            features = losses.feature_distance(found, wanted)
            perceptual = self.vgg(drawn, images, given["corner"]) if self.vgg else drawn.new_zeros(())
            nets.requires_grad_(False)
            readable = losses.readable(nets.logits(found, size), labels, self.weights, self.void)
            patches = losses.hinge_of_generator(nets.patch_scores(fake, *around, shift))
            nets.requires_grad_(True)
            nets.segmenter.encoder.requires_grad_(False)
            both = [torch.cat([a, b.detach()]) for a, b in zip(wanted, found, strict=True)]
            on_real, on_drawn = losses.segmenter_loss(
                *nets.logits(both, size).chunk(2), labels, self.weights, self.void
            )
            pairs = [torch.cat([a, b]) for a, b in zip((real, *around), (fake.detach(), *around), strict=True)]
            scores = [score.chunk(2) for score in nets.patch_scores(*pairs, shift)]
            hinge = losses.hinge_loss([a for a, _ in scores], [b for _, b in scores])
        alike = self.likeness(drawn, images, batch) | {
            "features": features,
            "perceptual": perceptual,
            "grid": losses.uneven(drawn, images),
            "spectrum": losses.spectrum(drawn, images),
            "texture": losses.texture(drawn, batch.images),
            "amount": losses.amount(drawn, batch.images, batch.ssm),
        }
        decoder = self.weighted(alike) + given["adversarial"] * (r.semantic * readable + r.patch * patches)
        others = (readable, patches, on_real, on_drawn, hinge)
        return dict(zip(LOSSES, (decoder + on_real + on_drawn + hinge, decoder, *alike.values(), *others), strict=True))


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
    discriminators=None,
    device: str = "cpu",
    dtype: str = "float32",
    seed: int = 0,
    **running,
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
        Decoder weights to start from; they may lack the parts of the network that this stage adds.
    predicted : numpy.ndarray, optional
        uint8 (N, H, W), SSMs of the pack's images as the transmitter will make them.
    vgg : path-like, optional
        VGG16, as the weights of LPIPS have it, for the perceptual loss; none without.
    discriminators : path-like, optional
        Checkpoint of a training of this stage whose discriminators this one goes on with; fresh ones without.
    **running
        `evaluate_every` (500), `checkpoint_seconds`, `on_save` of `spic.training.loop.train`.
    """
    torch.manual_seed(seed)
    known = discriminators_of(discriminators) if discriminators else None
    trainer = Trainer(pack, predicted, recipe, init, device, dtype, vgg)
    if known:
        check_state(trainer.discriminators.state_dict(), known, str(discriminators))
        trainer.discriminators.load_state_dict(known)
    look = validation and partial(trainer.look, trainer.batches_of(validation, lights=0.0))

    state = train(
        trainer.model,
        Staged(trainer.draw, trainer.losses),
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
            **origin(pack, init, dtype, seed),
            "predicted": predicted is not None,
            "vgg": vgg and sha256(vgg),
            "discriminators": discriminators and sha256(discriminators),
        },
        companions={"discriminators": trainer.discriminators, "asked": trainer.asked},
        evaluate=look and partial(mean_losses, look=look, count=_LOOKS, seed=seed),
        **{"evaluate_every": 500, **running},
    )
    return state, trainer.config


def discriminators_of(checkpoint) -> dict:
    """State of the discriminators in the checkpoint of a training; `WeightsError` where there is none."""
    try:
        return read_state_dict(checkpoint)["companions"]["discriminators"]
    except (KeyError, TypeError):
        raise WeightsError(f"{checkpoint}: not a checkpoint of the second stage's training") from None
