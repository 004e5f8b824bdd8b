"""Windows, mixtures and lights of crops, each against numpy; images and labels stay aligned."""

import numpy as np
import pytest
import torch

from spic.training.augment import ASPECT, cut, draw_light, draw_pasted, draw_windows, paste, relight, windows

FRAME, VOID = (40, 56), 251


@pytest.fixture(scope="module")
def frames():
    """Three random frames and labels."""
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(3, *FRAME, 3), dtype=np.uint8), rng.integers(VOID, size=(3, *FRAME), dtype=np.uint8)


def cut_out(images, labels, maps, size):
    """`cut` of arrays, as arrays: images (N, H, W, 3) in 0 to 255, and labels."""
    x, known = cut(torch.from_numpy(images), torch.from_numpy(labels), torch.from_numpy(maps), size, VOID)
    assert x.dtype == torch.float32 and known.dtype == torch.int64
    return x.permute(0, 2, 3, 1).numpy() * 255, known.numpy()


def plain(count, zoom=1.0, centre=(0, 0), mirror=1):
    """Windows that are not turned, around a place."""
    linear = np.array([[mirror / zoom, 0], [0, 1 / zoom]])
    return windows(np.stack([linear] * count), np.full((count, 2), centre), np.full((count, 2), zoom))


def test_a_window_of_the_frame_as_it_is(frames):
    images, labels = frames
    x, known = cut_out(images, labels, plain(3, centre=(4, -5)), (16, 24))
    top, left = 20 - 8 - 5, 28 - 12 + 4
    part = np.s_[:, top : top + 16, left : left + 24]
    assert np.abs(x - images[part]).max() < 0.01 and np.array_equal(known, labels[part])
    mirrored = cut_out(images, labels, plain(3, centre=(4, -5), mirror=-1), (16, 24))
    assert np.abs(mirrored[0][:, :, ::-1] - x).max() < 0.01 and np.array_equal(mirrored[1][:, :, ::-1], known)


def test_a_halved_frame_is_the_mean_of_its_pixels(frames):
    images, labels = frames
    x, known = cut_out(images, labels, plain(3, zoom=0.5), (20, 28))
    assert np.abs(x - images.reshape(3, 20, 2, 28, 2, 3).mean((2, 4))).max() < 0.01
    four = labels.reshape(3, 20, 2, 28, 2).transpose(0, 1, 3, 2, 4).reshape(3, 20, 28, 4)
    assert (four == known[..., None]).any(-1).all()


def test_outside_the_frame_is_void_and_mirrored(frames):
    images, labels = frames
    x, known = cut_out(images, labels, plain(3), (60, 66))
    around = ((0, 0), (10, 10), (5, 5))
    assert np.array_equal(known, np.pad(labels, around, constant_values=VOID))
    assert np.abs(x - np.pad(images, (*around, (0, 0)), "symmetric")).max() < 0.01


def test_turned_and_zoomed_windows_stay_aligned():
    """Every pixel carries its own position, as colour and as label."""
    rows, columns = np.mgrid[: FRAME[0], : FRAME[1]].astype(np.uint8) * 4
    maps = draw_windows(np.random.default_rng(1), 40, FRAME, (20, 28), (0.5, 2.0), 20.0)
    seen = 0
    for labels in (rows, columns):
        stack = np.repeat(labels[None], 40, 0)
        x, known = cut_out(np.repeat(stack[..., None], 3, -1), stack, maps, (20, 28))
        inside = (known != VOID) & (known >= 8) & (known <= labels.max() - 8)  # the others' colour is mirrored
        assert np.abs(x[..., 0] - known)[inside].max() < 2.1  # half a pixel of the frame
        seen += inside.mean()
        slope = np.array([x[0, 10, 15] - x[0, 10, 14], x[0, 11, 14] - x[0, 10, 14]])[:, 0] / 4
        assert slope == pytest.approx(maps[0, 0, 0 if labels is columns else 1, :2], abs=1e-3)
    assert seen > 1


def test_windows_are_where_they_may_be():
    def corners(size, zoom):
        maps = draw_windows(np.random.default_rng(2), 400, FRAME, size, zoom, 0.0).mean(1, dtype=np.float64)
        sides = np.array([[x, y, 1] for x in (-1, 1) for y in (-1, 1)]) * (size[1] / 2, size[0] / 2, 1)
        return maps, np.einsum("nij,kj->nki", maps, sides) + np.array([FRAME[1] / 2, FRAME[0] / 2])

    maps, places = corners((10, 14), (0.7, 2.0))
    assert places.min() > -1e-3 and (places.max((0, 1)) < (FRAME[1] + 1e-3, FRAME[0] + 1e-3)).all()
    assert places.min() < 1 and places[:, :, 0].max() > FRAME[1] - 1 and places[:, :, 1].max() > FRAME[0] - 1
    assert 0.4 < (maps[:, 0, 0] < 0).mean() < 0.6 and (maps[:, 1, 1] > 0).all()
    zooms = 1 / np.abs(maps[:, [0, 1], [0, 1]])
    assert 0.7 - 1e-5 <= np.sqrt(zooms.prod(1)).min() < 0.72 and 1.95 < np.sqrt(zooms.prod(1)).max() <= 2 + 1e-5
    stretch = zooms[:, 0] / zooms[:, 1]
    assert 1 / ASPECT - 1e-4 < stretch.min() < 0.87 and 1.15 < stretch.max() < ASPECT + 1e-4
    _, places = corners((80, 112), (1.0, 1.0))  # larger than the frame: it lies within
    assert (places.min(1) < 1e-3).all() and (places.max(1) > np.array([FRAME[1], FRAME[0]]) - 1e-3).all()


def test_turns():
    maps = draw_windows(np.random.default_rng(3), 300, FRAME, (20, 28), (1.0, 1.0), 8.0)[:, 0]
    angles = np.rad2deg(np.arctan2(-maps[:, 0, 1], maps[:, 1, 1]))
    assert -8 <= angles.min() < -7.5 and 7.5 < angles.max() <= 8
    determinant = np.linalg.det(maps[:, :, :2])
    assert np.abs(determinant) == pytest.approx(1, abs=1e-5) and (determinant < 0).any()


def test_pasted_pixels_bring_their_labels():
    rng = np.random.default_rng(4)
    labels = rng.integers(6, size=(3, 8, 10))
    pasted = draw_pasted(rng, 3, np.array([0.5, 1, 0, 1, 0.5, 0]), 1.0)
    assert pasted[:, [1, 3]].all() and not pasted[:, [2, 5]].any()
    owners = np.arange(3)[:, None, None] * 10
    images = np.stack([labels + owners] * 3, 1).astype(np.float32)
    x, known = (t.numpy() for t in paste(*map(torch.from_numpy, (images, labels, pasted))))
    for i in range(3):
        over = pasted[i][labels[i - 1]]
        assert np.array_equal(known[i], np.where(over, labels[i - 1], labels[i]))
        assert np.array_equal(x[i, 1], np.where(over, images[i - 1, 1], images[i, 1]))
    none = draw_pasted(rng, 3, np.ones(6), 0.0)
    assert not none.any() and torch.equal(
        paste(*map(torch.from_numpy, (images, labels, none)))[0], torch.tensor(images)
    )
    some = draw_pasted(rng, 500, np.full(6, 0.5), 0.3)
    assert some.any(1).mean() == pytest.approx(0.3, abs=0.06)


def test_shades_are_smooth():
    """They change the brightness of a gray image over its whole width, and little from pixel to pixel."""
    numbers = {
        name: torch.from_numpy(values) for name, values in draw_light(np.random.default_rng(1), 4, 0.0, 1.0).items()
    }
    numbers |= {"grain": torch.zeros(4), "blur": torch.zeros(4)}
    found = relight(torch.full((4, 3, 64, 128), 0.3), noise=torch.zeros(4, 3, 64, 128), **numbers)[:, 0]
    spread = found.std((1, 2)) / found.mean((1, 2))
    assert (spread > 0.01).all() and (found.diff(dim=2).abs().mean((1, 2)) < 0.1 * found.std((1, 2))).all()


def test_lights_against_numpy():
    rng = np.random.default_rng(5)
    images, noise = rng.random((6, 3, 7, 9), dtype=np.float32), rng.standard_normal((6, 3, 7, 9), dtype=np.float32)
    numbers = draw_light(rng, 6, 0.4, 1.0) | {"blur": np.array([-0.5, 0, 1, 0.5, 0, 0.2], np.float32)}
    numbers["shade"][:] = numbers["shade"][:, :, :1, :1]  # even
    found = relight(
        torch.from_numpy(images), **{k: torch.from_numpy(v) for k, v in (numbers | {"noise": noise}).items()}
    )
    for i, image in enumerate(images):
        n = {name: values[i] for name, values in numbers.items()}
        x = image.transpose(1, 2, 0) ** n["gamma"]
        x = (x - x.mean()) * n["contrast"] + x.mean()
        gray = x.mean(-1, keepdims=True)
        x = ((x - gray) * n["saturation"] + gray) * n["tint"] * np.exp(n["shade"][0, 0, 0])
        ring = np.pad(x, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
        soft = np.nanmean([ring[a : a + 7, b : b + 9] for a in range(3) for b in range(3)], 0)
        x = x * (1 - n["blur"]) + soft * n["blur"] + n["grain"] * noise[i].transpose(1, 2, 0)
        assert np.abs(found[i].permute(1, 2, 0).numpy() - np.clip(x, 0, 1)).max() < 1e-5


def test_ranges_of_lights():
    plain = draw_light(np.random.default_rng(6), 50, 0.0, 0.0)
    assert (
        all((plain[name] == 1).all() for name in ("gamma", "contrast", "saturation", "tint"))
        and not plain["grain"].any()
        and not plain["shade"].any()
    )
    image = torch.rand(50, 3, 4, 4)
    still = {name: torch.from_numpy(values) for name, values in plain.items()} | {"blur": torch.zeros(50)}
    assert torch.allclose(relight(image, noise=torch.randn(50, 3, 4, 4), **still), image, atol=1e-6)
    lit = draw_light(np.random.default_rng(7), 2000, 0.0, 0.4)
    on = lit["grain"] > 0
    assert on.mean() == pytest.approx(0.4, abs=0.04) and (lit["blur"] != 0).mean() == pytest.approx(0.3, abs=0.04)
    assert ((lit["tint"] == 1).all(1) == ~on).all() and lit["tint"].mean(1)[on].mean() < 0.8  # mostly darker
    assert lit["gamma"][on].min() >= 0.7 - 1e-6 and lit["gamma"].max() <= 1.9 and lit["grain"].max() <= 0.05
    jittered = draw_light(np.random.default_rng(8), 2000, 0.4, 0.0)
    assert np.abs(np.log(jittered["contrast"])).max() == pytest.approx(0.4, abs=0.01)
    assert np.abs(np.log(jittered["tint"])).max() == pytest.approx(0.4 / 3, abs=0.01)
