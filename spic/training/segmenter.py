"""Recipe of the segmenters: weighted cross-entropy on CamVid's training split and scenes."""

import math
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from spic.errors import ConfigError
from spic.machine import autocast
from spic.networks.efficientnet import LITE
from spic.networks.imagenet import load_imagenet
from spic.pictures.labels import get_label_space
from spic.segmentation.segmenter import NETWORKS, check_potts, network_name
from spic.training.augment import cut, draw_light, draw_pasted, draw_windows, paste, relight
from spic.training.batches import normals, put, scene_odds
from spic.training.loop import Budget, Optimization, origin, train
from spic.training.lovasz import lovasz_softmax
from spic.training.pack import Pack
from spic.training.recorded import Staged
from spic.weights import load_state, read_weights

ENCODERS = {"street": "lite2", "pyramid": "lite1", "dense": None}  # and lite0 belongs to `fd_lite0`
RARE = ("pole", "sign", "pedestrian", "bicyclist", "fence")  # classes whose frames come more often
PASTED = (0.4, 0.9)  # odds that a class is pasted from another crop, and of a rare one


def class_weights(labels: np.ndarray, num_classes: int, power: float = 0.5, ceiling: float = 6.0) -> np.ndarray:
    """Weights (num_classes,), mean 1 over pixels: frequency to the power -0.5, at most `ceiling` times the mean.

    Poles, signs, pedestrians and cyclists together are 3 % of CamVid's pixels. Unweighted, a short training never
    learns them; with the full inverse frequency it paints them everywhere.
    """
    counts = np.bincount(labels.ravel(), minlength=256)[:num_classes].astype(np.float64)
    frequency = np.maximum(counts / counts.sum(), 1e-6)
    weights = frequency**-power
    weights /= (weights * frequency).sum()
    return np.minimum(weights, ceiling)


def sampling_odds(pack: Pack, scene_share: float, rare_ids: list[int]) -> np.ndarray:
    """Odds (N,) of drawing each image: scenes get `scene_share` in all; frames with rare classes come more often."""
    rare = np.isin(pack.labels, rare_ids).mean(axis=(1, 2))
    return scene_odds(pack.sources, scene_share, 1 + np.minimum(rare / max(rare.mean(), 1e-9), 2))


@dataclass(frozen=True)
class Recipe:
    """Numbers of a segmenter's training.

    Attributes
    ----------
    network : str
        "street", "pyramid" or "dense": one of `spic.segmentation.segmenter.NETWORKS`.
    encoder : str or None
        ImageNet encoder that the network starts from ("lite1", "lite2"; by default that of `ENCODERS`), which learns at
        a quarter of the rate; "none": from scratch.
    shape : dict
        Fields of the network's config over its defaults.
    batch : int
        Crops per step.
    scene_share : float
        Share of drawn street scenes in the batches, where the pack has both kinds.
    learning_rate : float
        Peak rate of AdamW.
    crop : (int, int)
        Height and width of the crops, multiples of what the network takes; smaller than the working size: more steps
        per minute.
    zoom : (float, float)
        Range in which crops are reduced or enlarged.
    turn : float
        Largest angle by which they are turned, degrees.
    mixed : float
        Share of crops that take some classes, the `RARE` ones mostly, from another crop of the batch. For long
        trainings: one of 6000 crops became worse.
    colors, lights : float
        Strength of the random colours, and share of crops in another light: `spic.training.augment.draw_light`.
    lovasz : float
        Weight of the Lovasz-softmax loss beside cross-entropy: it rates small classes like large ones, as mIoU does.
    mirrored : bool
        The weights will say that an image's mirror image is to be asked, too; it changes nothing in the training.
    potts : float
        The weights will say how strongly neighbours are to be asked (`spic.segmentation.segmenter.agreed`); likewise.

    Raises
    ------
    ConfigError
        There is no such network or encoder; a number is out of its range.
    """

    network: str = "street"
    encoder: str | None = None
    shape: dict = field(default_factory=dict)
    batch: int = 8
    scene_share: float = 0.2
    learning_rate: float = 2e-3
    crop: tuple[int, int] = (192, 384)
    zoom: tuple[float, float] = (0.5, 2.0)
    turn: float = 8.0
    mixed: float = 0.0
    colors: float = 0.4
    lights: float = 0.4
    lovasz: float = 0.0
    mirrored: bool = False
    potts: float = 0.0

    def __post_init__(self):
        if self.network not in NETWORKS:
            raise ConfigError(f"segmenter network {self.network!r}: there are {', '.join(NETWORKS)}")
        usual = ENCODERS[self.network]
        known = ["none"] if usual is None else [*LITE, "none"]
        if self.encoder not in (None, *known):
            raise ConfigError(f"encoder {self.encoder!r}: for the network {self.network} there are {', '.join(known)}")
        object.__setattr__(self, "encoder", self.encoder or usual or "none")
        multiple = NETWORKS[self.network][3]
        for wrong, what in (
            (any(side < multiple or side % multiple for side in self.crop), f"crop: sides are multiples of {multiple}"),
            (not 0 < self.zoom[0] <= self.zoom[1] < math.inf, "zoom: lowest and highest factor, both above 0"),
            (not 0 <= self.turn <= 180, "turn: from 0 to 180 degrees"),
            (not 0 <= self.mixed <= 1, "mixed: a share, from 0 to 1"),
            (not 0 <= self.colors <= 2, "colors: from 0 to 2"),
            (not 0 <= self.lights <= 1, "lights: a share, from 0 to 1"),
            (not 0 <= self.lovasz < math.inf, "lovasz: 0 or above"),
        ):
            if wrong:
                raise ConfigError(f"{what}; got {getattr(self, what.partition(':')[0])}")
        check_potts(self.potts)


class Trainer:
    """The network, what it is shown (`draw`), and the loss of one step (`losses`)."""

    def __init__(self, pack: Pack, recipe: Recipe, init, device: str, dtype: str):
        self.pack, self.recipe, self.device, self.dtype = pack, recipe, device, dtype
        self.space = space = get_label_space(pack.label_space)
        shape, net, self.normalize, _ = NETWORKS[recipe.network]
        scaling = dict(zip(("width", "depth"), LITE.get(recipe.encoder, ()), strict=False))
        self.model = net(shape.from_dict({**scaling, **recipe.shape, "num_classes": space.num_classes}))
        if init is not None:
            state, described = read_weights(init)
            if network_name(described) != recipe.network:
                raise ConfigError(f"{init}: weights of the network {network_name(described)}, not of {recipe.network}")
            load_state(self.model, state, f"a segmenter to start from ({init})")
        elif scaling:
            load_imagenet(self.model.encoder, recipe.encoder)
        self.model.to(device, memory_format=torch.channels_last)
        tuned = dict(self.model.encoder.named_parameters(prefix="encoder")) if scaling else {}
        self.groups = [
            {"params": [p for name, p in self.model.named_parameters() if name not in tuned]},
            {"params": list(tuned.values()), "scale": 0.25},
        ]
        real = np.array([source != "street_scenes" for source in pack.sources])
        weights = class_weights(pack.labels[real] if real.any() else pack.labels, space.num_classes)
        self.weights = torch.tensor(weights, dtype=torch.float32, device=device)
        rare = [space.id(name) for name in RARE if name in space.classes]
        self.odds = sampling_odds(pack, recipe.scene_share, rare)
        self.pasted = np.zeros(space.void + 1)  # void never is
        self.pasted[: space.num_classes], self.pasted[rare] = PASTED
        self.images, self.labels = (torch.from_numpy(stack).to(device) for stack in (pack.pictures, pack.labels))

    def draw(self, rng: np.random.Generator, step: int) -> dict:
        """What `losses` takes: whole frames of a batch, and the numbers that say what becomes of them.

        The same on every device, apart from `noise`, which is drawn there.
        """
        recipe, count = self.recipe, self.recipe.batch
        index = put(rng.choice(len(self.pack), size=count, p=self.odds), self.device)
        numbers = {
            "maps": draw_windows(rng, count, self.labels.shape[1:], recipe.crop, recipe.zoom, recipe.turn),
            "pasted": draw_pasted(rng, count, self.pasted, recipe.mixed),
            **draw_light(rng, count, recipe.colors, recipe.lights),
        }
        return {
            "images": self.images[index],
            "labels": self.labels[index],
            "noise": normals(rng, (count, 3, *recipe.crop), self.device),
            **{name: put(values, self.device) for name, values in numbers.items()},
        }

    def losses(self, images, labels, maps, pasted, **light) -> dict:
        """Cross-entropy on crops of these frames in these colours; nothing in here waits for the device."""
        x, target = self.crops(images, labels, maps, pasted, **light)
        with autocast(self.device, self.dtype):
            logits = self.model(self.normalize(x.permute(0, 2, 3, 1) * 255))
        logits, void = logits.float(), self.space.void
        loss = F.cross_entropy(logits, target, weight=self.weights, ignore_index=void)
        if not self.recipe.lovasz:
            return {"loss": loss}
        small = lovasz_softmax(logits[..., ::2, ::2], target[..., ::2, ::2], void)  # sorting all pixels is slow
        return {"loss": loss + self.recipe.lovasz * small, "cross_entropy": loss, "lovasz": small}

    def crops(self, images, labels, maps, pasted, **light) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops, float32 (N, 3, H, W) in [0, 1], and their labels, int64 (N, H, W)."""
        x, target = paste(*cut(images, labels, maps, self.recipe.crop, self.space.void), pasted)
        return relight(x, **light), target


def train_segmenter(
    pack: Pack,
    folder,
    budget: Budget,
    recipe: Recipe,
    *,
    init=None,
    validation: Pack | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    seed: int = 0,
    evaluate_every: int = 250,
) -> tuple[dict, dict]:
    """Train a segmenter and return its averaged state dict and its JSON config.

    Parameters
    ----------
    pack, validation : Pack
        Training images, and images kept apart on which mIoU is logged (never the benchmark's own).
    recipe : Recipe
        The numbers.
    init : path-like, optional
        Weights of the same network to start from, instead of those of an encoder alone.

    Raises
    ------
    ConfigError, WeightsError
        Settings that the network does not take; weights to start from of another network or shape, a checkpoint of
        another recipe.
    """
    torch.manual_seed(seed)
    trainer = Trainer(pack, recipe, init, device, dtype)
    space, config = trainer.space, asdict(trainer.model.config)
    look = partial(validate, normalize=trainer.normalize, pack=validation, space=space, device=device, dtype=dtype)
    state = train(
        trainer.model,
        Staged(trainer.draw, trainer.losses),
        folder,
        budget,
        Optimization(recipe.learning_rate, weight_decay=1e-4, ema_decay=0.995, seed=seed),
        groups=trainer.groups,
        recipe={
            **asdict(recipe),
            "shape": config,
            **origin(pack, init, dtype, seed),
        },
        evaluate=look if validation else None,
        evaluate_every=evaluate_every,
    )
    asked = {name: value for name in ("mirrored", "potts") if (value := getattr(recipe, name))}
    return state, {"arch": recipe.network, "label_space": space.name, **asked, "net": config}


@torch.inference_mode()
def validate(model, normalize, pack: Pack, space, device: str, dtype: str, batch: int = 4) -> dict:
    """mIoU and IoU per class of `model` against the labels of `pack`, at the working crop of its frames."""
    from spic.metrics.miou import confusion_matrix, iou_per_class
    from spic.pictures.sizes import WORKING_SIZE, to_working_size

    total = 0
    for start in range(0, len(pack), batch):
        pictures = np.stack([to_working_size(p, WORKING_SIZE) for p in pack.pictures[start : start + batch]])
        labels = np.stack([to_working_size(p, WORKING_SIZE) for p in pack.labels[start : start + batch]])
        with autocast(device, dtype):
            logits = model(normalize(torch.from_numpy(pictures).to(device)))
        predicted = logits.argmax(1).to(torch.uint8).cpu().numpy()
        total = total + confusion_matrix(labels, predicted, space.num_classes, space.void)
    iou = iou_per_class(total)
    return {"miou": round(float(np.nanmean(iou)), 4)} | {
        name: round(float(value), 4) for name, value in zip(space.classes, iou, strict=True)
    }
