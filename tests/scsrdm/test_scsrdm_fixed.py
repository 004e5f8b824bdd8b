"""The fixed steps that end a prediction: each against numpy or its definition, and in networks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spic.scsrdm import ScsrdmConfig
from spic.scsrdm.fixed import DARK, back_projected, half_chroma, in_light, low_pass, luma

PATCHES = {"patch_size": 2, "prediction": "x0", "learned_variance": False, "residual_std": 0.13}
HEAD = {"refine_channels": 16, "refine_blocks": 2, "finish_channels": 8}
CONFIG = ScsrdmConfig(upsampling="bicubic")


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def coarse_of(x):
    return F.avg_pool2d(x, 4)


def enlarged(coarse):
    return F.interpolate(coarse, scale_factor=4, mode="bicubic", align_corners=False)


def half_chroma_by_hand(image):
    """One image (3, H, W): chroma averaged over 2x2, then enlarged by linear interpolation, luma as it was."""
    y = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    enlarged = []
    for plane in (image[2] - y, image[0] - y):
        small = plane.reshape(y.shape[0] // 2, 2, y.shape[1] // 2, 2).mean((1, 3))
        for axis in (0, 1):
            n = small.shape[axis]
            at = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
            low = np.floor(at).astype(int)
            part = np.expand_dims(at - low, 1 - axis)
            high = np.minimum(low + 1, n - 1)
            small = np.take(small, low, axis) * (1 - part) + np.take(small, high, axis) * part
        enlarged.append(small)
    blue, red = y + enlarged[0], y + enlarged[1]
    return np.stack([red, (y - 0.299 * red - 0.114 * blue) / 0.587, blue])


def test_half_chroma_against_numpy():
    x = images(2, 3, 10, 16)
    found = half_chroma(x).numpy()
    expected = [half_chroma_by_hand(image) for image in x.double().numpy()]
    assert np.allclose(found, expected, atol=1e-5)


def test_half_chroma_keeps_luma():
    x = 3 * images(2, 3, 16, 16)
    torch.testing.assert_close(luma(half_chroma(x)), luma(x), rtol=0, atol=2e-6)
    gray = x[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(half_chroma(gray), gray, rtol=0, atol=2e-6)
    flat = torch.tensor([0.5, -0.2, 0.1]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    torch.testing.assert_close(half_chroma(flat), flat, rtol=0, atol=2e-6)


def test_half_chroma_leaves_no_coloured_pixels():
    x = torch.zeros(1, 3, 16, 16)
    x[:, 0, ::2, ::2] = x[:, 2, 1::2, 1::2] = 1  # a weave of red and blue
    y = half_chroma(x)
    colour = y - luma(y)
    inner = colour[..., 2:-2, 2:-2]
    assert (x - luma(x)).std((2, 3))[:, 0] > 0.3 and inner.std((2, 3)).max() < 1e-5


def test_low_pass_against_the_spectrum():
    """Its response at every frequency of a periodic image is the one it promises; a flat image stays."""
    impulse = torch.zeros(1, 3, 64, 64)
    impulse[..., 32, 32] = 1
    response = np.abs(np.fft.fft2(low_pass(impulse)[0, 0].numpy()))
    factor = 1 - np.sin(np.pi * np.fft.fftfreq(64)) ** 10
    assert np.allclose(response, factor[:, None] * factor, atol=1e-5)
    assert np.allclose(factor[[16, 32]], [31 / 32, 0])
    flat = torch.full((2, 3, 8, 12), 0.3)
    torch.testing.assert_close(low_pass(flat), flat)


def test_low_pass_leaves_no_weave():
    x = torch.zeros(1, 3, 16, 16)
    x[..., ::2, ::2] = x[..., 1::2, 1::2] = 1
    assert (low_pass(x)[..., 5:-5, 5:-5] - 0.5).abs().max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_networks_draw_no_weave(dtype, small, inputs):
    kept, smooth = (small(**PATCHES, **HEAD, low_pass=flag) for flag in (False, True))
    x, onehot, coarse = inputs()
    t = torch.tensor([20, 190])
    with torch.no_grad(), torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        drawn, expected = smooth(x, t, onehot, coarse), low_pass(kept(x, t, onehot, coarse))
    assert drawn.dtype == torch.float32
    torch.testing.assert_close(drawn, expected)
    assert list(kept.state_dict()) == list(smooth.state_dict())


@pytest.mark.parametrize("condition", ["both", "ssm"])
def test_networks_draw_colour_at_half_resolution(condition, small, inputs):
    full, half = (small(**PATCHES, **HEAD, chroma=chroma, condition=condition) for chroma in ("full", "half"))
    x, onehot, coarse = inputs()
    t = torch.tensor([20, 190])
    with torch.no_grad():
        drawn = half(x, t, onehot, coarse)
        torch.testing.assert_close(drawn, half_chroma(full(x, t, onehot, coarse)))
    assert list(full.state_dict()) == list(half.state_dict())


def test_back_projection_moves_luma_and_chroma_by_their_shares():
    """What is taken from the difference of coarse images is its luma and its chroma, each by its own share."""
    x, c = images(2, 3, 16, 24), enlarged(images(2, 3, 4, 6, seed=1))
    change = enlarged(coarse_of(c - x))
    moved = back_projected(x, c, 0.3, 0.5, CONFIG) - x
    torch.testing.assert_close(luma(moved), 0.3 * luma(change), rtol=0, atol=1e-5)
    torch.testing.assert_close(moved - luma(moved), 0.5 * (change - luma(change)), rtol=0, atol=1e-5)
    assert torch.equal(back_projected(x, c, 0.0, 0.0, CONFIG), x)


def test_back_projection_leaves_what_the_coarse_image_does_not_contradict():
    c = enlarged(images(1, 3, 4, 6))
    detail = images(1, 3, 16, 24, seed=1)
    detail = detail - F.interpolate(coarse_of(detail), scale_factor=4)  # a coarse image has none of it
    torch.testing.assert_close(back_projected(c + detail, c, 1.0, 1.0, CONFIG), c + detail, rtol=0, atol=1e-5)


def test_back_projection_converges_to_the_coarse_image():
    """Iterated, it is that of Irani and Peleg: the coarse image of the result becomes the one that was sent."""
    x, coarse = images(1, 3, 32, 32), images(1, 3, 8, 8, seed=1)
    sent = enlarged(coarse)
    errors = []
    for _ in range(5):
        errors.append(float((coarse_of(x) - coarse_of(sent)).square().mean()))
        x = back_projected(x, sent, 1.0, 1.0, CONFIG)
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-3 * errors[0]


def test_detail_goes_with_the_light():
    """In an image of one light all luma detail has one factor; chroma, and what a coarse image has, stay."""
    detail = 0.1 * images(1, 3, 16, 24)
    for level in (0.0, DARK, 0.275, 0.9):
        c = torch.full((1, 3, 16, 24), 2 * level - 1)
        x = c + detail
        lit = in_light(x, c, 0.15, 0.275, CONFIG)
        factor = (max(level, DARK) / 0.275) ** 0.15
        own = luma(detail - enlarged(coarse_of(detail)))
        torch.testing.assert_close(luma(lit - x), (factor - 1) * own, rtol=0, atol=1e-6)
        torch.testing.assert_close(lit - luma(lit), x - luma(x), rtol=0, atol=1e-6)
    assert 0.8 < (DARK / 0.275) ** 0.15 < 0.82 and (1 / 0.275) ** 0.15 < 1.22  # what the shipped setting can do at most


def test_networks_end_with_the_fixed_steps_in_their_order(small, inputs):
    settings = {"chroma": "half", "low_pass": True, "back_projection": [0.3, 0.5], "light": [0.15, 0.275]}
    plain, full = small(**PATCHES, **HEAD), small(**PATCHES, **HEAD, **settings)
    x, onehot, coarse = inputs()
    t = torch.tensor([20, 190])
    with torch.no_grad():
        drawn, expected, c = full(x, t, onehot, coarse), plain(x, t, onehot, coarse), full.enlarge(coarse)
        expected = back_projected(low_pass(half_chroma(expected)), c, 0.3, 0.5, full.config)
        torch.testing.assert_close(drawn, in_light(expected, c, 0.15, 0.275, full.config))
    assert list(plain.state_dict()) == list(full.state_dict())
    assert ScsrdmConfig.from_dict(full.config.to_dict()) == full.config
