"""Winograd's convolution against the direct one."""

import pytest
import torch
from torch.nn import functional as F

from spic.segmentation.internimage import winograd


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (16, 20), (33, 34)])
def test_equals_the_direct_convolution(size):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, *size, dtype=torch.float64), torch.randn(7, 5, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(winograd.convolve(x, weight), F.conv2d(x, weight, padding=1), rtol=0, atol=1e-11)


def test_rounding_in_float32():
    """Wide as UPerNet's: errors stay an order of magnitude below the tolerance of the reference vectors (5e-5)."""
    torch.manual_seed(0)
    x, weight = torch.randn(1, 512, 32, 32).relu(), torch.randn(64, 512, 3, 3) / 4608**0.5
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    assert (winograd.convolve(x, weight) - exact).abs().max() < 2e-5


def test_tiles_in_parts_are_the_whole(monkeypatch):
    torch.manual_seed(0)
    x, weight = torch.randn(1, 3, 21, 10, dtype=torch.float64), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    whole = winograd.convolve(x, weight)
    monkeypatch.setattr(winograd, "_TILES", 1)
    torch.testing.assert_close(winograd.convolve(x, weight), whole, rtol=0, atol=1e-12)


def test_only_where_it_pays():
    x, weight = torch.zeros(1, 512, 32, 64), torch.zeros(512, 512, 3, 3)
    assert winograd.pays(x, weight)
    assert not winograd.pays(x.double(), weight.double()) and not winograd.pays(x[..., :8, :8], weight)
    assert not winograd.pays(x[:, :16], weight[:, :16]) and not winograd.pays(x.bfloat16(), weight.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert not winograd.pays(x, weight)
