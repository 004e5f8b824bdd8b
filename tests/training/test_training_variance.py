"""The variational bound against distributions that torch knows, and sums that must be one."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from spic.scsrdm.schedule import Chain
from spic.training.variance import variational_bound


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    raw, estimate, x0 = (torch.rand(2, 3, 4, 8, generator=generator) * 2 - 1 for _ in range(3))
    return raw, estimate, x0, torch.randn(2, 3, 4, 8, generator=generator)


def test_divergence_of_the_steps(tensors):
    raw, estimate, x0, x_t = (tensor.double() for tensor in tensors)
    chain, total = Chain.over(range(1000)), 0.0
    t = torch.tensor([150, 900])
    for i, step in enumerate(t.tolist()):
        low, high = chain.log_variances(step)
        deviation = (0.5 * (low + (raw[i] + 1) / 2 * (high - low))).exp()
        means = [chain.x0_coefficient[step] * x[i] + chain.x_t_coefficient[step] * x_t[i] for x in (x0, estimate)]
        truth = Normal(means[0], math.exp(0.5 * low))
        total += float(kl_divergence(truth, Normal(means[1], deviation)).mean()) / math.log(2) / 2
    assert float(variational_bound(*tensors, t)) == pytest.approx(total, rel=1e-3)


def test_probabilities_of_the_last_step_sum_to_one():
    values = (torch.arange(256) / 127.5 - 1).view(256, 1, 1, 1)
    raw, estimate, x_t = (torch.full((1, 1, 1, 1), number) for number in (0.3, 0.2, 0.0))
    t = torch.tensor([0])
    bits = torch.stack([variational_bound(raw, estimate, value[None], x_t, t) for value in values])
    assert float((2.0**-bits).sum()) == pytest.approx(1, abs=1e-3)


def test_gradient_goes_into_the_variance_alone(tensors):
    raw, estimate, x0, x_t = tensors
    raw.requires_grad_(), estimate.requires_grad_()
    variational_bound(raw, estimate, x0, x_t, torch.tensor([0, 500])).backward()
    assert raw.grad.isfinite().all() and raw.grad.any() and estimate.grad is None
