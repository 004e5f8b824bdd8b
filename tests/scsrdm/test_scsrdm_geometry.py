"""Pictures whose sides the network does not take: padded, cropped, and right at the border."""

import numpy as np
import pytest
import torch

from spic.scsrdm import ScsrdmConfig, sample
from spic.scsrdm.decoder import Decoder
from spic.scsrdm.geometry import pad, padded_size

RESIDUAL = {
    "patch_size": 4,
    "nominal_size": 64,
    "attention_resolutions": [],
    "prediction": "x0",
    "learned_variance": False,
    "residual_std": 0.1,
}


def test_padded_size():
    assert padded_size(ScsrdmConfig(), 360, 480) == (384, 480)
    assert padded_size(ScsrdmConfig(), 1, 33) == (32, 64)
    odd = ScsrdmConfig(coarse_factor=3, channel_mult=(1, 1), attention_resolutions=(256,))
    assert padded_size(odd, 5, 12) == (6, 12)


def test_fitting_inputs_come_back_as_they_are(small, inputs):
    _, onehot, coarse = inputs()
    padded = pad(small().config, onehot, coarse)
    assert padded[0] is onehot and padded[1] is coarse


@pytest.mark.parametrize("size", [(20, 24), (4, 4), (12, 40)])
def test_mirror(small, size):
    config = small(channel_mult=[1, 1, 1, 1], attention_resolutions=[]).config
    onehot, coarse = torch.rand(1, 5, *size), torch.rand(1, 3, size[0] // 4, size[1] // 4)
    wanted = padded_size(config, *size)
    found = pad(config, onehot, coarse)
    for tensor, padded, scale in ((onehot, found[0], 1), (coarse, found[1], 4)):
        added = [(0, side // scale - own) for side, own in zip(wanted, tensor.shape[2:], strict=True)]
        expected = np.pad(tensor.numpy(), [(0, 0), (0, 0), *added], mode="symmetric")
        assert np.array_equal(padded.numpy(), expected)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_border_of_the_enlarged_coarse_image(small, mode):
    """Inside the picture the padded coarse image gives nearly what the bare one gives; bilinear exactly."""
    model = small(channel_mult=[1, 1, 1, 1], attention_resolutions=[], upsampling=mode)
    onehot, coarse = torch.rand(1, 5, 12, 20), torch.rand(1, 3, 3, 5)
    padded = model.enlarge(pad(model.config, onehot, coarse)[1])[..., :12, :20]
    difference = (padded - model.enlarge(coarse)).abs()
    assert difference.max() < (1e-6 if mode == "bilinear" else 0.1)


def test_untrained_network_gives_the_coarse_image_up_to_the_border(fresh):
    model = fresh(**RESIDUAL)
    coarse = torch.full((2, 3, 3, 5), 0.25)
    x = sample(model, torch.zeros(2, 5, 12, 20), coarse, sampler="ddim", steps=4, noise=torch.zeros)
    torch.testing.assert_close(x, torch.full((2, 3, 12, 20), 0.25), rtol=0, atol=1e-5)


def test_sides_that_the_coarse_image_does_not_divide(small):
    """11x18 pixels come with a coarse image of 3x5."""
    ssm, coarse = torch.rand(1, 5, 11, 18), torch.rand(1, 3, 3, 5)
    x = sample(small(), ssm, coarse, steps=2, guidance=1.5, noise=[3])
    assert x.shape == (1, 3, 11, 18) and x.isfinite().all()


def test_decoder_takes_any_size(tiny_decoder):
    ssm, coarse = np.zeros((1, 20, 12), np.uint8), np.full((1, 5, 3, 3), 90, np.uint8)
    decoder = Decoder(tiny_decoder, "cpu", "float32")
    assert decoder(ssm, coarse, [1]).shape == (1, 20, 12, 3)
