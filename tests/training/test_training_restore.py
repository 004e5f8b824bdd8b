"""The recipe of what restores coarse images: pairs as a transmitter makes them, exact restarts, the rest untouched."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spic.codecs import get_codec
from spic.errors import ConfigError, DataError, WeightsError
from spic.pictures.labels import one_hot
from spic.pictures.sizes import downscale
from spic.scsrdm import build, load_checkpoint, save_checkpoint
from spic.training import adversarial
from spic.training.batches import Batches
from spic.training.loop import Budget
from spic.training.restore import Pairs, Recipe, train_restore

SMALL = {"channels": 8, "blocks": 1, "copies": 2, "crop": 8, "batch": 2}


def pairs(pack, predicted=None, **numbers):
    return Pairs(pack, predicted, Recipe(**{**SMALL, **numbers}))


def test_pairs_are_what_a_transmitter_makes(coded_pack):
    made = pairs(coded_pack, lights=0.0, qps=(30, 30))
    codec = get_codec("bpg")
    for i, image in enumerate(coded_pack.pictures):
        before = downscale(image)
        for copy in range(2):
            assert np.array_equal(made.before[copy, i], before)
            assert np.array_equal(made.after[copy, i], codec.decode(codec.encode(before, qp=30)))


def test_other_light_is_there_before_coding(coded_pack):
    """Whatever the light, what was coded is `before` itself, at a QP of the range; copies differ."""
    made, codec = pairs(coded_pack, lights=1.0, qps=(24, 26)), get_codec("bpg")
    for i in range(len(coded_pack)):
        for copy in range(2):
            before = made.before[copy, i]
            assert np.abs(before.astype(int) - downscale(coded_pack.pictures[i])).mean() > 1
            coded = [codec.decode(codec.encode(before, qp=qp)) for qp in (24, 25, 26)]
            assert any(np.array_equal(made.after[copy, i], each) for each in coded)
        assert not np.array_equal(made.before[0, i], made.before[1, i])


def test_crops_belong_together(coded_pack):
    rng = np.random.default_rng(0)
    maps = rng.integers(12, size=coded_pack.labels.shape, dtype=np.uint8)
    pack = replace(coded_pack, labels=maps)
    made = pairs(pack, truth=1.0)
    made.before[:] = rng.integers(256, size=made.before.shape, dtype=np.uint8)
    made.after[:] = 255 - made.before
    batch = made.draw(np.random.default_rng(1), 12)
    assert batch.images.shape == batch.coarse.shape == (2, 3, 8, 8) and batch.ssm.shape == (2, 12, 8, 8)
    torch.testing.assert_close(batch.images, -batch.coarse)
    assert torch.allclose(batch.ssm.sum(1), torch.ones(2, 8, 8))
    wholes = (torch.from_numpy(made.before).flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5) - 1
    shares = torch.nn.functional.avg_pool2d(one_hot(torch.from_numpy(maps).long(), 12), 4).repeat(2, 1, 1, 1)
    for crop, ssm in zip(batch.images, batch.ssm, strict=True):
        found = [
            torch.equal(whole[:, y : y + 8, x : x + 8].flip(f), crop)
            and torch.allclose(share[:, y : y + 8, x : x + 8].flip(f), ssm)
            for whole, share in zip(wholes, shares, strict=True)
            for y in range(wholes.shape[2] - 7)
            for x in range(wholes.shape[3] - 7)
            for f in ((), (2,))
        ]
        assert sum(found) == 1


def test_predicted_maps_take_their_share(coded_pack):
    predicted = np.full_like(coded_pack.labels, 7)
    for truth, all_of_it in ((0.0, True), (1.0, False)):
        made = pairs(coded_pack, predicted, truth=truth)
        shares = [made.draw(np.random.default_rng(i), 12).ssm[:, 7] for i in range(5)]
        assert all((share == 1).all() for share in shares) == all_of_it


def test_training(coded_pack, tiny_decoder, tmp_path):
    """The part is added and learns; a stopped training goes on to the bit; all other tensors stay."""
    known, config = load_checkpoint(tiny_decoder)
    made = pairs(coded_pack, learning_rate=1e-3, ema_decay=0.5)

    def run(folder, steps, init=tiny_decoder, **options):
        return train_restore(made, tmp_path / folder, Budget(steps=steps), init=init, **options)

    state, about = run("a", 30, apart=made, evaluate_every=10)
    assert about["network"] == config["network"] | {"restore_channels": 8, "restore_blocks": 1}
    assert all(torch.equal(state[name], value) for name, value in known.state_dict().items())
    assert any(value.any() for name, value in state.items() if name.startswith("restore.last"))
    looks = (tmp_path / "a" / "evaluation.csv").read_text().splitlines()
    assert len(looks) == 4
    last = dict(zip(looks[0].split(","), map(float, looks[-1].split(",")), strict=True))
    assert last["loss"] < last["coded"]
    again, _ = run("b", 4)
    with pytest.raises(KeyboardInterrupt):
        run("c", 4, checkpoint_seconds=-1, on_save=_stop_at(tmp_path / "c", 2))
    resumed, _ = run("c", 4)
    assert all(torch.equal(again[name], resumed[name]) for name in again)
    with pytest.raises(WeightsError, match="another recipe"):
        run("c", 4, seed=1)
    save_checkpoint(tmp_path / "grown", state, about, "float32")
    further, same = run("d", 1, init=tmp_path / "grown")
    assert same["network"] == about["network"] and not torch.equal(
        further["restore.first.weight"], state["restore.first.weight"]
    )


def test_the_second_stage_draws_from_restored_coarse_images(coded_pack, tiny_decoder, tiny_encoder, tmp_path):
    """Its batches hold them; a decoder that is to see one condition alone loses the part."""
    known, config = load_checkpoint(tiny_decoder)
    model = build({**config["network"], "restore_channels": 8, "restore_blocks": 1})
    model.load_state_dict(model.state_dict() | known.state_dict())
    torch.nn.init.normal_(model.restore.last.weight)
    save_checkpoint(tmp_path / "grown", model, config, "float32")
    recipe = adversarial.Recipe(network={}, window=(64, 64), batch=2)

    def trainer(recipe):
        return adversarial.Trainer(coded_pack, None, recipe, tmp_path / "grown", "cpu", "float32")

    made = trainer(recipe)
    plain = Batches(coded_pack, None, (64, 64), made.model.config.ssm_planes).draw(2, np.random.default_rng(4))
    batch = made.batches.draw(2, np.random.default_rng(4))
    assert torch.equal(batch.images, plain.images) and not torch.allclose(batch.coarse, plain.coarse, atol=0.01)
    torch.testing.assert_close(batch.coarse, made.model.restored(plain.ssm, plain.coarse))
    for condition in ("coarse", "ssm"):
        other = trainer(replace(recipe, condition=condition)).model
        assert not other.config.restore_channels and not any("restore" in name for name in other.state_dict())


def _stop_at(folder, step):
    def stop(*_):
        if torch.load(folder / "checkpoint.pt", weights_only=False)["step"] == step:
            raise KeyboardInterrupt

    return stop


def test_what_can_not_be_trained(coded_pack, tiny_ablations, tiny_decoder, tmp_path):
    made = pairs(coded_pack)
    with pytest.raises(ConfigError, match="restore_channels"):
        train_restore(made, tmp_path / "a", Budget(steps=1), init=tiny_ablations["sdm_weights"])
    other = Pairs(replace(coded_pack, label_space="cityscapes19"), None, Recipe(**SMALL))
    with pytest.raises(DataError, match="pack's are cityscapes19"):
        train_restore(other, tmp_path / "a", Budget(steps=1), init=tiny_decoder)
    with pytest.raises(DataError, match="smaller"):
        pairs(coded_pack, crop=64)
    with pytest.raises(DataError, match="predicted maps"):
        pairs(coded_pack, coded_pack.labels[:1])
    for wrong in ({"crop": 6}, {"copies": 0}, {"batch": 0}, {"qps": (30, 20)}, {"qps": (20, 52)}):
        with pytest.raises(ConfigError):
            Recipe(**{**SMALL, **wrong})
    assert not (tmp_path / "a").exists()
