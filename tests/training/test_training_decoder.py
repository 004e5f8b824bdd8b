"""The decoder's recipe: exact restarts, a loss that falls, weights that load."""

import csv

import numpy as np
import pytest
import torch

from spic.codecs import get_codec
from spic.errors import ConfigError, DataError, WeightsError
from spic.scsrdm import load_checkpoint, save_checkpoint
from spic.scsrdm.decoder import Decoder
from spic.scsrdm.model import Scsrdm
from spic.training import decoder as recipe
from spic.training.loop import Budget
from spic.training.pack import read_pack, write_pack


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def pack(tiny_scenes, tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "pack.zip"
    write_pack(path, [tiny_scenes(2)], [35], get_codec("bpg"))
    return read_pack(path)


@pytest.fixture
def train(pack, tiny_net, monkeypatch):
    """`train_decoder` on small crops; keeps losses and may die at a step, then with a checkpoint of the one before."""
    monkeypatch.setattr(recipe, "CROP", (16, 32))
    real = recipe.train

    def train(folder, steps=4, die_at=None, config=None, source=None, **options):
        losses = []

        def watched(module, loss_of, *rest, **settings):
            def watch(rng):
                if len(losses) == die_at:
                    raise Killed
                loss = loss_of(rng)
                losses.append(float(loss["loss"].detach()))
                return loss

            return real(module, watch, *rest, checkpoint_seconds=-1 if die_at else 120, **settings)

        monkeypatch.setattr(recipe, "train", watched)
        settings = {"config": {**tiny_net, **(config or {})}, "batch": 2, **options}
        return (*recipe.train_decoder(source or pack, folder, Budget(steps=steps), **settings), losses)

    return train


def test_killed_and_resumed_is_the_same_training(train, tmp_path):
    whole, _, losses = train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path / "killed", die_at=2)
    resumed, _, rest = train(tmp_path / "killed")
    assert losses[2:] == rest
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    ends = [torch.load(tmp_path / name / "checkpoint.pt")["module"] for name in ("whole", "killed")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    with pytest.raises(WeightsError, match="t_max"):
        train(tmp_path / "whole", t_max=100)


def test_loss_falls(train, pack, tmp_path):
    train(tmp_path, steps=40, batch=4, learning_rate=4e-3, ssm_drop=0.0, validation=pack, evaluate_every=4)
    with open(tmp_path / "evaluation.csv", newline="") as file:  # on the same crops and noise each time
        seen = {int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)}
    assert list(seen) == list(range(4, 41, 4)) and seen[40] < 0.9 * seen[4]


def test_weights_load_in_the_decoder(train, pack, tmp_path):
    state, network, _ = train(tmp_path, steps=2)
    assert network["num_classes"] == 11 and network["residual_std"] == recipe.SMALL["residual_std"]
    save_checkpoint(tmp_path / "street", state, {"network": network, "sampling": {"sampler": "ddim", "steps": 2}})
    loaded, config = load_checkpoint(tmp_path / "street")
    assert config["sampling"]["steps"] == 2
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, state[name].half().float())
    decoder = Decoder(tmp_path / "street", "cpu", "float32")
    assert decoder(pack.labels, pack.coarse[35], [1, 2]).shape == pack.pictures.shape


def test_a_training_can_start_from_weights(train, tmp_path):
    state, network, _ = train(tmp_path / "first", steps=3)
    save_checkpoint(tmp_path / "first" / "w", state, {"network": network}, dtype="float32")
    same, _, _ = train(tmp_path / "second", steps=1, init=tmp_path / "first" / "w", learning_rate=1e-12)
    assert all(torch.allclose(same[name], state[name], atol=1e-6) for name in state)
    with pytest.raises(WeightsError, match="init"):
        train(tmp_path / "second", steps=2)
    with pytest.raises(WeightsError, match="fit"):
        train(tmp_path / "third", steps=1, init=tmp_path / "first" / "w", config={"spade_hidden": 16})


def test_only_the_wanted_timesteps_are_trained(train, monkeypatch, tmp_path):
    seen = []
    real = Scsrdm.denoise_raw
    monkeypatch.setattr(
        Scsrdm, "denoise_raw", lambda self, x, t, *rest: seen.extend(t.tolist()) or real(self, x, t, *rest)
    )
    train(tmp_path, steps=4, batch=4, t_min=150, t_max=170)
    assert len(set(seen)) > 3 and min(seen) >= 150 and max(seen) <= 170


@pytest.mark.parametrize(
    "settings", [{"t_min": 9, "t_max": 5}, {"t_max": 1000}, {"config": {"learned_variance": True}}]
)
def test_what_the_recipe_can_not_train_is_refused(settings, train, tmp_path):
    with pytest.raises(ConfigError):
        train(tmp_path, **settings)


@pytest.mark.parametrize(
    "config",
    [{"prediction": kind, "residual_std": None} for kind in ("epsilon", "x0", "v")] + [{"void_class": False}],
)
def test_other_kinds_of_networks(config, train, tmp_path):
    _, network, losses = train(tmp_path, steps=1, config=config)
    assert config.items() <= network.items() and np.isfinite(losses).all()


def test_first_loss_of_a_fresh_network_is_that_of_zero(train, tmp_path):
    """A fresh head gives zeros: epsilon is then missed by its own variance, 1."""
    _, _, losses = train(tmp_path, steps=1, batch=8, config={"prediction": "epsilon", "residual_std": None})
    assert losses[0] == pytest.approx(1, abs=0.05)


def test_to_unit():
    pictures = np.random.default_rng(0).integers(256, size=(2, 4, 6, 3), dtype=np.uint8)
    x = recipe.to_unit(pictures, "cpu")
    assert x.shape == (2, 3, 4, 6) and x.is_contiguous(memory_format=torch.channels_last)
    assert np.allclose(x.numpy(), pictures.transpose(0, 3, 1, 2) / 127.5 - 1, atol=1e-6)


def test_packs_that_do_not_do(train, pack, tiny_scenes, tmp_path, monkeypatch):
    write_pack(tmp_path / "bare.zip", [tiny_scenes(1)])
    with pytest.raises(DataError, match="coarse images"):
        train(tmp_path / "a", source=read_pack(tmp_path / "bare.zip"))
    monkeypatch.setattr(recipe, "CROP", (128, 256))
    with pytest.raises(DataError, match="256x128"):
        train(tmp_path / "a")
    assert not (tmp_path / "a").exists()
