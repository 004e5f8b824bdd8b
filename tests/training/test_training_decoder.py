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
from spic.scsrdm.schedule import alphas_cumprod
from spic.training import decoder as recipe
from spic.training.batches import Batches
from spic.training.loop import Budget
from spic.training.pack import read_pack, write_pack
from spic.weights import write_weights

BARE = {"residual_std": None, "refine_channels": 0}  # not preconditioned


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
    real, fields = recipe.train, {"preset", "condition", *recipe.Recipe.__dataclass_fields__}

    def train(folder, steps=4, die_at=None, config=None, source=None, **options):
        losses = []

        def watched(module, loss_of, *rest, **settings):
            def watch(rng, step):
                if len(losses) == die_at:
                    raise Killed
                loss = loss_of(rng, step)
                losses.append(float(loss["loss"].detach()))
                return loss

            return real(module, watch, *rest, checkpoint_seconds=-1 if die_at else 120, **settings)

        monkeypatch.setattr(recipe, "train", watched)
        numbers = {name: options.pop(name) for name in fields & options.keys()}
        numbers = {"preset": "small", "network": {**tiny_net, **(config or {})}, "batch": 2, **numbers}
        chosen = recipe.recipe_of(**numbers)
        return (*recipe.train_decoder(source or pack, folder, Budget(steps=steps), chosen, **options), losses)

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


def test_recommended_sampling_is_no_part_of_the_training(train, tmp_path):
    first, _, _ = train(tmp_path, steps=1)
    again, _, losses = train(tmp_path, steps=1, sampling={"start": 90})
    assert losses == [] and all(torch.equal(first[name], again[name]) for name in first)
    with pytest.raises(ConfigError, match="'magic'"):
        train(tmp_path, sampling={"sampler": "magic"})


def test_presets_and_what_goes_over_them():
    changes = {"network": {"spade_hidden": 8}, "sampling": {"start": 500, "steps": None}, "t_min": 3, "t_max": None}
    chosen = recipe.recipe_of("small", "ssm", **changes)
    assert (chosen.network["spade_hidden"], chosen.network["residual_std"]) == (8, 0.55)
    assert (chosen.t_min, chosen.t_max, chosen.t_power) == (3, 999, 1.0)
    assert chosen.sampling == {"sampler": "ddim", "steps": 10, "start": 500}
    assert recipe.SMALL["spade_hidden"] == 24 and recipe.recipe_of("small").t_max == 220


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


def test_timesteps_in_focus(train, monkeypatch, tmp_path):
    seen = []
    real = Scsrdm.denoise_raw
    monkeypatch.setattr(
        Scsrdm, "denoise_raw", lambda self, x, t, *rest: seen.extend(t.tolist()) or real(self, x, t, *rest)
    )
    train(tmp_path / "all", steps=4, batch=4, t_focus=1.0)
    assert min(seen) >= 170 and max(seen) <= 220
    seen.clear()
    train(tmp_path / "half", steps=8, batch=4, t_focus=0.5)
    assert 4 < sum(t >= 170 for t in seen) < 30


@pytest.mark.parametrize("focus", [0.0, 1.0])
def test_a_chain_begins_at_the_coarse_image(focus, train, monkeypatch, tmp_path):
    """In focus x_t holds noise around the coarse image, and nothing of what the coarse image lacks."""
    drawn, held, lacked = [], [], []
    draw, denoise_raw = Batches.draw, Scsrdm.denoise_raw
    monkeypatch.setattr(Batches, "draw", lambda *args: drawn.append(draw(*args)) or drawn[-1])

    def watched(self, x_t, t, ssm, coarse):
        c = self.enlarge(coarse)
        held.append((x_t / abar[t].sqrt().view(-1, 1, 1, 1) - c).flatten())
        lacked.append((drawn[-1].images - c).flatten())
        return denoise_raw(self, x_t, t, ssm, coarse)

    abar = torch.tensor(alphas_cumprod(), dtype=torch.float32)
    monkeypatch.setattr(Scsrdm, "denoise_raw", watched)
    train(tmp_path, steps=6, batch=4, t_min=150, t_max=200, t_focus=focus)
    seen = torch.corrcoef(torch.stack([torch.cat(held), torch.cat(lacked)]))[0, 1]
    assert abs(seen) < 0.04 if focus else seen > 0.1


def test_old_weights_lack_the_refining_head(train, tmp_path):
    state, network, _ = train(tmp_path / "old", steps=2, config={"refine_channels": 0})
    save_checkpoint(tmp_path / "old" / "w", state, {"network": network}, dtype="float32")
    start, _, _ = train(tmp_path / "new", steps=1, init=tmp_path / "old" / "w", learning_rate=1e-12)
    assert all(torch.allclose(start[name], state[name], atol=1e-6) for name in state)
    assert not start["refine.out.weight"].abs().max() > 1e-9 and start["refine.embed.weight"].any()
    lame = {name: tensor for name, tensor in start.items() if name != "refine.out.bias"}
    write_weights(tmp_path / "lame", lame, {})
    with pytest.raises(WeightsError, match=r"refine\.out\.bias"):
        train(tmp_path / "third", steps=1, init=tmp_path / "lame")


def test_predicted_maps_are_half_of_the_ssms(train, pack, monkeypatch, tmp_path):
    seen = []
    real = Batches.draw

    def watched(*args):
        batch = real(*args)
        seen.extend((labels == 5).all().item() for labels in batch.labels)
        return batch

    monkeypatch.setattr(Batches, "draw", watched)
    train(tmp_path, steps=5, batch=8, predicted=np.full_like(pack.labels, 5))
    assert len(seen) == 40 and 8 < sum(seen) < 32


@pytest.mark.parametrize(
    "settings", [{"t_min": 9, "t_max": 5}, {"t_max": 1000}, {"config": {"learned_variance": True}}]
)
def test_what_the_recipe_can_not_train_is_refused(settings, train, tmp_path):
    with pytest.raises(ConfigError):
        train(tmp_path, **settings)


@pytest.mark.parametrize(("condition", "last"), [("coarse", 220), ("ssm", 999)])
def test_one_condition_alone(condition, last, train, monkeypatch, tmp_path):
    seen = []
    real = Scsrdm.denoise_raw
    monkeypatch.setattr(
        Scsrdm, "denoise_raw", lambda self, x, t, *rest: seen.extend(t.tolist()) or real(self, x, t, *rest)
    )
    state, network, _ = train(tmp_path, steps=8, batch=4, condition=condition)
    assert network["condition"] == condition and 0.5 * last < max(seen) <= last
    sampling = recipe.recipe_of("small", condition).sampling
    save_checkpoint(tmp_path / "w", state, {"network": network, "sampling": sampling})
    assert Decoder(tmp_path / "w", "cpu", "float32").model.config.condition == condition


def test_unknown_recipes():
    for names, what in ((("large",), "preset 'large'"), (("small", "sound"), "condition 'sound'")):
        with pytest.raises(ConfigError, match=what):
            recipe.recipe_of(*names)
    assert recipe.recipe_of("paper", "ssm").network.get("residual_std") is None


@pytest.mark.parametrize(
    "config",
    [{"prediction": kind, **BARE} for kind in ("epsilon", "x0", "v")] + [{"void_class": False}],
)
def test_other_kinds_of_networks(config, train, tmp_path):
    _, network, losses = train(tmp_path, steps=1, config=config)
    assert config.items() <= network.items() and np.isfinite(losses).all()


def test_first_loss_of_a_fresh_network_is_that_of_zero(train, tmp_path):
    """A fresh head gives zeros: epsilon is then missed by its own variance, 1."""
    _, _, losses = train(
        tmp_path, steps=1, batch=8, config={"prediction": "epsilon", "residual_std": None, "refine_channels": 0}
    )
    assert losses[0] == pytest.approx(1, abs=0.05)


def test_packs_that_do_not_do(train, pack, tiny_scenes, tmp_path, monkeypatch):
    write_pack(tmp_path / "bare.zip", [tiny_scenes(1)])
    with pytest.raises(DataError, match="coarse images"):
        train(tmp_path / "a", source=read_pack(tmp_path / "bare.zip"))
    monkeypatch.setattr(recipe, "CROP", (128, 256))
    with pytest.raises(DataError, match="256x128"):
        train(tmp_path / "a")
    assert not (tmp_path / "a").exists()
