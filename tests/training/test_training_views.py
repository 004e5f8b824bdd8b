"""What discriminators see: all that is shown of an image changes alike."""

import numpy as np
import torch

from spic.training.views import changed_light, views, warped, window


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
    still = (warp == torch.eye(2, 3)).all((1, 2))
    assert 20 < still.sum() < 65
    x, labels = torch.rand(200, 3, 64, 96), torch.randint(256, (200, 64, 96))
    torch.testing.assert_close(warped(x, warp)[still], x[still], rtol=0, atol=1e-4)
    seen = warped(labels, warp)
    assert torch.equal(seen[still], labels[still]) and not torch.equal(seen, labels) and seen.dtype == torch.int64


def test_labels_move_with_images():
    """A disc is enlarged and moved, and stays a disc: width and height are turned as pixels, not as sides."""
    rows, columns = np.mgrid[:64, :96]
    disc = torch.from_numpy((np.hypot(rows - 30, columns - 50) < 14).astype(np.int64))[None].repeat(40, 1, 1)
    warp = of(40, zoom=1.4, turn=45.0)["warp"]
    labels = warped(disc, warp)
    images = warped(disc[:, None].float(), warp)[:, 0]
    assert ((images > 0.5) == labels.bool()).float().mean() > 0.995
    areas = labels.sum((1, 2)) / disc[0].sum()
    whole = [i for i in range(40) if not (labels[i, [0, -1]].any() or labels[i, :, [0, -1]].any())]
    assert len(whole) > 10
    for i in whole:
        y, x = labels[i].nonzero().T.float()
        spread = torch.linalg.eigvalsh(torch.cov(torch.stack([y, x])))
        assert 0.4 < areas[i] < 2.2 and spread[1] / spread[0] < 1.12**2 + 0.1


def test_places_are_exact_in_half_precision():
    x, warp = torch.rand(2, 3, 128, 256), of(2, zoom=1.3)["warp"]
    plain = warped(x, warp)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(warped(x, warp), plain)


def test_windows():
    x = torch.arange(2 * 3 * 6 * 8).view(2, 3, 6, 8)
    assert torch.equal(window(x, torch.tensor([2, 1]), (3, 4)), x[..., 2:5, 1:5])
    assert window(x, torch.tensor([0, 0]), (6, 9)) is x
    corners = np.array([views(np.random.default_rng(i), 1, (64, 96), (60, 200))["corner"] for i in range(40)])
    assert set(corners[:, 0]) == {0, 1, 2, 3, 4} and not corners[:, 1].any()
