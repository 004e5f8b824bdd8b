"""Residuals: what is added gives the original back, as closely as the quantiser says, whatever the range."""

import numpy as np
import pytest

from spic.codecs import get_codec
from spic.codecs.residual import add_residual, encode_residual
from spic.errors import ConfigError


def pictures(largest: int):
    """An image, and one that differs from it smoothly by up to `largest`."""
    rng = np.random.default_rng(0)
    rebuilt = np.kron(rng.integers(0, 256, (4, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    difference = largest * np.sin(np.arange(64) / 9)[:, None] * np.array([1, -1, 0.5])
    return np.clip(rebuilt + difference, 0, 255).astype(np.uint8), rebuilt


def there_and_back(original, rebuilt, qp):
    scale, data = encode_residual(original, rebuilt, qp)
    result = add_residual(rebuilt, get_codec("bpg").decode(data), scale)
    return scale, data, np.square(result.astype(float) - original).mean()


@pytest.mark.parametrize(("largest", "scale"), [(40, 1), (120, 1), (255, 2)])
def test_the_error_falls_with_the_quantiser(largest, scale):
    found = [there_and_back(*pictures(largest), qp) for qp in (0, 12, 24, 36)]
    assert {scale for scale, _, _ in found} == {scale}
    errors, sizes = [error for _, _, error in found], [len(data) for _, data, _ in found]
    assert errors == sorted(errors) and sizes == sorted(sizes, reverse=True)
    assert errors[0] < 2.5 * scale


def test_few_outliers_are_clipped_and_many_change_the_scale():
    rebuilt = np.zeros((32, 64, 3), np.uint8)
    original = rebuilt.copy()
    original[0, 0] = 160
    scale, data, _ = there_and_back(original, rebuilt, 0)
    levels = get_codec("bpg").decode(data).astype(int)
    assert scale == 1 and abs(levels[16:, 32:] - 128).max() <= 1
    original[:16] = 255
    scale, _, error = there_and_back(original, rebuilt, 0)
    assert scale == 2 and error < 3  # a scale of 1 would leave 128 levels: 8192


def test_one_qp_is_one_quantiser():
    """The same differences, with and without outliers elsewhere that ask for the other scale."""
    rng = np.random.default_rng(1)
    rebuilt = np.zeros((64, 128, 3), np.uint8) + np.uint8(128)
    original = (rebuilt + rng.integers(-40, 41, rebuilt.shape)).astype(np.uint8)
    wide, dark = original.copy(), rebuilt.copy()
    wide[:32], dark[:32] = 255, 0
    errors = []
    for one, base in ((original, rebuilt), (wide, dark)):
        scale, data = encode_residual(one, base, 30)
        result = add_residual(base, get_codec("bpg").decode(data), scale)
        errors.append(np.square(result[40:].astype(float) - one[40:]).mean())
    assert scale == 2 and 0.7 < errors[1] / errors[0] < 1.4


def test_every_difference_can_be_added():
    rebuilt = np.full((16, 16, 3), 100, np.uint8)
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    for scale in (1, 2, 255):
        expected = [min(max(100 + scale * (v - 128), 0), 255) for v in range(256)]
        assert add_residual(rebuilt, levels, scale)[..., 1].ravel().tolist() == expected


@pytest.mark.parametrize("qp", [-1, 52, 20.5, True, "20", None, float("nan")])
def test_wrong_quantisers(qp):
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ConfigError, match="residual_qp must be a"):
        encode_residual(image, image, qp)
