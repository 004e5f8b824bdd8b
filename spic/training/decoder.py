"""First stage of the shipped decoder: SCSRDM on the timesteps that its sampler visits, around the coarse image.

The released model learns all 1000 timesteps on whole images for days. This recipe gets further in an hour by
learning less: only timesteps up to `t_max`, crops instead of images, and the correction to a known Wiener estimate
in units of its own error (`ScsrdmConfig.residual_std`) instead of the noise. The released size and its recipe are
the preset "paper".
"""

from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import torch

from spic.errors import ConfigError, DataError
from spic.machine import autocast
from spic.pictures.labels import get_label_space
from spic.scsrdm import build, load_checkpoint
from spic.scsrdm.sampling import Sampling
from spic.scsrdm.schedule import NUM_TIMESTEPS, alphas_cumprod
from spic.training import losses
from spic.training.batches import Batches
from spic.training.distributed import Ranks
from spic.training.loop import Budget, Optimization, mean_losses, origin, train
from spic.training.pack import Pack
from spic.weights import load_state, read_weights

CROP = (128, 256)
TRUTH = 0.5  # share of crops whose SSM is the ground truth, where there are predicted maps

SMALL = {  # 7.2 M parameters, 34 GFLOP per step at 256x512
    "base_channels": 64,
    "channel_mult": [1, 1, 2],
    "num_res_blocks": 2,
    "nominal_size": 256,
    "attention_resolutions": [16],
    "patch_size": 4,
    "ssm_channels": 32,
    "spade_hidden": 24,
    "prediction": "x0",
    "learned_variance": False,
    "residual_std": 0.1334,
    "refine_channels": 64,
    "upsampling": "bicubic",
    "void_class": True,
}
PAPER = {  # 653 M parameters, 6.9 TFLOP per step at 256x512: the defaults of `ScsrdmConfig`
    "prediction": "epsilon",
    "learned_variance": True,
}


@dataclass(frozen=True)
class Recipe:
    """Numbers of the first stage; `recipe_of` makes them from a preset.

    Attributes
    ----------
    network : dict
        Settings of `ScsrdmConfig`; the number of classes is that of the pack.
    sampling : dict
        Settings of `spic.scsrdm.sample` that the weights are recommended to run with; the training does not use them.
    crop : (int, int), optional
        Height and width of the crops, multiples of 4; `CROP` by default.
    batch : int
        Crops per step, on each rank.
    t_min, t_max, t_power
        Timesteps t_min to t_max are trained: t = t_min + (t_max - t_min) u^t_power, u uniform in 0..1.
    t_focus : float
        This share of the crops gets one of the last 50 timesteps instead, and there the x_t that a chain begins with:
        the noised coarse image. A noised x0 still shows large objects at t = 200, which no coarse image does; a network
        trained on it alone takes their absence in its first step for a fact, and erases them.
    ssm_drop : float
        Share of crops that see the all-zero SSM, the null condition of guidance.
    scene_share : float
        Share of drawn street scenes, where the pack holds both kinds.
    learning_rate, ema_decay : float
        Peak rate of AdamW; decay of the average of the weights, which is what is kept.
    checkpointing : bool
        Compute activations twice instead of keeping them.
    """

    network: dict
    sampling: dict
    t_max: int
    t_power: float
    learning_rate: float
    ema_decay: float
    crop: tuple[int, int] | None = None
    batch: int = 8
    t_min: int = 0
    t_focus: float = 0.0
    ssm_drop: float = 0.1
    scene_share: float = 0.2
    checkpointing: bool = False

    def __post_init__(self):
        if not 0 <= self.t_min <= self.t_max < NUM_TIMESTEPS:
            raise ConfigError(f"timesteps {self.t_min} to {self.t_max}: expected 0 <= t_min <= t_max < {NUM_TIMESTEPS}")
        Sampling.from_dict(self.sampling)  # wrong values: now, not after hours


PRESETS = {
    "small": Recipe(
        SMALL,
        {"sampler": "ddim", "steps": 8, "start": 192},
        t_max=220,
        t_power=1.5,
        learning_rate=4e-4,
        ema_decay=0.998,
    ),
    "paper": Recipe(  # the published settings; whole 256x512 images, all timesteps alike
        PAPER,
        {"sampler": "published", "steps": 20, "start": 192},
        t_max=NUM_TIMESTEPS - 1,
        t_power=1.0,
        learning_rate=1e-4,
        ema_decay=0.9999,
        crop=(256, 512),
        checkpointing=True,
    ),
}
# What changes where the network sees one condition alone, to measure what the other brings.
CONDITIONS = {
    "both": {},
    "coarse": {},
    # Nothing to start from but noise: all timesteps, around mid-gray, from which images are about 0.55 away.
    "ssm": {
        "network": {"residual_std": 0.55},
        "t_max": NUM_TIMESTEPS - 1,
        "t_power": 1.0,
        "sampling": {"sampler": "ddim", "steps": 10, "start": NUM_TIMESTEPS - 1},
    },
}


def recipe_of(preset: str, condition: str = "both", **changes) -> Recipe:
    """Recipe of a preset for one condition.

    Parameters
    ----------
    preset, condition : str
        One of `PRESETS`; one of `CONDITIONS`: what the network sees, of SSM and coarse image.
    **changes
        Fields of `Recipe`; None leaves a number as it is. Settings in `network` and `sampling` go over what is there.

    Raises
    ------
    ConfigError
        An unknown name, timesteps that are out of range, or wrong sampling settings.
    """
    for what, name, known in (("preset", preset, PRESETS), ("condition", condition, CONDITIONS)):
        if name not in known:
            raise ConfigError(f"unknown {what} {name!r}; known: {', '.join(known)}")
    chosen, one_sided = PRESETS[preset], CONDITIONS[condition]
    around = one_sided.get("network", {}) if "residual_std" in chosen.network else {}
    network = chosen.network | around | {"condition": condition} | changes.pop("network", {})
    sampling = chosen.sampling | one_sided.get("sampling", {}) | _given(changes.pop("sampling", {}))
    return replace(chosen, **one_sided | _given(changes) | {"network": network, "sampling": sampling})


def _given(values: dict) -> dict:
    return {name: value for name, value in values.items() if value is not None}


class Trainer:
    """The network, what it is shown, and the losses of one step."""

    def __init__(self, pack: Pack, predicted, recipe: Recipe, init, device: str, dtype: str):
        self.recipe, self.device, self.dtype = recipe, device, dtype
        self.network = {**recipe.network, "num_classes": get_label_space(pack.label_space).num_classes}
        self.model = build(self.network)
        if self.model.config.learned_variance and self.model.config.residual_std is not None:
            raise ConfigError("networks with a residual_std do not learn the variance: set learned_variance to false")
        self.model.checkpointing = recipe.checkpointing
        if init is not None:
            state, fresh = read_weights(init)[0], self.model.state_dict()
            if not any(name.startswith("refine.") for name in state):
                state |= {name: tensor for name, tensor in fresh.items() if name.startswith("refine.")}
            load_state(self.model, state, f"a decoder to start from ({init})")
        self.model.to(device, memory_format=torch.channels_last)
        self.abar = torch.tensor(alphas_cumprod(), dtype=torch.float32, device=device)
        self.batches = self.batches_of(pack, predicted)

    def batches_of(self, pack: Pack, predicted=None) -> Batches:
        """Crops of a pack as the recipe wants them, in the light that they were taken in."""
        r = self.recipe
        return Batches(
            pack,
            predicted,
            r.crop or CROP,
            self.model.config.ssm_planes,
            scene_share=r.scene_share,
            truth=TRUTH,
            lights=0.0,
            device=self.device,
        )

    def timesteps(self, rng):
        """Timesteps of a batch, int64 (N,), and which of them are beginnings of a chain, bool (N,)."""
        r = self.recipe
        spread = r.t_min + (r.t_max - r.t_min) * rng.random(r.batch) ** r.t_power
        first = rng.uniform(max(r.t_min, r.t_max - 50), r.t_max, r.batch)
        begins = rng.random(r.batch) < r.t_focus
        t = (np.where(begins, first, spread) + 0.5).astype(np.int64)
        return torch.from_numpy(t).to(self.device), torch.from_numpy(begins).to(self.device)

    def losses(self, rng, _=None) -> dict:
        """Losses of one step."""
        return self.compare(self.batches, self.model, rng)

    def compare(self, batches: Batches, network, rng) -> dict:
        """Losses of `network` on a batch drawn by the generator `rng`."""
        batch = batches.draw(self.recipe.batch, rng).restored(network)
        keep = torch.from_numpy(rng.random(self.recipe.batch) >= self.recipe.ssm_drop).to(self.device)
        t, begins = self.timesteps(rng)
        noise = torch.from_numpy(rng.standard_normal(tuple(batch.images.shape), dtype=np.float32)).to(
            self.device, memory_format=torch.channels_last
        )
        keep, begins, a = (x.view(-1, 1, 1, 1) for x in (keep, begins, self.abar[t]))
        known = torch.where(begins, network.enlarge(batch.coarse), batch.images)
        x_t = a.sqrt() * known + (1 - a).sqrt() * noise
        with autocast(self.device, self.dtype):
            return losses.denoising(network, batch.images, x_t, t, a, batch.ssm * keep, batch.coarse)


def train_decoder(
    pack: Pack,
    folder,
    budget: Budget,
    recipe: Recipe,
    *,
    init=None,
    validation: Pack | None = None,
    predicted: np.ndarray | None = None,
    ranks: Ranks = Ranks(),  # noqa: B008 (frozen)
    device: str = "cpu",
    dtype: str = "float32",
    seed: int = 0,
    evaluate_every: int = 500,
) -> tuple[dict, dict]:
    """Train an SCSRDM and return its averaged state dict and its network config.

    Parameters
    ----------
    pack, validation : Pack
        With coarse images at the QPs to serve; one QP, or the uncoded coarse image, is drawn for each crop. The losses
        on `validation` are logged.
    recipe : Recipe
        The numbers.
    init : path-like, optional
        Weights of a network of the same shape to start from, as `spic train decoder` writes them; they may lack the
        head `refine`, which then starts at zero.
    predicted : numpy.ndarray, optional
        uint8 (N, H, W), SSMs of the pack's images as the transmitter will make them; half of the crops use them
        instead of the labels.
    ranks : Ranks
        The processes that train together (see `spic.training.distributed`).

    Raises
    ------
    ConfigError, DataError, WeightsError
        The network cannot be trained so; the pack has no coarse images or smaller ones than the crops; weights to start
        from that do not fit, a checkpoint of another recipe.
    """
    torch.manual_seed(seed)
    trainer = Trainer(pack, predicted, recipe, init, device, dtype)
    look = partial(trainer.compare, trainer.batches_of(validation)) if validation else None
    numbers = asdict(recipe)
    del numbers["sampling"]  # decides nothing here
    state = train(
        trainer.model,
        trainer.losses,
        folder,
        budget,
        Optimization(recipe.learning_rate, ema_decay=recipe.ema_decay, seed=seed),
        recipe={
            **numbers,
            **origin(pack, init, dtype, seed),
            "predicted": predicted is not None,
        },
        evaluate=look and partial(mean_losses, look=look, count=-(-2 * len(validation) // recipe.batch), seed=seed),
        evaluate_every=evaluate_every,
        ranks=ranks,
    )
    return state, trainer.network


def known_decoder(init, space):
    """Network and config of a decoder to start from; `DataError` if it speaks of other labels than `space`."""
    known, config = load_checkpoint(init)
    if config.get("label_space", space.name) != space.name:
        raise DataError(f"{init}: a decoder of {config['label_space']}; the pack's labels are {space.name}")
    return known, config


def grown_network(init, recipe, space):
    """The network of the weights `init` with the parts that the second stage's `recipe` adds to its head, those fresh.

    Without `init` the network of the first stage, all fresh. A fresh part gives zero, so nothing changes at first but
    what `chroma`, `colour_share` and `luma_share` do. A part that restores the coarse image stays, unless the network
    is to see another condition.
    """
    if init is None:
        base, state = recipe_of("small", recipe.condition or "both").network, None
    else:
        known, config = known_decoder(init, space)
        base, state = config["network"], known.state_dict()
    if recipe.condition not in (None, base["condition"]):
        base = base | CONDITIONS.get(recipe.condition, {}).get("network", {}) | {"condition": recipe.condition}
        base |= {"restore_channels": 0, "restore_blocks": 0}
    network = {**base, **recipe.network, "num_classes": space.num_classes}
    if network["condition"] == "ssm":
        network |= {"colour_share": 0.0, "luma_share": 0.0}  # it sees none
    model = build(network)
    if state is not None:
        fresh = model.state_dict()
        added = {name: fresh[name] for name in fresh if name.startswith("refine.") and name not in state}
        state = {name: state[name] for name in state if not name.startswith("restore.") or name in fresh}
        load_state(model, added | state, f"a decoder to start from ({init})")
    return model
