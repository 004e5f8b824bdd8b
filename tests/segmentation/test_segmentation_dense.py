"""The dense segmenter: sizes, settings, weights that load, and what of other images reaches an image's map."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from spic.errors import ConfigError, WeightsError
from spic.segmentation import get_segmenter
from spic.segmentation.dense import DenseConfig, DenseNet, normalize
from spic.weights import write_weights

SMALL = {"widths": [4, 6, 8, 8, 8], "blocks": [1, 1, 3, 1], "decoder": [4, 6, 8, 8]}


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return DenseNet(DenseConfig.from_dict(SMALL)).eval()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(256, size=(3, 64, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (32, 96), (128, 64)])
def test_logits_have_the_size_of_the_image(size, net):
    assert net(torch.zeros(2, 3, *size)).shape == (2, 11, *size)


def test_config():
    config = DenseConfig.from_dict(SMALL)
    assert config.blocks == (1, 1, 3, 1) and DenseConfig.from_dict(asdict(config)) == config
    assert [name for name, _ in DenseNet(config).named_parameters() if name.startswith("stages.2.")][-1].startswith(
        "stages.2.4."  # convolution, ReLU, three blocks
    )


@pytest.mark.parametrize(
    ("settings", "what"),
    [({"size": 3}, "'size'"), ({"widths": [8] * 4}, "widths has 5 numbers"), ({"decoder": [8] * 5}, "decoder have 4")],
)
def test_settings_it_does_not_take(settings, what):
    with pytest.raises(ConfigError, match=what):
        DenseConfig.from_dict({**SMALL, **settings})


def test_normalisation(images):
    x = normalize(torch.from_numpy(images))
    assert x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)
    assert np.allclose(x.numpy(), (images.transpose(0, 3, 1, 2) - 115.0) / 70, atol=1e-5)


def test_weights_load_as_street_and_as_judge(net, images, tmp_path):
    about = {"arch": "dense", "label_space": "camvid11", "net": asdict(net.config)}
    write_weights(tmp_path / "w", net.state_dict(), about, "float32")
    wide = np.pad(images, ((0, 0), (0, 0), (0, 16), (0, 0)), mode="edge")
    with torch.inference_mode():
        expected = net(normalize(torch.from_numpy(wide)))[..., :80].argmax(1).numpy()
    for name in ("street", "judge"):
        segmenter = get_segmenter(name, tmp_path / "w", "cpu", "float32")
        assert type(segmenter.model) is DenseNet
        assert (segmenter.segment(images) == expected).mean() > 0.999
        assert (segmenter.segment(images[1:2])[0] == expected[1]).mean() > 0.999


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": [4, 6, 8, 8]},
        {"widths": 8},
        {"widths": [4, 6, 8, 8, 10**9]},
        {"widths": [4, 6, 8, 8.5, 8]},
        {"blocks": [10**9, 1, 1, 1]},
        {"blocks": [1, 1, 2, 1]},
        {"decoder": "wide"},
        {"decoder": [4, 6, 8, -8]},
        {"depth": 1.0},
    ],
)
def test_hostile_weights(wrong, net, tmp_path):
    about = {"arch": "dense", "label_space": "camvid11", "net": {**SMALL, **wrong}}
    write_weights(tmp_path / "w", net.state_dict(), about)
    with pytest.raises(WeightsError):
        get_segmenter("judge", tmp_path / "w", "cpu", "float32")
