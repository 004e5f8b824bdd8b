"""Restoring coarse images: nothing changes at first, sizes that do not fit, who is asked and who is not."""

import numpy as np
import pytest
import torch

from spic.errors import ConfigError, DataError
from spic.scsrdm import ScsrdmConfig, sample, save_checkpoint
from spic.scsrdm.decoder import Decoder
from spic.scsrdm.restore import Restore

PATCHES = {
    "patch_size": 4,
    "prediction": "x0",
    "learned_variance": False,
    "residual_std": 0.13,
    "attention_resolutions": [],
}
PART = {"restore_channels": 16, "restore_blocks": 2}


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def shares(*shape, seed=1):
    return images(*shape, seed=seed).softmax(1)


def test_a_fresh_one_changes_nothing():
    coarse = images(2, 3, 8, 12)
    assert torch.equal(Restore(16, 3, 5)(coarse, shares(2, 5, 8, 12)), coarse)


def test_all_of_it_learns():
    network, (coarse, ssm, goal) = (
        Restore(16, 2, 5),
        (images(2, 3, 8, 12), shares(2, 5, 8, 12), images(2, 3, 8, 12, seed=2)),
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        losses.append((network(coarse, ssm) - goal).square().mean())
        losses[-1].backward()
        optimizer.step()
    assert all(p.grad.any() for p in network.parameters()) and losses[-1] < losses[0]


def test_networks_without_it_give_the_coarse_image_as_it_is(small, inputs):
    _, onehot, coarse = inputs()
    model = small(**PATCHES)
    assert model.restored(onehot, coarse) is coarse
    assert not any("restore" in name for name in model.state_dict())


@pytest.mark.parametrize("condition", ["both", "coarse"])
def test_it_sees_the_share_of_each_class_unless_the_decoder_sees_no_ssm(condition, small):
    model = small(**PATCHES, **PART, condition=condition)
    labels, coarse = torch.randint(5, (1, 32, 48), generator=torch.Generator().manual_seed(3)), images(1, 3, 8, 12)
    onehot = torch.nn.functional.one_hot(labels, 5).permute(0, 3, 1, 2).float()
    counted = onehot.reshape(1, 5, 8, 4, 12, 4).mean((3, 5)) * (condition == "both")
    found = model.restored(onehot, coarse)
    torch.testing.assert_close(found, model.restore(coarse, counted).clamp(-1, 1), rtol=1e-4, atol=1e-5)
    assert found.requires_grad and found.abs().max() <= 1 and (found - coarse).abs().max() > 0.01


def test_sizes_that_do_not_fit_are_continued(small):
    """As the decoder continues them: the restored coarse image inside is that of the continued one."""
    model = small(**PATCHES, **PART)
    onehot, coarse = shares(1, 5, 29, 50), images(1, 3, 8, 13)
    assert model.restored(onehot, coarse).shape == coarse.shape
    with pytest.raises(DataError, match="coarse image"):
        model.restored(onehot, images(1, 3, 8, 12))


def test_the_decoder_restores_before_it_draws(small, tmp_path):
    """And keeps that part in float32 in any number format, and nothing of it for gradients."""
    model = small(**PATCHES, **PART, num_classes=11, void_class=True)
    save_checkpoint(tmp_path / "d", model, {"sampling": {"sampler": "noiseless", "steps": 1, "start": 200}}, "float32")
    rng = np.random.default_rng(0)
    ssm = rng.integers(12, size=(1, 32, 48), dtype=np.uint8)
    coarse = rng.integers(256, size=(1, 8, 12, 3), dtype=np.uint8)
    decoder = Decoder(tmp_path / "d", device="cpu", dtype="float32")
    onehot = torch.nn.functional.one_hot(torch.from_numpy(ssm).long(), 12).permute(0, 3, 1, 2).float()
    small_image = torch.from_numpy(coarse).permute(0, 3, 1, 2).float() / 127.5 - 1
    expected = sample(model, onehot, model.restored(onehot, small_image), noise=[0], sampling=decoder.sampling)
    expected = ((expected + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    kept = []
    decoder.model.restore.register_forward_hook(lambda *parts: kept.append(parts[-1].requires_grad))
    assert np.abs(decoder(ssm, coarse, [0]).astype(int) - expected).max() <= 1
    assert kept == [False]
    half = Decoder(tmp_path / "d", device="cpu", dtype="bfloat16")
    assert {p.dtype for p in half.model.restore.parameters()} == {torch.float32}
    assert torch.equal(half.model.restored(onehot, small_image), decoder.model.restored(onehot, small_image))


@pytest.mark.parametrize(
    "wrong",
    [
        {"restore_channels": 0},
        {"restore_channels": 12},
        {"restore_channels": -8},
        {"restore_channels": 16.0},
        {"restore_channels": True},
        {"restore_channels": 1 << 20},
        {"restore_channels": None},
        {"restore_blocks": -1},
        {"restore_blocks": 65},
        {"restore_blocks": 2.0},
        {"restore_blocks": True},
        {"condition": "ssm"},
        {"patch_size": 1, "channel_mult": [1, 2], "coarse_factor": 4},
    ],
)
def test_parts_that_can_not_be(wrong):
    good = {**PATCHES, **PART, "channel_mult": [1, 2], "attention_resolutions": []}
    ScsrdmConfig.from_dict(good)
    with pytest.raises(ConfigError):
        ScsrdmConfig.from_dict({**good, **wrong})
