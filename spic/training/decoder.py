"""First stage of the shipped decoder: SCSRDM on the timesteps that its sampler visits, around the coarse image.

The released model learns all 1000 timesteps on whole pictures for days. This recipe gets further in an hour by
learning less: only timesteps up to `t_max`, crops instead of pictures, and the correction to a known Wiener estimate
in units of its own error (`ScsrdmConfig.residual_std`) instead of the noise. The released size and its recipe are
the preset "paper".
"""

import numpy as np
import torch
from torch.nn import functional as F

from spic.errors import ConfigError, DataError
from spic.machine import autocast
from spic.pictures.labels import get_label_space, one_hot
from spic.pictures.sizes import COARSE_FACTOR, downscale
from spic.scsrdm import build
from spic.scsrdm.denoiser import to_x0
from spic.scsrdm.schedule import NUM_TIMESTEPS, alphas_cumprod
from spic.training.augment import aligned_crop
from spic.training.batches import scene_odds
from spic.training.distributed import Ranks
from spic.training.loop import Budget, train
from spic.training.pack import Pack
from spic.training.variance import variational_bound
from spic.weights import load_state, read_weights, sha256, weight_paths

CROP = (128, 256)
LOSSLESS = -1  # stands for the coarse image as it was before coding

SMALL = {  # 7.2 M parameters, 34 GFLOP a step at 256x512
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

PAPER = {  # 653 M parameters, 6.9 TFLOP a step at 256x512: the defaults of `ScsrdmConfig`
    "prediction": "epsilon",
    "learned_variance": True,
}
PRESETS = {
    "small": {
        "network": SMALL,
        "crop": None,
        "t_max": 220,
        "t_power": 1.5,
        "learning_rate": 4e-4,
        "ema_decay": 0.998,
        "checkpointing": False,
        "sampling": {"sampler": "ddim", "steps": 8, "start": 192},
    },
    "paper": {  # the published settings; whole 256x512 pictures
        "network": PAPER,
        "crop": (256, 512),
        "t_max": NUM_TIMESTEPS - 1,
        "t_power": 1.0,
        "learning_rate": 1e-4,
        "ema_decay": 0.9999,
        "checkpointing": True,
        "sampling": {"sampler": "published", "steps": 20, "start": 192},
    },
}
# What changes where the network sees one condition alone, to measure what the other brings.
CONDITIONS = {
    "both": {},
    "coarse": {},
    # Nothing to start from but noise: all timesteps, around mid-gray, from which pictures are about 0.55 away.
    "ssm": {
        "network": {"residual_std": 0.55},
        "t_max": NUM_TIMESTEPS - 1,
        "t_power": 1.0,
        "sampling": {"sampler": "ddim", "steps": 10, "start": NUM_TIMESTEPS - 1},
    },
}


def recipe_of(preset: str, condition: str = "both") -> dict:
    """Network, sampling and numbers of a preset for one condition; `ConfigError` for unknown names."""
    for what, name, known in (("preset", preset, PRESETS), ("condition", condition, CONDITIONS)):
        if name not in known:
            raise ConfigError(f"unknown {what} {name!r}; known: {', '.join(known)}")
    chosen, changes = PRESETS[preset], CONDITIONS[condition]
    network = chosen["network"] | {"condition": condition}
    if network.get("residual_std") is not None:
        network |= changes.get("network", {})
    return chosen | changes | {"network": network}


def to_unit(pictures: np.ndarray, device: str) -> torch.Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W) in [-1, 1], channels_last."""
    x = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x.contiguous(memory_format=torch.channels_last)


def train_decoder(
    pack: Pack,
    folder,
    budget: Budget,
    *,
    validation: Pack | None = None,
    config: dict | None = None,
    preset: str = "small",
    condition: str = "both",
    crop: tuple | None = None,
    batch: int = 8,
    t_min: int = 0,
    t_max: int | None = None,
    t_focus: float = 0.0,
    init=None,
    predicted: np.ndarray | None = None,
    ssm_drop: float = 0.1,
    scene_share: float = 0.2,
    learning_rate: float | None = None,
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
        With coarse images at the QPs to serve; one QP, or the uncoded coarse image, is drawn for each crop.
    config : dict, optional
        Fields of `ScsrdmConfig` over those of the preset.
    preset : str
        One of `PRESETS`: network, crop, t_max, learning rate and decay of the average, unless given here.
    condition : str
        One of `CONDITIONS`: what the network sees, of SSM and coarse image.
    crop : (int, int), optional
        Height and width of the crops.
    batch : int
        Crops a step, on each rank.
    t_min, t_max : int
        Timesteps t_min..t_max are trained; with "small" low ones more often (t = t_min + (t_max - t_min) u^1.5, u
        uniform), with "paper" all alike.
    t_focus : float
        This share of the crops gets one of the last 50 timesteps instead, and there the x_t that a chain begins with:
        the noised coarse image. A noised x0 still shows large objects at t = 200, which no coarse image does; a network
        trained on it alone takes their absence in its first step for a fact, and erases them.
    init : path-like, optional
        Weights of a network of the same shape to start from, as `spic train decoder` writes them; they may lack the
        head `refine`, which then starts at zero.
    predicted : numpy.ndarray, optional
        uint8 (N, H, W), SSMs of the pack's pictures as the transmitter will make them; half of the crops use them
        instead of the labels.
    ssm_drop : float
        Share of crops that see the all-zero SSM, the null condition of guidance.
    ranks : Ranks
        The processes that train together (see `spic.training.distributed`).
    """
    chosen = recipe_of(preset, condition)
    window = tuple(crop or chosen["crop"] or CROP)
    t_max = chosen["t_max"] if t_max is None else t_max
    learning_rate = chosen["learning_rate"] if learning_rate is None else learning_rate
    if not pack.coarse:
        raise DataError("the decoder trains on a pack with coarse images (spic train pack --qp ...)")
    if not 0 <= t_min <= t_max < NUM_TIMESTEPS:
        raise ConfigError(f"timesteps {t_min} to {t_max}: expected 0 <= t_min <= t_max < {NUM_TIMESTEPS}")
    if any(side < wanted for side, wanted in zip(pack.labels.shape[1:], window, strict=True)):
        raise DataError(f"the decoder trains on crops of {window[1]}x{window[0]}; the pack's pictures are smaller")
    space = get_label_space(pack.label_space)
    settings = {**chosen["network"], **(config or {}), "num_classes": space.num_classes}
    torch.manual_seed(seed)
    model = build(settings)
    learned, kind = model.config.learned_variance, model.config.prediction
    if learned and model.config.residual_std is not None:
        raise ConfigError("networks with a residual_std do not learn the variance: set learned_variance to false")
    model.checkpointing = chosen["checkpointing"]
    if init is not None:
        state, fresh = read_weights(init)[0], model.state_dict()
        if not any(name.startswith("refine.") for name in state):
            state |= {name: tensor for name, tensor in fresh.items() if name.startswith("refine.")}
        load_state(model, state, f"a decoder to start from ({init})")
    model.to(device, memory_format=torch.channels_last)
    planes = model.config.ssm_planes
    abar = torch.tensor(alphas_cumprod(), dtype=torch.float32, device=device)
    odds = scene_odds(pack.sources, scene_share)
    qps = [LOSSLESS, *sorted(pack.coarse)]

    def draw(source: Pack, maps, index, rng):
        pictures, labels, coarse = [], [], []
        for i in index:
            qp = qps[rng.integers(len(qps))]
            small = downscale(source.pictures[i]) if qp == LOSSLESS else source.coarse[qp][i]
            ssm = source.labels if maps is None or rng.random() < 0.5 else maps
            crops = aligned_crop(source.pictures[i], ssm[i], small, window, COARSE_FACTOR, rng)
            for crop, kind in zip(crops, (pictures, labels, coarse), strict=True):
                kind.append(crop)
        labels = torch.from_numpy(np.stack(labels)).to(device)
        ssm = one_hot(labels, planes)
        keep = torch.from_numpy((rng.random(len(index)) >= ssm_drop).astype(np.float32)).to(device)
        spread = t_min + (t_max - t_min) * rng.random(len(index)) ** chosen["t_power"]
        first = rng.uniform(max(t_min, t_max - 50), t_max, len(index))
        begins = rng.random(len(index)) < t_focus
        t = (np.where(begins, first, spread) + 0.5).astype(np.int64)
        noise = rng.standard_normal((len(index), 3, *window), dtype=np.float32)
        return (
            to_unit(np.stack(pictures), device),
            ssm * keep.view(-1, 1, 1, 1),
            to_unit(np.stack(coarse), device),
            torch.from_numpy(t).to(device),
            torch.from_numpy(begins).to(device),
            torch.from_numpy(noise).to(device, memory_format=torch.channels_last),
        )

    def losses_from(network, x0, ssm, coarse, t, begins, noise):
        a = abar[t].view(-1, 1, 1, 1)
        known = torch.where(begins.view(-1, 1, 1, 1), network.enlarge(coarse), x0)
        x_t = a.sqrt() * known + (1 - a).sqrt() * noise
        noise = (x_t - a.sqrt() * x0) / (1 - a).sqrt()  # of the pair (x_t, x0); the same unless x_t is a beginning
        with autocast(device, dtype):
            if network.config.residual_std is None:
                prediction = network(x_t, t, ssm, coarse)
                target = {"epsilon": noise, "x0": x0, "v": a.sqrt() * noise - (1 - a).sqrt() * x0}
                squared = F.mse_loss(prediction[:, :3], target[kind])
                drawn = to_x0(kind, prediction[:, :3], x_t, a)
            else:
                raw, wiener, s = network.denoise_raw(x_t, t, ssm, coarse)
                squared = F.mse_loss(raw, (x0 - wiener) / s)
                drawn = wiener + s * raw
            if learned:
                bound = variational_bound(prediction[:, 3:], drawn, x0, x_t, t)
                return {"loss": squared + bound, "squared": squared, "bound": bound}
        return {"loss": squared}

    def loss_of(rng, _):
        return losses_from(model, *draw(pack, predicted, rng.choice(len(pack), size=batch, p=odds), rng))

    @torch.inference_mode()
    def evaluate(state):
        probe = build(settings).to(device, memory_format=torch.channels_last)
        probe.load_state_dict(state)
        rng = np.random.default_rng(seed)
        index = [i for i in range(len(validation)) for _ in range(2)]
        probe.eval()
        rows = [
            losses_from(probe, *draw(validation, None, index[start : start + batch], rng))
            for start in range(0, len(index), batch)
        ]
        return {name: round(float(np.mean([float(row[name]) for row in rows])), 5) for name in rows[0]}

    recipe = {
        "batch": batch,
        "t_min": t_min,
        "t_max": t_max,
        "t_focus": t_focus,
        "init": init and sha256(weight_paths(init)[0]),
        "predicted": predicted is not None,
        "ssm_drop": ssm_drop,
        "scene_share": scene_share,
        "seed": seed,
    }
    recipe |= {"learning_rate": learning_rate, "names": len(pack), "dtype": dtype, **settings}
    if preset != "small":
        recipe |= {"preset": preset, "crop": list(window)}
    state = train(
        model,
        loss_of,
        folder,
        budget,
        learning_rate=learning_rate,
        ema_decay=chosen["ema_decay"],
        seed=seed,
        recipe=recipe,
        evaluate=evaluate if validation else None,
        evaluate_every=evaluate_every,
        ranks=ranks,
    )
    return state, settings
