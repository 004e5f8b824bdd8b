"""The network's extensions: patches, preconditioning, void, number formats, kept conditions."""

import pytest
import torch

from spic.errors import ConfigError
from spic.scsrdm.memory import kept_bytes
from spic.scsrdm.schedule import alphas_cumprod

PATCHES = {
    "patch_size": 4,
    "nominal_size": 64,
    "attention_resolutions": [8],
    "ssm_channels": 8,
    "prediction": "x0",
    "learned_variance": False,
    "residual_std": 0.2,
}


@pytest.mark.parametrize(
    ("changes", "channels"),
    [
        ({}, 6),
        ({"learned_variance": False}, 3),
        ({"resblock_updown": False, "scale_shift_norm": False}, 6),
        ({"head_channels": None, "num_heads": 2}, 6),
        ({"attention_resolutions": []}, 6),
        ({"prediction": "v", "upsampling": "bicubic"}, 6),
        (PATCHES, 3),
        ({**PATCHES, "learned_variance": True, "void_class": True}, 6),
        ({**PATCHES, "patch_size": 2, "attention_resolutions": [16], "residual_std": None}, 3),
    ],
)
def test_shapes_and_gradients(small, inputs, changes, channels):
    model = small(**changes)
    x, onehot, coarse = inputs(planes=model.config.ssm_planes)
    out = model(x, torch.tensor([3, 700]), onehot, coarse)
    assert out.shape == (2, channels, 16, 32) and out.dtype == torch.float32
    out.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_extensions_add_keys_only_when_on(small):
    off, on = small().state_dict(), small(**PATCHES).state_dict()
    assert set(on) - set(off) == {"ssm_embed.weight", "ssm_embed.bias"} and set(off) <= set(on)
    assert on["input_blocks.0.0.weight"].shape[1] == 6 * 16 and on["out.2.weight"].shape[0] == 3 * 16


def test_each_input_matters(small, inputs):
    for model in (small(), small(**PATCHES)):
        x, onehot, coarse = inputs()
        t = torch.tensor([50, 50])
        with torch.no_grad():
            reference = model(x, t, onehot, coarse)
            for changed in (
                model(x + 0.1, t, onehot, coarse),
                model(x, t + 5, onehot, coarse),
                model(x, t, onehot.flip(1), coarse),
                model(x, t, onehot, coarse + 0.1),
            ):
                assert (changed - reference).abs().max() > 1e-3


@pytest.mark.parametrize("net", [{}, PATCHES])
@pytest.mark.parametrize("condition", ["coarse", "ssm"])
def test_a_network_of_one_condition_does_not_see_the_other(small, inputs, net, condition):
    model, (x, onehot, coarse), t = small(**net, condition=condition), inputs(), torch.tensor([50, 50])
    with torch.no_grad():
        reference = model(x, t, onehot, coarse)
        other_ssm, other_coarse = model(x, t, onehot.flip(1), coarse), model(x, t, onehot, coarse + 0.1)
    unseen, seen = (other_ssm, other_coarse) if condition == "coarse" else (other_coarse, other_ssm)
    assert torch.equal(unseen, reference) and (seen - reference).abs().max() > 1e-3


def test_wiener_estimate_closed_form(fresh, inputs):
    """A fresh network has a head of zeros: its prediction is the Wiener estimate itself."""
    model = fresh(**PATCHES)
    x, onehot, coarse = inputs()
    t = torch.tensor([0, 400])
    prediction = model(x, t, onehot, coarse)
    raw, wiener, s = model.denoise_raw(x, t, onehot, coarse)
    assert not raw.any() and torch.equal(prediction, wiener) and s.shape == (2, 1, 1, 1)
    c = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear").double()
    for i in range(2):
        abar = alphas_cumprod()[t[i]]
        # Posterior of x0 ~ N(c, s2) given x_t ~ N(sqrt(abar) x0, 1 - abar), by precisions.
        precision = 1 / 0.2**2 + abar / (1 - abar)
        mean = (c[i] / 0.2**2 + abar**0.5 * x[i].double() / (1 - abar)) / precision
        torch.testing.assert_close(wiener[i].double(), mean, rtol=1e-4, atol=1e-5)
        assert float(s[i]) == pytest.approx(precision**-0.5, rel=1e-4)


def test_preconditioned_scales(small, inputs):
    """On a Gaussian toy the network's input has unit variance, and so has its target (x0 - wiener) / s."""
    model = small(**PATCHES)
    _, _, coarse = inputs(n=1, height=64, width=128)
    g = torch.Generator().manual_seed(1)
    c = model.enlarge(coarse)
    x0 = c + 0.2 * torch.randn(c.shape, generator=g)
    for step in (0, 20, 190, 900):
        t, abar = torch.tensor([step]), alphas_cumprod()[step]
        x_t = abar**0.5 * x0 + (1 - abar) ** 0.5 * torch.randn(c.shape, generator=g)
        planes, wiener, s = model._precondition(x_t, t, c)
        target = (x0 - wiener) / s
        assert float(planes[:, :3].std()) == pytest.approx(1, abs=0.03)
        assert float(target.std()) == pytest.approx(1, abs=0.03)
        assert abs(float((target * planes[:, :3]).mean())) < 0.03  # nothing linear is left to predict
        assert torch.equal(planes[:, 3:], c)


def test_preconditioned_output_is_in_units_of_s(small, inputs):
    model = small(**{**PATCHES, "learned_variance": True})
    x, onehot, coarse = inputs()
    t = torch.tensor([10, 190])
    with torch.no_grad():
        raw, wiener, s = model.denoise_raw(x, t, onehot, coarse)
        out = model(x, t, onehot, coarse)
    torch.testing.assert_close((out[:, :3] - wiener) / s, raw[:, :3], rtol=1e-3, atol=1e-3)
    assert torch.equal(out[:, 3:], raw[:, 3:])


def test_denoise_raw_needs_preconditioning(small, inputs):
    x, onehot, coarse = inputs()
    with pytest.raises(ConfigError):
        small().denoise_raw(x, torch.tensor([1, 2]), onehot, coarse)


def test_void_is_told_from_no_ssm(small, inputs):
    model = small(void_class=True)
    x, onehot, coarse = inputs(planes=6)
    assert torch.equal(onehot.sum(1), torch.ones(2, 16, 32))  # every pixel says something, void included
    void = torch.zeros_like(onehot)
    void[:, 5] = 1
    t = torch.tensor([5, 5])
    with torch.no_grad():
        difference = model(x, t, void, coarse) - model(x, t, torch.zeros_like(onehot), coarse)
    assert difference.abs().max() > 1e-3


def test_patch_embedding_sees_every_pixel(small, inputs):
    model = small(**PATCHES)
    x, onehot, coarse = inputs()
    moved = onehot.clone()
    moved[:, :, 5, 9] = 0  # no nearest-neighbour resize by 4 would notice
    with torch.no_grad():
        t = torch.tensor([100, 100])
        assert (model(x, t, moved, coarse) - model(x, t, onehot, coarse)).abs().max() > 1e-5


@pytest.mark.parametrize("changes", [{}, PATCHES])
@pytest.mark.parametrize("room", [0, 150_000, float("inf")])
def test_kept_condition_changes_nothing(small, inputs, changes, room):
    model = small(**changes)
    x, onehot, coarse = inputs()
    with torch.no_grad():
        kept = model.condition(onehot).keep(model.spades, room)
        for step in (100, 50):
            t = torch.tensor([step, step])
            torch.testing.assert_close(model(x, t, kept, coarse), model(x, t, onehot, coarse), rtol=0, atol=1e-5)
    used = sum(tensor.nbytes for pair in kept.kept.values() for tensor in pair)
    assert used <= room and (used > 0) == (room > 0)
    assert room != float("inf") or used == 2 * kept_bytes(model, (16, 32), torch.float32)


@pytest.mark.parametrize("changes", [{}, PATCHES])
@pytest.mark.parametrize("size", [(8, 8), (16, 32), (48, 24)])
def test_null_condition_is_that_of_zeros(small, inputs, changes, size):
    model = small(**changes)
    x, onehot, coarse = inputs(height=size[0], width=size[1])
    t = torch.tensor([100, 50])
    with torch.no_grad():
        c, times = model.enlarge(coarse), model.times(t)
        null = model.predictions(x, t, times, [model.null_condition(*size)], c)[0]
        torch.testing.assert_close(null, model(x, t, 0 * onehot, coarse), rtol=0, atol=1e-5)


def test_several_conditions_in_one_batch(small, inputs):
    model = small()
    x, onehot, coarse = inputs()
    t = torch.tensor([100, 50])
    ssms = [onehot, onehot.flip(1), 0 * onehot]
    with torch.no_grad():
        conditions = [model.condition(ssm) for ssm in ssms]
        together = model.predictions(x, t, model.times(t), conditions, model.enlarge(coarse))
        for ssm, prediction in zip(ssms, together, strict=True):
            torch.testing.assert_close(prediction, model(x, t, ssm, coarse), rtol=0, atol=1e-5)


def test_checkpointing_changes_nothing(small, inputs):
    model = small()
    x, onehot, coarse = inputs()
    gradients = []
    for model.checkpointing in (False, True):
        model.zero_grad()
        model(x, torch.tensor([3, 700]), onehot, coarse).square().mean().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    for plain, twice in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, twice)


@pytest.mark.parametrize("changes", [{}, {**PATCHES, "refine_channels": 32}])
def test_half_precision_torso(small, inputs, changes):
    """Convolutions in bfloat16; time, normalisation and head stay float32, and so does the state dict's naming."""
    model = small(**changes)
    names = list(model.state_dict())
    x, onehot, coarse = inputs()
    t = torch.tensor([20, 190])
    with torch.no_grad():
        reference = model(x, t, onehot, coarse)
        half = model.torso_to(torch.bfloat16)(x, t, onehot, coarse)
    assert half.dtype == torch.float32 and model.dtype == torch.bfloat16
    assert (half - reference).square().mean().sqrt() < 0.05 * reference.std()
    assert list(model.state_dict()) == names
    for part in (model.time_embed, model.out, model.middle_block[0].emb_layers):
        assert {parameter.dtype for parameter in part.parameters()} == {torch.float32}


@pytest.mark.parametrize("changes", [{}, PATCHES])
def test_bfloat16(small, inputs, changes):
    model = small(**changes)
    x, onehot, coarse = inputs()
    t = torch.tensor([20, 190])
    with torch.no_grad():
        reference = model(x, t, onehot, coarse)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            autocast = model(x, t, onehot, coarse)
        cast = model.to(torch.bfloat16)(x, t, onehot, coarse)
    for out in (autocast, cast):
        assert out.dtype == torch.float32
        assert (out - reference).square().mean().sqrt() < 0.05 * reference.std()
