"""The discriminators: nothing of a batch reaches another image of it, the encoder rests, weights come back."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from spic.networks.efficientnet import LITE
from spic.segmentation.street import StreetNet, normalize
from spic.training.discriminators import SHIFT, Discriminators

CLASSES, PLANES = 11, 12


@pytest.fixture
def nets(tiny_encoder):
    torch.manual_seed(0)
    nets = Discriminators(CLASSES, PLANES, width=8)
    for parameter in nets.segmenter.encoder.parameters():  # the tiny one is random, and shall have a say
        parameter.data.mul_(2)
    return nets


@pytest.fixture
def shown():
    """Images, coarse images and SSMs of four places."""
    g = torch.Generator().manual_seed(1)
    ssm = torch.nn.functional.one_hot(torch.randint(PLANES, (4, 64, 64), generator=g), PLANES)
    x, c = (torch.rand(4, 3, 64, 64, generator=g) * 2 - 1 for _ in range(2))
    return x, c, ssm.permute(0, 3, 1, 2).float()


def outputs(nets, x, c, ssm, **settings):
    """All that is said of images, by a copy: what a look changes (spectral normalisation) is not kept."""
    nets = deepcopy(nets)
    with torch.no_grad():
        features = nets.features(x)
        return [*features, nets.logits(features, x.shape[-2:]), *nets.patch_scores(x, c, ssm, **settings)]


@pytest.mark.parametrize("mode", [True, False])
def test_an_image_is_judged_by_itself(mode, nets, shown):
    """No batch statistics: drawn and real images beside each other would be told apart by them."""
    nets.train(mode)
    together = outputs(nets, *shown)
    alone = outputs(nets, *(each[1:2] for each in shown))
    others = outputs(nets, *(torch.cat([5 * each[:1], each[1:2], 0 * each[2:]]) for each in shown))
    for a, b, c in zip(together, alone, others, strict=True):
        assert torch.allclose(a[1], b[0], rtol=1e-3, atol=1e-4) and torch.allclose(a[1], c[1], rtol=1e-3, atol=1e-4)
        assert not torch.allclose(a[0], a[1], atol=1e-4)
    assert not [part for part in nets.segmenter.decoder.modules() if isinstance(part, nn.BatchNorm2d)]


def test_shapes(nets, shown):
    *features, logits, full, half = outputs(nets, *shown)
    assert [each.shape[-1] for each in features] == [32, 16, 8, 4, 2] and logits.shape == (4, CLASSES + 1, 64, 64)
    assert full.shape == (4, 1, 15, 15) and half.shape == (4, 1, 7, 7)


def test_the_encoder_rests(nets, tiny_encoder, shown):
    assert tiny_encoder == ["lite2"] and isinstance(nets.segmenter, StreetNet)
    encoder = nets.segmenter.encoder
    before = deepcopy(encoder.state_dict())
    for mode in (True, False):
        nets.train(mode)
        assert not any(part.training for part in encoder.modules()) and nets.patches.training == mode
    nets.train()
    nets.features(shown[0])
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    learned = {name for name, p in nets.named_parameters() if p.requires_grad}
    assert learned and not any("encoder" in name for name in learned)
    assert all("encoder" in name for name, _ in nets.named_parameters() if name not in learned)


def test_features_are_those_of_the_encoder_on_pixels(nets):
    images = torch.randint(256, (2, 32, 64, 3), generator=torch.Generator().manual_seed(3)).float()
    with torch.no_grad():
        found = nets.features((images / 127.5 - 1).permute(0, 3, 1, 2))
        expected = nets.segmenter.encoder(normalize(images))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_the_window_of_patches_moves(nets, shown):
    nets.eval()
    x, c, ssm = shown
    cut = [each[..., 1 : 60 + 1, 3 : 60 + 3] for each in (x, c, ssm)]
    padded = [nn.functional.pad(each, (0, SHIFT, 0, SHIFT)) for each in cut]
    for a, b in zip(outputs(nets, x, c, ssm, shift=(1, 3))[-2:], outputs(nets, *padded)[-2:], strict=True):
        torch.testing.assert_close(a, b)
    for down in (0, SHIFT):
        assert [each.shape[-1] for each in outputs(nets, x, c, ssm, shift=(down, SHIFT - down))[-2:]] == [15, 7]


def test_patches_look_at_image_coarse_image_and_map(nets, shown):
    nets.eval()
    plain = outputs(nets, *shown)[-2:]
    for i in range(3):
        changed = [each.flip(0) if k == i else each for k, each in enumerate(shown)]
        assert not any(
            torch.allclose(a, b, atol=1e-4) for a, b in zip(plain, outputs(nets, *changed)[-2:], strict=True)
        )


def test_patches_have_spectral_normalisation(nets, shown):
    """After some looks no layer stretches a vector by more than about 1."""
    for layer in nets.patches.modules():
        if isinstance(layer, nn.Conv2d):
            layer.parametrizations.weight.original.data.mul_(7)
    with torch.no_grad():
        for _ in range(30):
            nets.patch_scores(*shown)
        layers = [layer for layer in nets.patches.modules() if isinstance(layer, nn.Conv2d)]
        assert len(layers) == 8
        for layer in layers:
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2) == pytest.approx(1, abs=0.05)


def test_states_come_back_without_the_encoder(nets, shown, tiny_encoder, tmp_path):
    nets.patch_scores(*shown)
    torch.save(nets.state_dict(), tmp_path / "d.pt")
    state = torch.load(tmp_path / "d.pt", weights_only=True)
    assert state and not any("encoder" in name for name in state)
    other = Discriminators(CLASSES, PLANES, width=8)
    other.segmenter.encoder.load_state_dict(nets.segmenter.encoder.state_dict())
    other.load_state_dict(state)
    for a, b in zip(outputs(nets, *shown), outputs(other, *shown), strict=True):
        assert torch.equal(a, b)
    state.popitem()
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(state)


def test_bfloat16(nets, shown):
    """Under autocast, as on a GPU: scores and logits come as float32, and gradients are finite."""
    x = shown[0].requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = nets.logits(nets.features(x), x.shape[-2:])
        scores = nets.patch_scores(x, *shown[1:])
    assert {each.dtype for each in (logits, *scores)} == {torch.float32}
    sum(each.square().mean() for each in (logits, *scores)).backward()
    assert all(p.grad.isfinite().all() for p in nets.parameters() if p.requires_grad) and x.grad.isfinite().all()


def test_a_forward_pass_at_full_size(monkeypatch):
    """With the encoder that is used, but random: every group of channels divides."""
    monkeypatch.setattr("spic.training.discriminators.load_imagenet", lambda encoder, name: None)
    nets = Discriminators(CLASSES, PLANES)
    assert nets.segmenter.encoder.widths == [16, 24, 48, 120, 352] and LITE["lite2"] == (1.1, 1.2)
    with torch.no_grad():
        logits = nets.logits(nets.features(torch.zeros(1, 3, 32, 32)), (32, 32))
    assert logits.shape == (1, 12, 32, 32) and logits.isfinite().all()
