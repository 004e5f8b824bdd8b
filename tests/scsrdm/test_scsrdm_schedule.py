"""The schedule against its closed formulas."""

import numpy as np
import pytest

from spic.errors import ConfigError
from spic.scsrdm.sampling import choose_timesteps, even_timesteps, published_timesteps
from spic.scsrdm.schedule import Chain, alphas_cumprod, betas


def test_linear_beta():
    t = np.arange(1000)
    np.testing.assert_allclose(betas(), 1e-4 + (0.02 - 1e-4) * t / 999, rtol=1e-12)
    abar = 1.0
    for i, beta in enumerate(betas()):
        abar *= 1 - beta
        assert alphas_cumprod()[i] == pytest.approx(abar, rel=1e-10)
    with pytest.raises(ValueError):
        betas()[0] = 1


def test_posterior_from_bayes():
    chain = Chain.over(published_timesteps())
    previous = 1.0
    for i, t in enumerate(chain.timesteps):
        abar = alphas_cumprod()[t]
        alpha = abar / previous  # signal variance of the forward step between two kept timesteps
        assert chain.beta[i] == pytest.approx(1 - alpha)
        if i:
            # q(x_s | x_t, x_0): product of two Gaussians in x_s, N(sqrt(abar_s) x0, 1 - abar_s) and the likelihood.
            precision = 1 / (1 - previous) + alpha / (1 - alpha)
            assert chain.posterior_variance[i] == pytest.approx(1 / precision, rel=1e-9)
            assert chain.x0_coefficient[i] == pytest.approx(previous**0.5 / (1 - previous) / precision, rel=1e-9)
            assert chain.x_t_coefficient[i] == pytest.approx(alpha**0.5 / (1 - alpha) / precision, rel=1e-9)
        previous = abar
    assert chain.posterior_variance[0] == 0 and chain.x0_coefficient[0] == pytest.approx(1)
    assert chain.x_t_coefficient[0] == 0


def test_log_variances():
    chain = Chain.over([0, 10, 20])
    assert chain.log_variances(2) == pytest.approx((np.log(chain.posterior_variance[2]), np.log(chain.beta[2])))
    assert chain.log_variances(0)[0] == pytest.approx(np.log(chain.posterior_variance[1]))
    assert all(np.isfinite(Chain.over([500]).log_variances(0)))


def test_timesteps():
    assert even_timesteps(1000, 999) == list(range(1000)) and even_timesteps(2, 999) == [0, 999]
    assert len(set(even_timesteps(100, 999))) == 100
    assert choose_timesteps() == published_timesteps() and len(published_timesteps()) == 20
    assert choose_timesteps(4, start=90) == [0, 30, 60, 90]
    assert choose_timesteps(1, start=90) == [90]
    assert choose_timesteps(timesteps=np.array([3, 7])) == [3, 7]
    assert even_timesteps(193, 192) == list(range(193))


@pytest.mark.parametrize(
    "arguments",
    [
        {"steps": 0},
        {"steps": 194},
        {"steps": 2.5},
        {"steps": True},
        {"steps": 5, "start": 1000},
        {"steps": 5, "start": -1},
        {"steps": 2, "timesteps": [1, 2]},
        {"timesteps": []},
        {"timesteps": 5},
        {"timesteps": [5, 5]},
        {"timesteps": [6, 5]},
        {"timesteps": [-1, 5]},
        {"timesteps": [5, 1000]},
        {"timesteps": [0.5, 1]},
        {"timesteps": "12"},
    ],
)
def test_impossible_timesteps(arguments):
    with pytest.raises(ConfigError):
        choose_timesteps(**arguments)


def test_impossible_numbers_of_timesteps():
    for count in (0, 1001):
        with pytest.raises(ConfigError):
            even_timesteps(count, 999)
