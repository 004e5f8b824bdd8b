"""Sampling: from an SSM and a coarse image to an image.

The samplers are free functions of a `denoise(x_t, t) -> (x0, eps, fraction)`; `spic.scsrdm.denoiser` makes that of any
network of `spic.scsrdm.build`, whatever it predicts and with or without guidance.
"""

from collections.abc import Sequence

import numpy as np
import torch

from spic.errors import ConfigError
from spic.scsrdm.denoiser import Denoiser
from spic.scsrdm.geometry import check_inputs, pad
from spic.scsrdm.sampling import NUM_TIMESTEPS, Sampling
from spic.scsrdm.schedule import Chain, betas


@torch.no_grad()
def sample(
    model,
    ssm_onehot,
    coarse,
    *,
    noise,
    sampling: Sampling | None = None,
    callback=None,
    null=None,
    room=float("inf"),
    **settings,
):
    """Rebuild images.

    Parameters
    ----------
    model : torch.nn.Module
        Network of `spic.scsrdm.build`, on the device of the inputs. Autocast and eval mode are the caller's.
    ssm_onehot : torch.Tensor
        float (N, classes, H, W), one-hot SSM, all zero for void (with `void_class` one more channel).
    coarse : torch.Tensor
        float (N, 3, H / coarse_factor, W / coarse_factor), rounded up, decoded coarse images in [-1, 1]. Where H and W
        are no multiples of what the network needs, everything is padded and the result cropped.
    noise : callable or sequence of int
        `noise(shape) -> tensor` of standard normals, called once for a noised start and once per step of "published"
        and "ancestral", the last (multiplied by zero) included; or one seed per image, so that an image does not
        depend on those coded with it.
    sampling, **settings
        How: a `spic.scsrdm.sampling.Sampling`, by default the published one, and single settings of it that overrule
        it (sampler, steps, start, timesteps, guidance).
    callback : callable, optional
        Called each step with a dict of i (0 at the first step taken), t, x (x_t before the step) and x0.
    null, room
        As in `spic.scsrdm.denoiser.Denoiser`: what to keep from call to call, and how much within a call.

    Returns
    -------
    torch.Tensor
        float32 (N, 3, H, W) in [-1, 1].

    Raises
    ------
    DataError
        If shapes or channels do not fit each other or the network.
    ConfigError
        For settings that `Sampling` refuses, or impossible noise.

    Sources: Ho et al. 2020, algorithm 2; Nichol and Dhariwal 2021, equation 15 (learned variance); Song et al. 2021,
    equation 12 (DDIM); Lu et al. 2022, arXiv 2211.01095, algorithm 2 (DPM-Solver++ 2M); SPIC, section III and the
    authors' scripts (start).
    """
    sampling = (sampling or Sampling()).merge(settings)
    sampler, chain = sampling.sampler, Chain.over(sampling.chain)
    check_inputs(model.config, ssm_onehot, coarse)
    height, width = ssm_onehot.shape[-2:]
    ssm_onehot, coarse = pad(model.config, ssm_onehot, coarse)
    draw = _noise_source(noise, len(coarse), coarse.device)
    denoise = Denoiser(model, ssm_onehot, coarse, chain.timesteps, sampling.guidance, null=null, room=room)
    x, abar = denoise.c, float(chain.abar[-1])
    if sampler == "noiseless":
        x = abar**0.5 * x
    elif sampler != "published":
        x = abar**0.5 * x + (1 - abar) ** 0.5 * draw(x.shape)
    if sampler in ("ddim", "noiseless"):
        x = ddim_chain(denoise, x, chain, callback)
    elif sampler == "dpmsolver++":
        x = dpm_chain(denoise, x, chain, callback)
    else:
        # Without a learned variance the authors take beta, the upper end of the range; the posterior's is less grainy.
        x = ancestral_chain(denoise, x, chain, draw, 1.0 if sampler == "published" else 0.0, callback)
    return x[..., :height, :width]


def ancestral_chain(denoise, x, chain: Chain, draw, fraction=0.0, callback=None):
    """DDPM steps from x at the last timestep of `chain` down to an image.

    `fraction` places the log variance between the posterior's (0) and beta's (1) where the network has not learned it.
    """

    def step(i, x, x0, eps, learned):
        mean = float(chain.x0_coefficient[i]) * x0 + float(chain.x_t_coefficient[i]) * x
        low, high = chain.log_variances(i)
        place = fraction if learned is None else learned
        log_variance = torch.as_tensor(low + place * (high - low), device=x.device)
        # Drawn at the last step too, though unused: the sequence of draws is part of the published chain.
        z = draw(x.shape)
        return mean + (0.5 * log_variance).exp() * z if i > 0 else mean

    return _walk(denoise, x, chain, step, callback)


def ddim_chain(denoise, x, chain: Chain, callback=None):
    """Deterministic DDIM steps (eta 0) from x at the last timestep of `chain` down to an image."""

    def step(i, x, x0, eps, learned):
        previous = float(chain.abar_previous[i])
        return previous**0.5 * x0 + (1 - previous) ** 0.5 * eps

    return _walk(denoise, x, chain, step, callback)


def dpm_chain(denoise, x, chain: Chain, callback=None, order=2):
    """DPM-Solver++ multistep from x at the last timestep of `chain` down to an image; order 1 is DDIM.

    The last step, to no noise at all, is of first order: it gives x0.
    """
    try:  # here, because it loads for a second
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
    except ImportError as error:
        raise ConfigError(f"sampler dpmsolver++ needs the package diffusers ({error})") from None
    solver = DPMSolverMultistepScheduler(
        NUM_TIMESTEPS, trained_betas=betas(), solver_order=order, prediction_type="sample"
    )
    solver.set_timesteps(timesteps=list(reversed(chain.timesteps)))

    def step(i, x, x0, eps, learned):
        return solver.step(x0, chain.timesteps[i], x).prev_sample

    return _walk(denoise, x, chain, step, callback)


def _walk(denoise, x, chain, step, callback):
    for i, t in reversed(list(enumerate(chain.timesteps))):
        x0, eps, learned = denoise(x, t)
        if callback is not None:
            callback({"i": len(chain.timesteps) - 1 - i, "t": t, "x": x, "x0": x0})
        x = step(i, x, x0, eps, learned)
    return x.clamp(-1, 1)


def _noise_source(noise, count, device):
    """Turn seeds into `draw(shape)`, and check what a caller's own source draws."""
    source = noise
    if not callable(noise):
        if not isinstance(noise, Sequence | np.ndarray | range) or isinstance(noise, str | bytes):
            raise ConfigError("noise: expected a callable or one seed per image")
        if len(noise) != count:
            raise ConfigError(f"noise: {len(noise)} seeds for {count} pictures")
        if not all(isinstance(s, int | np.integer) and not isinstance(s, bool) and 0 <= s < 1 << 63 for s in noise):
            raise ConfigError("noise: seeds are whole numbers from 0 to 2**63 - 1")
        # On the CPU whatever the device: a seed then gives the same noise everywhere.
        generators = [torch.Generator().manual_seed(int(seed)) for seed in noise]

        def source(shape):
            return torch.stack([torch.randn(shape[1:], generator=generator) for generator in generators])

    def draw(shape):
        z = source(tuple(shape))
        if not isinstance(z, torch.Tensor) or z.shape != shape:
            raise ConfigError(f"noise: expected a tensor {tuple(shape)}, got {getattr(z, 'shape', type(z).__name__)}")
        return z.to(device=device, dtype=torch.float32)

    return draw
