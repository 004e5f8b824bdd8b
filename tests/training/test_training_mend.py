"""A decoder learns to draw without a pattern what it drew before; restarts are exact; what cannot be mended."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spic.errors import ConfigError, DataError, WeightsError
from spic.scsrdm import load_checkpoint, save_checkpoint
from spic.training import losses
from spic.training.batches import Batches
from spic.training.loop import Budget
from spic.training.mend import Recipe, train_mend

SMALL = Recipe(window=(64, 64), batch=2, learning_rate=1e-3, ema_decay=0.5)
ONE = {"sampler": "noiseless", "guidance": 1.0, "steps": 1, "start": 200}


@pytest.fixture
def combed(tiny_decoder, tmp_path):
    """A decoder of one step that adds to each image a comb, brighter in every fourth column."""
    model, config = load_checkpoint(tiny_decoder)
    with torch.no_grad():
        bias = model.out[-1].bias.view(-1, 4, 4)
        bias += 2 * torch.tensor([1.0, 0.0, -1.0, 0.0])
    save_checkpoint(tmp_path / "combed", model, {**config, "sampling": ONE}, "float32")
    return tmp_path / "combed"


def test_training(coded_pack, combed, tmp_path):
    """The pattern goes; a stopped training goes on to the bit."""

    def run(folder, steps, init=combed, pack=coded_pack, **options):
        return train_mend(pack, tmp_path / folder, Budget(steps=steps), SMALL, init=init, **options)

    state, about = run("a", 60, validation=coded_pack, evaluate_every=5)
    after, config = load_checkpoint(combed)
    before, _ = load_checkpoint(combed)
    assert about == config
    after.load_state_dict(state)
    looks = np.genfromtxt(tmp_path / "a" / "evaluation.csv", delimiter=",", names=True)
    seen = Batches(coded_pack, None, (64, 64), 12).draw(4, np.random.default_rng(0))
    x_t = 0.9 * before.enlarge(seen.coarse)
    with torch.no_grad():
        old, new = (model(x_t, torch.tensor(4 * [200]), seen.ssm, seen.coarse) for model in (before, after))
    shown, left, real = (float(losses.pattern(images).mean()) for images in (old, new, seen.images))
    assert left - real < 0.4 * (shown - real) and looks["grid"][-1] < 0.6 * looks["grid"][0]
    assert looks["kept"][-1] < 0.15
    again, _ = run("b", 4)
    with pytest.raises(KeyboardInterrupt):
        run("c", 4, checkpoint_seconds=-1, on_save=_stop_at(tmp_path / "c", 2))
    resumed, _ = run("c", 4)
    assert all(torch.equal(again[name], resumed[name]) for name in again)
    with pytest.raises(WeightsError, match="another recipe"):
        run("c", 4, seed=1)


def test_a_chain_is_asked_what_its_own_steps_make(coded_pack, tiny_chain, tmp_path):
    """Its images are compared after all 20 steps, of the same noise: what was not trained differs by nothing."""
    still = replace(SMALL, learning_rate=0.0)
    run = train_mend(coded_pack, tmp_path / "a", Budget(steps=2), still, init=tiny_chain, validation=coded_pack)
    known, config = load_checkpoint(tiny_chain)
    assert run[1]["sampling"] == config["sampling"] and len(run[0]) == len(known.state_dict())
    looks = (tmp_path / "a" / "evaluation.csv").read_text().splitlines()
    assert float(dict(zip(looks[0].split(","), looks[-1].split(","), strict=True))["kept"]) == 0
    checkpoint = torch.load(tmp_path / "a" / "checkpoint.pt", weights_only=True)
    assert checkpoint["companions"]["asked"]["x_t"].shape == (2, 3, 64, 64)


def test_what_can_not_be_mended(coded_pack, tiny_decoder, combed, tmp_path):
    def run(pack=coded_pack, recipe=SMALL, init=combed, **options):
        train_mend(pack, tmp_path / "a", Budget(steps=1), recipe, init=init, **options)

    with pytest.raises(ConfigError, match="3 steps of ddim"):
        run(init=tiny_decoder)
    with pytest.raises(DataError, match="predicted maps"):
        run(predicted=coded_pack.labels[:1])
    with pytest.raises(DataError, match="smaller"):
        run(recipe=replace(SMALL, window=(128, 128)))
    with pytest.raises(ConfigError, match="multiples of 64"):
        replace(SMALL, window=(64, 96))
    assert not (tmp_path / "a").exists()


def _stop_at(folder, step):
    def stop(*_):
        if torch.load(folder / "checkpoint.pt", weights_only=False)["step"] == step:
            raise KeyboardInterrupt

    return stop
