"""What discriminators see: all that is shown of an image changes alike."""

import numpy as np
import torch

from spic.training.views import changed_light, zoomed


def test_what_is_shown_changes_alike():
    """The same brightness, saturation and contrast for all that is shown of an image; some images stay."""
    change = changed_light(60, np.random.default_rng(0), "cpu")
    x = torch.rand(60, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y, z = change(x), change(0.5 * x)
    rng = np.random.default_rng(0)
    on = rng.random(60) < 0.7
    shift, saturation, contrast = 0.4 * rng.random(60) - 0.2, 0.6 + 0.8 * rng.random(60), 0.75 + 0.5 * rng.random(60)
    for image, flag, b, s, k, found, half in zip(x.numpy(), on, shift, saturation, contrast, y, z, strict=True):
        gray = image.mean(0)
        expected = k * (gray + (image - gray) * s) + b if flag else image
        assert np.allclose(found, expected, atol=1e-5)
        assert np.allclose(half, (expected - b * flag) / 2 + b * flag, atol=1e-5)
    assert 30 < on.sum() < 55


def test_sizes_are_multiples_of_32():
    x = torch.rand(2, 3, 64, 96)
    assert zoomed((64, 96), 1.0)(x) is x
    assert zoomed((64, 96), 2 / 3)(x).shape == (2, 3, 32, 64)
    assert zoomed((64, 96), 0.1)(x).shape == (2, 3, 32, 32)
    flat = torch.full((1, 3, 64, 96), 0.4)
    torch.testing.assert_close(zoomed((64, 96), 4 / 3)(flat), torch.full((1, 3, 96, 128), 0.4))


def test_smaller_images_are_means_of_pixels():
    """No aliases: a weave of single pixels becomes gray."""
    x = torch.zeros(1, 3, 64, 64)
    x[..., ::2, ::2] = x[..., 1::2, 1::2] = 1
    assert (zoomed((64, 64), 0.5)(x) - 0.5).abs().max() < 0.1
