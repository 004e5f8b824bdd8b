"""What discriminators see: all that is shown of an image changes alike."""

import numpy as np
import torch

from spic.training.augment import places, sampled, sampled_labels
from spic.training.views import changed_light, views, window


def of(count, size=(64, 96), compared=(64, 96), **numbers):
    found = views(np.random.default_rng(0), count, size, compared, **numbers)
    return {name: torch.from_numpy(value) for name, value in found.items()}


def test_what_is_shown_changes_alike():
    """The same brightness, saturation and contrast for all that is shown of an image; some images stay."""
    light = of(60)["light"]
    change = changed_light(light)
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


def test_images_stay_where_nothing_is_to_move():
    """And some of those that may move, too."""
    assert "warp" not in of(3)
    warp = of(200, zoom=1.5, turn=8.0)["warp"]
    grid = places(warp, (64, 96), (64, 96))
    still = (warp == torch.eye(2, 3)).all((1, 2, 3))
    assert 20 < still.sum() < 65
    x, labels = torch.rand(200, 3, 64, 96), torch.randint(255, (200, 64, 96))
    torch.testing.assert_close(sampled(x, grid)[still], x[still], rtol=0, atol=1e-4)
    seen = sampled_labels(labels, grid, 255)
    assert torch.equal(seen[still], labels[still]) and not torch.equal(seen, labels)


def test_smaller_images_are_means_of_pixels():
    """No aliases: a weave of single pixels becomes gray where it is reduced."""
    x = torch.zeros(60, 1, 64, 96)
    x[..., ::2, ::2] = x[..., 1::2, 1::2] = 1
    warp = of(60, zoom=2.0)["warp"]
    half = warp[:, :, :2, :2].det().abs().mean(1) > 1.6**2
    seen = sampled(x, places(warp, (64, 96), (64, 96)))[half, 0, 24:40, 36:60]
    assert half.sum() > 5 and (seen - 0.5).abs().mean() < 0.05


def test_windows():
    x = torch.arange(2 * 3 * 6 * 8).view(2, 3, 6, 8)
    assert torch.equal(window(x, torch.tensor([2, 1]), (3, 4)), x[..., 2:5, 1:5])
    assert window(x, torch.tensor([0, 0]), (6, 9)) is x
    corners = np.array([views(np.random.default_rng(i), 1, (64, 96), (60, 200))["corner"] for i in range(40)])
    assert set(corners[:, 0]) == {0, 1, 2, 3, 4} and not corners[:, 1].any()
