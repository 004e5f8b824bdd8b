"""The head at full resolution: zero when fresh, no blocks on the full grid, colour at half resolution."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spic.errors import ConfigError
from spic.scsrdm import ScsrdmConfig, build
from spic.scsrdm.memory import working_bytes
from spic.scsrdm.refine import Finish, Refine, half_chroma, low_pass, nearer

PATCHES = {"patch_size": 2, "prediction": "x0", "learned_variance": False, "residual_std": 0.13}
HEAD = {"refine_channels": 16, "refine_blocks": 2, "finish_channels": 8}


def luma(x):
    return 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(("blocks", "finish"), [(0, 0), (3, 0), (0, 6), (2, 6)])
def test_a_fresh_head_gives_zero(blocks, finish):
    head = Refine(16, 5, blocks, finish)
    correction = head(images(2, 3, 8, 12), images(2, 3, 8, 12), images(1, 5, 8, 12))
    assert correction.shape == (2, 3, 8, 12) and correction.dtype == torch.float32 and not correction.any()
    assert len(head.blocks) == blocks and (head.finish is None) == (finish == 0)


def test_fresh_parts_learn():
    """Zero at first, but not for ever: gradients reach what gives zero at once, and all the rest a step later."""
    head = Refine(16, 5, 2, 6)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    inputs = images(2, 3, 8, 12), images(2, 3, 8, 12, seed=1), images(2, 5, 8, 12, seed=2)
    for _ in range(3):
        optimizer.zero_grad()
        (head(*inputs) - images(2, 3, 8, 12, seed=3)).square().mean().backward()
        optimizer.step()
    assert all(p.grad.any() for p in head.parameters())


def test_blocks_and_finish_change_nothing_at_first(small, inputs):
    """A network that grows them gives the images that it gave before."""
    old = small(**PATCHES, refine_channels=16)
    new = build({**old.config.to_dict(), **HEAD}).eval()
    state = new.state_dict()
    new.load_state_dict(state | old.state_dict())
    x, onehot, coarse = inputs()
    t = torch.tensor([20, 190])
    with torch.no_grad():
        assert torch.equal(new(x, t, onehot, coarse), old(x, t, onehot, coarse))


def test_state_of_old_networks_is_the_same():
    with torch.device("meta"):
        names = set(build({**PATCHES, "num_classes": 5, "refine_channels": 16}).state_dict())
    assert {name for name in names if name.startswith("refine.")} == {
        f"refine.{layer}.{what}" for layer in ("embed", "first", "second", "out") for what in ("weight", "bias")
    }


def test_the_places_of_a_block_start_alike():
    """So the shuffle to the full grid begins as a plain enlargement (Aitken et al. 2017)."""
    torch.manual_seed(0)
    finish = Finish(4, 5, 6)
    grown = torch.nn.functional.pixel_shuffle(finish.up(images(1, 4, 5, 7)), 2)
    assert grown.std() > 0.1
    for i, j in ((0, 1), (1, 0), (1, 1)):
        assert torch.equal(grown[..., ::2, ::2], grown[..., i::2, j::2])


def test_a_shift_of_two_pixels_shifts_the_correction(fill):
    """Away from the border the head is the same everywhere on its grid of 2x2, from which even crops start."""
    head = fill(Refine(16, 5, 2, 6))
    inputs = [images(1, channels, 64, 64, seed=channels) for channels in (3, 3, 5)]
    with torch.no_grad():
        whole = head(*inputs)
        part = head(*(each[..., 2:, 6:] for each in inputs))
    inner = (..., slice(26, -26), slice(26, -26))
    torch.testing.assert_close(whole[..., 2:, 6:][inner], part[inner], rtol=1e-4, atol=1e-5)


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
    colour = y - luma(y)[:, None]
    inner = colour[..., 2:-2, 2:-2]
    assert (x - luma(x)[:, None]).std((2, 3))[:, 0] > 0.3 and inner.std((2, 3)).max() < 1e-5


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


def test_images_move_towards_the_coarse_image():
    """A share of the way where all is flat; in colour, luma or both; what agrees with it already stays."""
    flat, goal = (torch.tensor(v).view(1, 3, 1, 1).expand(2, 3, 16, 24) for v in ((-0.3, 0.4, 0.6), (0.5, -0.2, 0.1)))

    def parts(z):
        return luma(z), z - luma(z)[:, None]

    for shares in ((0.25, 0.0), (0.0, 0.25), (0.25, 0.75)):
        moved = parts(nearer(flat, goal, *shares, 4))
        for share, part, before, after in zip(shares[::-1], moved, parts(flat), parts(goal), strict=True):
            torch.testing.assert_close(part, torch.lerp(before, after, share), rtol=0, atol=2e-6)
    x = images(2, 3, 16, 24)
    torch.testing.assert_close(luma(nearer(x, goal, 0.5, 0.0, 4)), luma(x), rtol=0, atol=2e-6)
    coarse = images(2, 3, 4, 6)
    x = F.interpolate(coarse, scale_factor=4)  # blocks: their means are the coarse image
    enlarged = F.interpolate(coarse, scale_factor=4, mode="bilinear", align_corners=False)
    torch.testing.assert_close(nearer(x, enlarged, 0.3, 0.6, 4), x)


def test_texture_stays():
    """What the coarse image cannot show, blocks of no mean, is not touched."""
    x, goal = images(2, 3, 16, 24), torch.zeros(2, 3, 16, 24)
    means = F.interpolate(F.avg_pool2d(x, 4), scale_factor=4)
    texture = nearer(x, goal, 0.5, 0.5, 4) - nearer(means, goal, 0.5, 0.5, 4)
    torch.testing.assert_close(texture, x - means, rtol=0, atol=2e-6)


@pytest.mark.parametrize("condition", ["both", "coarse"])
def test_networks_keep_to_the_coarse_image(condition, small, inputs):
    free, near = (
        small(**PATCHES, **HEAD, colour_share=shares[0], luma_share=shares[1], condition=condition)
        for shares in ((0.0, 0.0), (0.4, 0.2))
    )
    x, onehot, coarse = inputs()
    t = torch.tensor([20, 190])
    with torch.no_grad():
        expected = nearer(free(x, t, onehot, coarse), free.enlarge(coarse), 0.4, 0.2, 4)
        torch.testing.assert_close(near(x, t, onehot, coarse), expected)
    assert list(free.state_dict()) == list(near.state_dict())


def test_half_precision(small, inputs):
    model = small(**PATCHES, **HEAD, chroma="half")
    x, onehot, coarse = inputs()
    t = torch.tensor([20, 190])
    with torch.no_grad():
        reference = model(x, t, onehot, coarse)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            autocast = model(x, t, onehot, coarse)
        cast = model.torso_to(torch.bfloat16)(x, t, onehot, coarse)
    for out in (autocast, cast):
        assert out.dtype == torch.float32
        assert (out - reference).square().mean().sqrt() < 0.05 * reference.std()


def test_memory_counts_the_head(small):
    plain, grown = (small(**PATCHES, **changes) for changes in ({"refine_channels": 16}, HEAD))
    sizes = [working_bytes(model, (64, 128), 1, torch.float32) for model in (plain, grown)]
    assert sizes[1] - sizes[0] >= 4 * 8 * 64 * 128  # at least one map of the finish


@pytest.mark.parametrize(
    "wrong",
    [
        {"refine_channels": 0, "refine_blocks": 1},
        {"refine_channels": 0, "finish_channels": 8},
        {"refine_channels": False, "refine_blocks": False},
        {"refine_channels": 0.0},
        {"refine_channels": -1},
        {"refine_channels": 16.0},
        {"refine_blocks": 0.0},
        {"refine_blocks": False},
        {"refine_blocks": 65},
        {"refine_blocks": -1},
        {"refine_blocks": "2"},
        {"refine_blocks": [2]},
        {"finish_channels": True},
        {"finish_channels": 1 << 20},
        {"finish_channels": float("nan")},
        {"finish_channels": None},
        {"chroma": "quarter"},
        {"chroma": ["half"]},
        {"chroma": None},
        {"low_pass": "yes"},
        {"colour_share": 1.1},
        {"colour_share": -0.1},
        {"colour_share": True},
        {"colour_share": float("nan")},
        {"colour_share": 0.5, "condition": "ssm"},
        {"luma_share": 2},
        {"luma_share": "half"},
        {"luma_share": 0.5, "condition": "ssm"},
        {"residual_std": None, "refine_channels": 0, "refine_blocks": 0, "finish_channels": 0, "low_pass": True},
        {"residual_std": None},
        {"residual_std": None, "refine_channels": 0, "refine_blocks": 0, "finish_channels": 0, "chroma": "half"},
        {"patch_size": 1, "channel_mult": [1], "attention_resolutions": []},
        {
            **{"patch_size": 1, "channel_mult": [1], "attention_resolutions": [], "chroma": "half"},
            **{"refine_channels": 0, "refine_blocks": 0, "finish_channels": 0},
        },
    ],
)
def test_heads_that_can_not_be(wrong):
    good = {**PATCHES, **HEAD, "attention_resolutions": []}
    ScsrdmConfig.from_dict({**good, "chroma": "half"})
    with pytest.raises(ConfigError):
        ScsrdmConfig.from_dict({**good, **wrong})
