"""The recipe of what restores coarse images: it learns to, restarts are exact, the rest of the decoder is untouched."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spic.errors import ConfigError, DataError, WeightsError
from spic.scsrdm import build, load_checkpoint, save_checkpoint
from spic.training import adversarial
from spic.training.batches import Coded
from spic.training.loop import Budget
from spic.training.restore import Recipe, train_restore

SMALL = Recipe(channels=8, blocks=1, crop=32, batch=2, learning_rate=3e-3, ema_decay=0.5)


@pytest.fixture
def grown(tiny_decoder, tmp_path):
    """A decoder with a part that restores, of random weights."""
    known, config = load_checkpoint(tiny_decoder)
    model = build({**config["network"], "restore_channels": 8, "restore_blocks": 1})
    model.load_state_dict(model.state_dict() | known.state_dict())
    torch.manual_seed(1)
    torch.nn.init.normal_(model.restore.last.weight)
    save_checkpoint(tmp_path / "grown", model, config, "float32")
    return tmp_path / "grown"


def test_training(coded_pack, tiny_decoder, tmp_path):
    """The part is added and learns; a stopped training goes on to the bit; all other tensors stay."""
    known, config = load_checkpoint(tiny_decoder)
    several = replace(coded_pack, coded=Coded(coded_pack, 2))
    strong = replace(
        coded_pack, coarse={qp: Coded(coded_pack, 1, qps=(qp, qp), lights=0.0).coarse[0] for qp in (46, 47, 48)}
    )

    def run(folder, steps, init=tiny_decoder, pack=several, **options):
        return train_restore(pack, tmp_path / folder, Budget(steps=steps), SMALL, init=init, **options)

    state, about = run("a", 400, pack=strong, validation=strong, evaluate_every=100)
    assert about["network"] == config["network"] | {"restore_channels": 8, "restore_blocks": 1}
    assert all(torch.equal(state[name], value) for name, value in known.state_dict().items())
    assert any(value.any() for name, value in state.items() if name.startswith("restore.last"))
    looks = (tmp_path / "a" / "evaluation.csv").read_text().splitlines()
    assert len(looks) == 5
    last = dict(zip(looks[0].split(","), map(float, looks[-1].split(",")), strict=True))
    assert last["loss"] < 0.95 * last["coded"]
    again, _ = run("b", 4)
    with pytest.raises(KeyboardInterrupt):
        run("c", 4, checkpoint_seconds=-1, on_save=_stop_at(tmp_path / "c", 2))
    resumed, _ = run("c", 4)
    assert all(torch.equal(again[name], resumed[name]) for name in again)
    for other in ({"seed": 1}, {"pack": coded_pack}, {"pack": replace(coded_pack, coded=Coded(coded_pack, 1))}):
        with pytest.raises(WeightsError, match="another recipe"):
            run("c", 4, **other)
    save_checkpoint(tmp_path / "more", state, about, "float32")
    further, same = run("d", 1, init=tmp_path / "more")
    assert same["network"] == about["network"] and not torch.equal(
        further["restore.first.weight"], state["restore.first.weight"]
    )


@pytest.mark.usefixtures("tiny_encoder")
def test_the_other_stages_see_restored_coarse_images(coded_pack, grown, tmp_path):
    """As the decoder will; what restores them stays as it is."""
    recipe = adversarial.Recipe(network={}, window=(64, 64), batch=2)
    made = adversarial.Trainer(coded_pack, None, recipe, grown, "cpu", "float32")
    plain, batch = made.batches.draw(2, np.random.default_rng(4)), made.crops(2, np.random.default_rng(4))
    assert torch.equal(batch.images, plain.images) and not torch.allclose(batch.coarse, plain.coarse, atol=0.01)
    torch.testing.assert_close(batch.coarse, made.model.restored(plain.ssm, plain.coarse))
    assert not batch.coarse.requires_grad
    several = replace(coded_pack, coded=Coded(coded_pack, 1))
    state, _ = adversarial.train_adversarial(several, tmp_path / "a", Budget(steps=3), recipe, init=grown)
    before = load_checkpoint(grown)[0].state_dict()
    assert all(torch.equal(state[name], before[name]) == name.startswith("restore.") for name in state)


@pytest.mark.usefixtures("tiny_encoder")
@pytest.mark.parametrize("condition", ["coarse", "ssm"])
def test_another_condition_needs_another_part(condition, coded_pack, grown):
    recipe = adversarial.Recipe(network={}, window=(64, 64), batch=2, condition=condition)
    model = adversarial.Trainer(coded_pack, None, recipe, grown, "cpu", "float32").model
    assert not model.config.restore_channels and not any("restore" in name for name in model.state_dict())


def _stop_at(folder, step):
    def stop(*_):
        if torch.load(folder / "checkpoint.pt", weights_only=False)["step"] == step:
            raise KeyboardInterrupt

    return stop


def test_what_can_not_be_trained(coded_pack, tiny_ablations, tiny_decoder, tmp_path):
    def run(pack, recipe=SMALL, init=tiny_decoder, **options):
        train_restore(pack, tmp_path / "a", Budget(steps=1), recipe, init=init, **options)

    with pytest.raises(ConfigError, match="restore_channels"):
        run(coded_pack, init=tiny_ablations["sdm_weights"])
    with pytest.raises(DataError, match="pack's are cityscapes19"):
        run(replace(coded_pack, label_space="cityscapes19"))
    with pytest.raises(DataError, match="smaller"):
        run(coded_pack, replace(SMALL, crop=256))
    with pytest.raises(ConfigError, match="multiples of 4"):
        run(coded_pack, replace(SMALL, crop=30))
    with pytest.raises(DataError, match="predicted maps"):
        run(coded_pack, predicted=coded_pack.labels[:1])
    for channels in (0, 20):
        with pytest.raises(ConfigError, match="multiple of 8"):
            Recipe(channels)
    assert not (tmp_path / "a").exists()
