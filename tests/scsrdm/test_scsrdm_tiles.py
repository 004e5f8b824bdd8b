"""Decoding by tiles: every pixel covered, weights that add up, and no seams."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from spic.pictures.labels import one_hot
from spic.scsrdm import load_checkpoint, sample
from spic.scsrdm.tiles import Tiled, ramp, tile_starts

CASES = [(512, 512, 128), (528, 512, 128), (2048, 512, 128), (272, 256, 64)]


@pytest.mark.parametrize(("length", "tile", "overlap"), CASES)
def test_tiles_cover_and_overlap(length, tile, overlap):
    starts = tile_starts(length, tile, overlap, 16)
    assert starts[0] == 0 and starts[-1] == max(0, length - tile) and all(start % 16 == 0 for start in starts)
    for a, b in pairwise(starts):
        assert 0 < b - a <= tile - overlap + 16


def test_weights_are_positive_and_rise_to_one():
    weights = ramp(512, 128)
    assert weights.min() > 0 and weights.max() == 1 and torch.equal(weights, weights.flip(0))
    assert torch.all(weights[:128].diff() > 0)


class Local:
    """Stands in for a network: predicts from a pixel, its coarse pixel and its class, plus an offset of each tile."""

    class config:
        coarse_factor, size_multiple = 4, 16

    def __init__(self, offsets=False):
        self.offsets, self.tiles = offsets, 0

    def condition(self, ssm_onehot):
        return ssm_onehot

    def null_condition(self, height, width, dtype=None):
        return torch.zeros(1, 5, height, width)

    def predictions(self, x_t, t, times, conditions, c):
        self.tiles += 1
        return [x_t + 2 * c + ssm[:, :3] + self.offsets * self.tiles for ssm in conditions]


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels, 160, 224, generator=generator) for channels in (3, 3, 5)]


def test_a_local_network_gives_the_same_by_tiles(inputs):
    x, c, ssm = inputs
    network = Local()
    tiled = Tiled(network, tile=(60, 96), overlap=32)
    assert tiled.tile == (64, 96)
    conditions = [tiled.condition(ssm).keep([]), tiled.null_condition(160, 224)]
    found = tiled.predictions(x, None, None, conditions, c)
    whole = Local().predictions(x, None, None, [ssm, torch.zeros_like(ssm)], c)
    assert network.tiles == 4 * 3 and tiled.offsets is False
    for a, b in zip(whole, found, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_tiles_that_differ_are_blended_without_a_step(inputs):
    zeros = [torch.zeros_like(tensor) for tensor in inputs]
    tiled = Tiled(Local(offsets=True), tile=(64, 96), overlap=32)
    (out,) = tiled.predictions(zeros[0], None, None, [tiled.condition(zeros[2])], zeros[1])
    steps = max(out.diff(dim=-1).abs().max(), out.diff(dim=-2).abs().max())
    assert np.ptp(out.numpy()) > 8 and steps < 0.5


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_a_network_samples_by_tiles(tiny_decoder, guidance):
    model, config = load_checkpoint(tiny_decoder)
    ssm = one_hot(torch.zeros(1, 64, 96, dtype=torch.uint8), model.config.ssm_planes)
    coarse = torch.rand(1, 3, 16, 24) * 2 - 1
    settings = {**config["sampling"], "guidance": guidance, "noise": [3]}
    whole = sample(model, ssm, coarse, **settings)
    one_tile = sample(Tiled(model), ssm, coarse, **settings)
    several = sample(Tiled(model, tile=(64, 64), overlap=32), ssm, coarse, **settings)
    assert torch.allclose(whole, one_tile, atol=1e-4)
    assert several.shape == whole.shape and 0 < (several - whole).abs().mean() < 0.3


def test_head_and_half_chroma_leave_no_seams(small, monkeypatch):
    """Tiles start at even pixels, on the grid of the head's patches and of the chroma; borders hardly count."""
    settings = {"patch_size": 2, "prediction": "x0", "learned_variance": False, "residual_std": 0.13, "chroma": "half"}
    model = small(**settings, refine_channels=16, refine_blocks=2, finish_channels=8)
    monkeypatch.setattr(model, "run", lambda planes, times, conditions: [0.5 * planes[:, :3] for _ in conditions])
    generator = torch.Generator().manual_seed(0)
    x, coarse = (torch.randn(1, 3, 104 // k, 172 // k, generator=generator) for k in (1, 4))
    ssm = one_hot(torch.randint(5, (1, 104, 172), generator=generator), 5)
    t, c = torch.tensor([100]), model.enlarge(coarse)
    with torch.no_grad():
        whole = model.predictions(x, t, model.times(t), [model.condition(ssm)], c)[0]

        def worst():
            tiled = Tiled(model, tile=(64, 64), overlap=32)
            return (tiled.predictions(x, t, model.times(t), [tiled.condition(ssm)], c)[0] - whole).abs().max()

        assert worst() < 0.1 * whole.std()
        assert 28 in tile_starts(172, 64, 32, 4)
        odd = {104: [0, 19, 40], 172: [0, 27, 55, 81, 108]}
        monkeypatch.setattr("spic.scsrdm.tiles.tile_starts", lambda length, *rest: odd[length])
        assert worst() > 0.3 * whole.std()  # what it would be otherwise
