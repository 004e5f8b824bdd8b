"""The head at full resolution: zero when fresh, no blocks on the full grid; and which settings of it can be."""

import pytest
import torch

from spic.errors import ConfigError
from spic.scsrdm import ScsrdmConfig, build
from spic.scsrdm.memory import working_bytes
from spic.scsrdm.refine import Finish, Refine

PATCHES = {"patch_size": 2, "prediction": "x0", "learned_variance": False, "residual_std": 0.13}
HEAD = {"refine_channels": 16, "refine_blocks": 2, "finish_channels": 8}
NO_HEAD = dict.fromkeys(HEAD, 0)
WRONG_PAIRS = (
    0.3,
    [0.3],
    [0.3, 0.5, 0.1],
    [0.3, 1.1],
    [-0.1, 0.5],
    [True, 0.5],
    ["0.3", 0.5],
    "ab",
    [0.3, float("nan")],
)


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
        {**NO_HEAD, "residual_std": None, "low_pass": True},
        *({name: pair} for name in ("back_projection", "light") for pair in WRONG_PAIRS),
        {"back_projection": [0.3, 0.5], "condition": "ssm"},
        {"light": [0, 0.3]},
        {"light": [0.2, 0.3], "condition": "ssm"},
        {**NO_HEAD, "residual_std": None, "back_projection": [0.3, 0.5]},
        {**NO_HEAD, "residual_std": None, "light": [0.2, 0.3]},
        {"residual_std": None},
        {**NO_HEAD, "residual_std": None, "chroma": "half"},
        {"patch_size": 1, "channel_mult": [1], "attention_resolutions": []},
        {
            **{"patch_size": 1, "channel_mult": [1], "attention_resolutions": [], "chroma": "half"},
            **NO_HEAD,
        },
    ],
)
def test_heads_that_can_not_be(wrong):
    good = {**PATCHES, **HEAD, "attention_resolutions": []}
    ScsrdmConfig.from_dict({**good, "chroma": "half"})
    with pytest.raises(ConfigError):
        ScsrdmConfig.from_dict({**good, **wrong})
