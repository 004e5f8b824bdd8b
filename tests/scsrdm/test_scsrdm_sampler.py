"""Samplers: randomness, guidance, chains with a known answer, refusals."""

import sys

import numpy as np
import pytest
import torch

from spic.errors import ConfigError, DataError
from spic.scsrdm import sample
from spic.scsrdm.denoiser import Denoiser, to_x0
from spic.scsrdm.sampler import ancestral_chain, ddim_chain, dpm_chain
from spic.scsrdm.sampling import SAMPLERS, published_timesteps
from spic.scsrdm.schedule import Chain, alphas_cumprod, betas

RESIDUAL = {
    "patch_size": 4,
    "nominal_size": 64,
    "attention_resolutions": [],
    "prediction": "x0",
    "learned_variance": False,
    "residual_std": 0.1,
}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_seeded_picture_does_not_depend_on_its_batch(small, inputs, sampler, guidance):
    model = small()
    _, onehot, coarse = inputs(n=3)
    settings = {"sampler": sampler, "steps": 3, "guidance": guidance}
    together = sample(model, onehot, coarse, noise=[7, 8, 9], **settings)
    alone = sample(model, onehot[1:2], coarse[1:2], noise=[8], **settings)
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-5)
    assert together.shape == (3, 3, 16, 32) and together.dtype == torch.float32
    assert together.abs().max() <= 1
    other = sample(model, onehot[1:2], coarse[1:2], noise=np.array([9]), **settings)
    if sampler == "noiseless":
        assert torch.equal(other, alone)
    else:
        assert (other - alone).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("sampler", "draws"), [("published", 4), ("ancestral", 5), ("ddim", 1), ("dpmsolver++", 1), ("noiseless", 0)]
)
def test_number_of_draws(small, inputs, sampler, draws):
    _, onehot, coarse = inputs()
    shapes = []

    def noise(shape):
        shapes.append(shape)
        return torch.zeros(shape, dtype=torch.float64)

    sample(small(), onehot, coarse, sampler=sampler, steps=4, noise=noise)
    assert shapes == [(2, 3, 16, 32)] * draws


def test_last_draw_is_not_used(small, inputs):
    _, onehot, coarse = inputs()
    results = []
    for last in (0.0, 5.0):
        draws = iter([0.3, -0.2, last])
        noise = lambda shape, draws=draws: torch.full(shape, next(draws))  # noqa: E731
        results.append(sample(small(), onehot, coarse, steps=3, noise=noise))
    assert torch.equal(*results)


def test_guidance_one_is_conditional(small, inputs, monkeypatch):
    model = small()
    _, onehot, coarse = inputs()
    passes = []
    predictions = type(model).predictions

    def counted(self, x_t, t, times, conditions, c):
        passes.append(len(conditions))
        return predictions(self, x_t, t, times, conditions, c)

    monkeypatch.setattr(type(model), "predictions", counted)
    run = {"steps": 3, "sampler": "ddim", "noise": [1, 2]}
    plain = sample(model, onehot, coarse, **run)
    assert passes == [1, 1, 1]
    nearly = sample(model, onehot, coarse, guidance=1 + 1e-9, **run)
    assert passes[3:] == [2, 2, 2]
    torch.testing.assert_close(nearly, plain, rtol=0, atol=1e-4)
    none = sample(model, onehot, coarse, guidance=0, **run)
    torch.testing.assert_close(none, sample(model, onehot * 0, coarse, **run), rtol=0, atol=1e-4)


def test_guidance_formula(small, inputs):
    """eps(no SSM) + s (eps(SSM) - eps(no SSM)) on three channels; the variance is the conditional one."""
    model = small()
    x, onehot, coarse = inputs()
    x = 0.1 * x
    t, abar = torch.tensor([60, 60]), alphas_cumprod()[60]
    with torch.no_grad():
        with_ssm, without = model(x, t, onehot, coarse), model(x, t, 0 * onehot, coarse)
        x0, eps, fraction = Denoiser(model, onehot, coarse, [60], 2.5)(x, 60)
    guided = without[:, :3] + 2.5 * (with_ssm[:, :3] - without[:, :3])
    expected = ((x - (1 - abar) ** 0.5 * guided) / abar**0.5).clamp(-1, 1)
    torch.testing.assert_close(x0, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(abar**0.5 * x0 + (1 - abar) ** 0.5 * eps, x, rtol=0, atol=1e-4)
    torch.testing.assert_close(fraction, (with_ssm[:, 3:] + 1) / 2, rtol=0, atol=1e-5)


@pytest.mark.parametrize("abar", [0.999, 0.5, 1e-3])
def test_predictions_name_the_same_picture(abar):
    g = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 3, 4, 4, generator=g), torch.randn(2, 3, 4, 4, generator=g)
    x_t = abar**0.5 * x0 + (1 - abar) ** 0.5 * eps
    v = abar**0.5 * eps - (1 - abar) ** 0.5 * x0
    for kind, prediction in (("x0", x0), ("epsilon", eps), ("v", v)):
        torch.testing.assert_close(to_x0(kind, prediction, x_t, abar), x0, rtol=0, atol=1e-4)


def gaussian(mean, variance):
    """The exact denoiser of pictures N(mean, variance)."""

    def denoise(x_t, t):
        abar = float(alphas_cumprod()[t])
        sigma2 = (1 - abar) / abar
        x0 = mean + variance / (variance + sigma2) * (x_t / abar**0.5 - mean)
        return x0, (x_t - abar**0.5 * x0) / (1 - abar) ** 0.5, None

    return denoise


def test_ancestral_chain_draws_from_the_model():
    """With the exact variance of each step back, a Gaussian comes out exactly, however few the steps."""
    chain, variance = Chain.over(published_timesteps()), 0.01
    exact = gaussian(0.2, variance)

    def denoise(x_t, t):
        i = chain.timesteps.index(t)
        x0, eps, _ = exact(x_t, t)
        sigma2 = (1 - chain.abar[i]) / chain.abar[i]
        uncertain = variance * sigma2 / (variance + sigma2)  # of x0, given x_t
        wanted = np.log(chain.posterior_variance[i] + chain.x0_coefficient[i] ** 2 * uncertain)
        low, high = chain.log_variances(i)
        return x0, eps, torch.full_like(x_t, (wanted - low) / (high - low)) if i else None

    g = torch.Generator().manual_seed(3)

    def draw(shape):
        return torch.randn(shape, generator=g)

    shape, abar = (1, 3, 128, 128), float(chain.abar[-1])
    start = abar**0.5 * (0.2 + variance**0.5 * draw(shape)) + (1 - abar) ** 0.5 * draw(shape)
    x = ancestral_chain(denoise, start, chain, draw)
    assert float(x.mean()) == pytest.approx(0.2, abs=0.003)
    assert float(x.std()) == pytest.approx(0.1, rel=0.02)


def test_ddim_chain_scales_the_residual():
    """For a Gaussian each step scales x_t / sqrt(abar) - mean by k + (1 - k) sigma' / sigma, k = s2 / (s2 + sigma^2).

    The limit of small steps is the probability flow: sqrt(s2 / (s2 + sigma^2)) over the whole chain.
    """
    chain = Chain.over(range(193))
    sigma = np.append(0, np.sqrt((1 - chain.abar) / chain.abar))
    k = 0.01 / (0.01 + sigma[1:] ** 2)
    scale = np.prod(k + (1 - k) * sigma[:-1] / sigma[1:])
    residual = torch.linspace(-1.5, 1.5, 48).view(1, 3, 4, 4)
    x = ddim_chain(gaussian(0.2, 0.01), float(chain.abar[-1]) ** 0.5 * (0.2 + residual), chain)
    torch.testing.assert_close(x, 0.2 + float(scale) * residual, rtol=0, atol=1e-5)
    assert scale == pytest.approx((0.01 / (0.01 + sigma[-1] ** 2)) ** 0.5, rel=0.04)


def test_ddim_is_that_of_diffusers():
    """Their scheduler allows evenly spaced timesteps only; DPM-Solver++ of first order is DDIM on any."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    scheduler = DDIMScheduler(beta_start=1e-4, beta_end=0.02, clip_sample=False, prediction_type="sample")
    scheduler.set_timesteps(10)
    start = torch.linspace(-1.2, 1.2, 48).view(1, 3, 4, 4)
    denoise, x = gaussian(0.2, 0.05), start
    for t in scheduler.timesteps:
        x = scheduler.step(denoise(x, int(t))[0], t, x).prev_sample
    chain = Chain.over(sorted(scheduler.timesteps.tolist()))
    torch.testing.assert_close(ddim_chain(denoise, start, chain), x.clamp(-1, 1), rtol=0, atol=1e-5)
    for any_chain in (chain, Chain.over(published_timesteps()), Chain.over([150])):
        first_order = dpm_chain(denoise, start, any_chain, order=1)
        torch.testing.assert_close(ddim_chain(denoise, start, any_chain), first_order, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("steps", "factor"), [(4, 0.5), (8, 0.5), (20, 0.9)])
def test_dpm_solver_is_nearer_the_limit_than_ddim(steps, factor):
    """A Gaussian's probability flow has a closed form; second order gets nearer to it with the same steps.

    With many steps the last one, of first order in both, is what remains.
    """
    chain = Chain.over(np.linspace(0, 192, steps).round().astype(int).tolist())
    sigma2 = (1 - chain.abar[-1]) / chain.abar[-1]
    residual = torch.linspace(-0.5, 0.5, 48).view(1, 3, 4, 4)
    start = float(chain.abar[-1]) ** 0.5 * (0.2 + residual)
    limit = 0.2 + (0.01 / (0.01 + sigma2)) ** 0.5 * residual
    errors = [(make(gaussian(0.2, 0.01), start, chain) - limit).abs().max() for make in (ddim_chain, dpm_chain)]
    assert errors[1] < factor * errors[0]


def test_without_diffusers(small, inputs, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers.schedulers.scheduling_dpmsolver_multistep", None)
    _, onehot, coarse = inputs()
    with pytest.raises(ConfigError, match="diffusers"):
        sample(small(), onehot, coarse, sampler="dpmsolver++", steps=2, noise=[1, 2])


def test_untrained_preconditioned_network_keeps_the_coarse_image(fresh, inputs):
    """Its denoiser is the Wiener estimate: one noiseless step from the coarse image is the coarse image."""
    model = fresh(**RESIDUAL)
    _, onehot, coarse = inputs()
    x = sample(model, onehot, coarse, sampler="ddim", steps=8, start=90, noise=torch.zeros)
    torch.testing.assert_close(x, model.enlarge(coarse), rtol=0, atol=1e-5)


def test_variance_of_a_step(small, inputs):
    """Noise enters each step with the interpolated standard deviation of the respaced chain."""
    chain = Chain.over([10, 40])
    x = torch.zeros(1, 3, 2, 2)

    def spread(learned, fraction=0.0):
        seen = []

        def denoise(x_t, t):
            seen.append(x_t)
            return torch.zeros_like(x_t), None, learned

        ancestral_chain(denoise, x, chain, torch.ones, fraction)
        return float(seen[1].mean())

    beta = 1 - np.prod(1 - betas()[11:41])
    posterior = beta * (1 - alphas_cumprod()[10]) / (1 - alphas_cumprod()[40])
    assert spread(None) == pytest.approx(posterior**0.5, rel=1e-5)
    assert spread(None, 1.0) == pytest.approx(beta**0.5, rel=1e-5)
    assert spread(torch.full_like(x, 0.5)) == pytest.approx((posterior * beta) ** 0.25, rel=1e-5)


def test_callback_and_no_gradients(small, inputs):
    model = small()
    _, onehot, coarse = inputs()
    seen = []
    x = sample(model, onehot, coarse, timesteps=[0, 30, 90], noise=[1, 2], callback=seen.append)
    assert [(s["i"], s["t"]) for s in seen] == [(0, 90), (1, 30), (2, 0)]
    assert torch.equal(seen[0]["x"], model.enlarge(coarse))  # published: starts at the coarse image itself
    torch.testing.assert_close(seen[2]["x0"], x)
    assert not x.requires_grad


def test_wrong_settings(small, inputs):
    model = small()
    _, onehot, coarse = inputs()
    for wrong in (
        {"sampler": "euler"},
        {"tempo": 1},
        {"steps": 0},
        {"timesteps": [3, 1]},
        {"start": 1000},
        {"guidance": float("nan")},
        {"guidance": "strong"},
        {"noise": 5},
        {"noise": [1]},
        {"noise": [1, -1]},
        {"noise": [1, 2.5]},
        {"noise": "ab"},
        {"noise": lambda shape: torch.zeros(1)},
        {"noise": lambda shape: np.zeros(shape)},
    ):
        with pytest.raises(ConfigError):
            sample(model, onehot, coarse, **{"noise": [1, 2], **wrong})


def test_wrong_inputs(small, inputs):
    model = small()
    _, onehot, coarse = inputs()
    for ssm, c in (
        (onehot[:, :4], coarse),
        (onehot[:1], coarse),
        (onehot, coarse[:, :1]),
        (onehot, coarse[..., :4]),
        (onehot[..., :28], coarse),
        (onehot[:0], coarse[:0]),
        (onehot.long(), coarse),
        (onehot, (coarse * 255).byte()),
        (onehot[0], coarse[0]),
        (onehot.numpy(), coarse),
    ):
        with pytest.raises(DataError):
            sample(model, ssm, c, noise=[1, 2])
