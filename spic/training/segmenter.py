"""Recipe of the segmenters: weighted cross-entropy on CamVid's training split and scenes."""

from dataclasses import asdict

import numpy as np
import torch
from torch.nn import functional as F

from spic.errors import ConfigError
from spic.machine import autocast
from spic.networks.imagenet import load_imagenet
from spic.pictures.labels import get_label_space
from spic.segmentation.segmenter import NETWORKS, network_name
from spic.segmentation.street import LITE
from spic.training.augment import jitter_colors, other_light, random_crop
from spic.training.loop import Budget, train
from spic.training.pack import Pack
from spic.weights import load_state, read_weights, sha256, weight_paths

ENCODERS = {"street": "lite2", "pyramid": "lite1", "dense": None}  # and lite0 belongs to `fd_lite0`
ZOOM = (0.5, 2.0)
CROP = (192, 384)  # smaller than the working size: more steps a minute


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
    """Odds (N,) of drawing each picture: scenes get `scene_share` in all; frames with rare classes come more often."""
    rare = np.isin(pack.labels, rare_ids).mean(axis=(1, 2))
    odds = 1 + np.minimum(rare / max(rare.mean(), 1e-9), 2)
    scenes = np.array([source == "street_scenes" for source in pack.sources])
    for group, share in ((scenes, scene_share), (~scenes, 1 - scene_share)):
        if group.any():
            odds[group] *= (share if (~group).any() else 1.0) / odds[group].sum()
    return odds / odds.sum()


def train_segmenter(
    pack: Pack,
    folder,
    budget: Budget,
    *,
    network: str = "street",
    encoder: str | None = None,
    init=None,
    validation: Pack | None = None,
    config: dict | None = None,
    batch: int = 8,
    scene_share: float = 0.2,
    learning_rate: float = 2e-3,
    device: str = "cpu",
    dtype: str = "float32",
    seed: int = 0,
    evaluate_every: int = 250,
) -> tuple[dict, dict]:
    """Train a segmenter and return its averaged state dict and its JSON config.

    Parameters
    ----------
    network : str
        "street", "pyramid" or "dense": one of `spic.segmentation.segmenter.NETWORKS`.
    encoder : str or None
        ImageNet encoder that the network starts from ("lite1", "lite2"; by default that of `ENCODERS`), which learns at
        a quarter of the rate; "none": from scratch.
    init : path-like, optional
        Weights of the same network to start from, instead of an encoder alone.
    pack, validation : Pack
        Training pictures, and pictures kept apart on which mIoU is logged (never the benchmark's own).
    config : dict, optional
        Fields of the network's config.
    scene_share : float
        Share of drawn street scenes in the batches, where the pack has both kinds.
    """
    space = get_label_space(pack.label_space)
    if network not in NETWORKS:
        raise ConfigError(f"segmenter network {network!r}: there are {', '.join(NETWORKS)}")
    shape, net, normalize, _ = NETWORKS[network]
    settings = {**(config or {}), "num_classes": space.num_classes}
    pretrained = None if encoder == "none" else encoder or ENCODERS[network]
    if pretrained is not None and (pretrained not in LITE or ENCODERS[network] is None):
        known = "none" if ENCODERS[network] is None else ", ".join([*LITE, "none"])
        raise ConfigError(f"encoder {pretrained!r}: for the network {network} there are {known}")
    if pretrained is not None:
        settings = {"width": LITE[pretrained][0], "depth": LITE[pretrained][1], **settings}
    torch.manual_seed(seed)
    model = net(shape.from_dict(settings))
    if init is not None:
        state, described = read_weights(init)
        if network_name(described) != network:
            raise ConfigError(f"{init}: weights of the network {network_name(described)}, not of {network}")
        load_state(model, state, f"a segmenter to start from ({init})")
    elif pretrained is not None:
        load_imagenet(model.encoder, pretrained)
    model.to(device, memory_format=torch.channels_last)
    tuned = set(model.encoder.parameters()) if pretrained else set()
    groups = [
        {"params": [p for p in model.parameters() if p not in tuned]},
        {"params": list(tuned and model.encoder.parameters()), "scale": 0.25},
    ]
    real = np.array([source != "street_scenes" for source in pack.sources])
    weights = class_weights(pack.labels[real] if real.any() else pack.labels, space.num_classes)
    weights = torch.tensor(weights, dtype=torch.float32, device=device)
    small = [space.id(name) for name in ("pole", "sign", "pedestrian", "bicyclist", "fence") if name in space.classes]
    odds = sampling_odds(pack, scene_share, small)

    def loss_of(rng, _):
        pictures, labels = [], []
        for i in rng.choice(len(pack), size=batch, p=odds):
            picture, label = random_crop([pack.pictures[i], pack.labels[i]], CROP, rng, ZOOM, space.void)
            pictures.append(other_light(jitter_colors(picture, rng), rng))
            labels.append(label)
        x = normalize(torch.from_numpy(np.stack(pictures)).to(device))
        target = torch.from_numpy(np.stack(labels)).to(device).long()
        with autocast(device, dtype):
            logits = model(x)
        return {"loss": F.cross_entropy(logits.float(), target, weight=weights, ignore_index=space.void)}

    def evaluate(state):
        probe = net(shape.from_dict(settings)).to(device, memory_format=torch.channels_last)
        probe.load_state_dict(state)
        return validate(probe.eval(), normalize, validation, space, device, dtype)

    recipe = {"batch": batch, "scene_share": scene_share, "learning_rate": learning_rate, "seed": seed, **settings}
    recipe |= {"names": len(pack), "dtype": dtype, "network": network, "encoder": pretrained}
    recipe |= {"init": init and sha256(weight_paths(init)[0])}
    state = train(
        model,
        loss_of,
        folder,
        budget,
        groups=groups,
        learning_rate=learning_rate,
        weight_decay=1e-4,
        ema_decay=0.995,
        seed=seed,
        recipe=recipe,
        evaluate=evaluate if validation else None,
        evaluate_every=evaluate_every,
    )
    return state, {"arch": network, "label_space": space.name, "net": asdict(model.config)}


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
