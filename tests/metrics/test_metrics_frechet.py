import warnings
from unittest import mock

import numpy as np
import pytest
from scipy.linalg import sqrtm

from spic.errors import ConfigError, DataError
from spic.metrics import frechet_distance, kid, squared_mmd


def correlated(seed, samples, dimensions, shift=0.0):
    random = np.random.default_rng(seed)
    return random.normal(size=(samples, dimensions)) @ random.normal(size=(dimensions, dimensions)) + shift


def exact_gaussian(seed, samples, mean, deviations):
    """Samples whose mean and (diagonal) covariance are exactly the given ones."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(samples, len(mean)))
    basis, _ = np.linalg.qr(noise - noise.mean(axis=0))
    return basis * np.sqrt(samples - 1) * np.asarray(deviations) + np.asarray(mean)


@pytest.fixture(scope="module")
def pytorch_fid_distance():
    from spic.metrics.torchvision_shim import import_torchvision

    import_torchvision()
    from pytorch_fid import fid_score

    def old_sqrtm(matrix, disp=True):
        """What pytorch-fid 0.3.0 calls: SciPy deprecated `disp` and the pair it returns, and then took them away."""
        root = sqrtm(matrix)
        return root if disp else (root, None)

    def distance(a, b):
        statistics = [part for x in (a, b) for part in (x.mean(axis=0), np.cov(x, rowvar=False))]
        with mock.patch.object(fid_score.linalg, "sqrtm", old_sqrtm), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a singular covariance is what is tested
            return fid_score.calculate_frechet_distance(*statistics)

    return distance


@pytest.mark.parametrize(("samples_a", "samples_b"), [(400, 300), (20, 30), (20, 300), (64, 65)])
def test_agrees_with_pytorch_fid_with_more_and_fewer_samples_than_features(samples_a, samples_b, pytorch_fid_distance):
    a, b = correlated(0, samples_a, 64), correlated(1, samples_b, 64, shift=0.3)
    assert frechet_distance(a, b) == pytest.approx(pytorch_fid_distance(a, b), rel=1e-6)


@pytest.mark.parametrize("samples", [6, 50])
def test_closed_form_of_gaussians_with_diagonal_covariances(samples):
    mean_a, mean_b = np.array([1.0, -2.0, 0.0, 5.0]), np.array([0.0, 0.5, 3.0, 5.0])
    deviations_a, deviations_b = np.array([1.0, 2.0, 0.1, 3.0]), np.array([2.0, 2.0, 4.0, 0.0])
    a = exact_gaussian(1, samples, mean_a, deviations_a)
    b = exact_gaussian(2, samples + 3, mean_b, deviations_b)
    expected = np.sum((mean_a - mean_b) ** 2) + np.sum((deviations_a - deviations_b) ** 2)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("samples", [10, 200])
def test_distance_of_a_set_to_itself_is_zero_and_to_its_shift_the_shift(samples):
    a = correlated(3, samples, 40)
    scale = a.var(axis=0).sum()
    assert 0 <= frechet_distance(a, a) < 1e-12 * scale
    assert frechet_distance(a, a[::-1]) < 1e-10 * scale
    assert frechet_distance(a, a + 2.0) == pytest.approx(40 * 4.0)
    assert frechet_distance(a, 3 * a) == pytest.approx(frechet_distance(3 * a, a))


def test_float32_features_are_computed_in_float64():
    a, b = correlated(4, 50, 16).astype(np.float32), correlated(5, 50, 16).astype(np.float32)
    assert frechet_distance(a, b) == frechet_distance(a.astype(np.float64), b.astype(np.float64))


def kernel(x, y):
    return (float(np.dot(x, y)) / len(x) + 1) ** 3


def test_squared_mmd_is_the_direct_double_sum():
    a, b = correlated(6, 7, 5), correlated(7, 9, 5, shift=0.5)
    within_a = sum(kernel(a[i], a[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    within_b = sum(kernel(b[i], b[j]) for i in range(9) for j in range(9) if i != j) / (9 * 8)
    between = sum(kernel(x, y) for x in a for y in b) / (7 * 9)
    assert squared_mmd(a, b) == pytest.approx(within_a + within_b - 2 * between, rel=1e-10)


def test_squared_mmd_agrees_with_torchmetrics():
    from spic.metrics.torchvision_shim import import_torchvision

    import_torchvision()
    torch = pytest.importorskip("torch")
    from torchmetrics.image.kid import poly_mmd

    a, b = correlated(10, 30, 12), correlated(11, 30, 12, shift=0.5)  # it takes sets of one size only
    assert squared_mmd(a, b) == pytest.approx(float(poly_mmd(torch.from_numpy(a), torch.from_numpy(b))), rel=1e-9)


def test_kid_is_the_mean_and_spread_of_direct_double_sums_over_its_subsets():
    a, b = correlated(12, 14, 4), correlated(13, 11, 4, shift=0.3)
    random = np.random.default_rng(3)
    values = []
    for _ in range(5):
        x, y = a[random.choice(14, 5, replace=False)], b[random.choice(11, 5, replace=False)]
        within = sum(kernel(z[i], z[j]) for z in (x, y) for i in range(5) for j in range(5) if i != j) / 20
        values.append(within - 2 * sum(kernel(p, q) for p in x for q in y) / 25)
    result = kid(a, b, num_subsets=5, seed=3)
    assert result[:2] == pytest.approx((np.mean(values), np.std(values)), rel=1e-9)
    assert (result.subset_size, result.n) == (5, 11)


def test_kid_estimates_the_squared_mmd_of_the_whole_sets():
    random = np.random.default_rng(8)
    a, b = random.normal(size=(120, 16)), random.normal(size=(100, 16)) + 0.5
    result = kid(a, b, num_subsets=400)
    assert result.std > 0
    assert abs(result.mean - squared_mmd(a, b)) < 5 * result.std / np.sqrt(400)
    assert result == kid(a, b, num_subsets=400)
    assert result != kid(a, b, num_subsets=400, seed=1)
    assert kid(a, b, subset_size=10).std > result.std  # smaller subsets spread more
    assert kid(a, b, subset_size=50, num_subsets=400) == result  # half of the smaller set is the limit


def test_kid_is_unbiased_so_alike_sets_give_about_zero():
    random = np.random.default_rng(9)
    values = [squared_mmd(random.normal(size=(30, 8)), random.normal(size=(30, 8))) for _ in range(200)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)


@pytest.mark.parametrize("distance", [frechet_distance, squared_mmd, kid])
def test_bad_features_are_refused(distance):
    good = np.random.default_rng(0).normal(size=(8, 4))
    for bad in (good[:, :3], good[0], good[:1], good[None], np.full_like(good, np.nan)):
        with pytest.raises(DataError):
            distance(good, bad)
        with pytest.raises(DataError):
            distance(bad, good)


def test_kid_refuses_impossible_subsets():
    good = np.random.default_rng(0).normal(size=(8, 4))
    for options in ({"subset_size": 1}, {"num_subsets": 0}):
        with pytest.raises(ConfigError):
            kid(good, good, **options)
