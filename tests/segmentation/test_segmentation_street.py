"""The interface of the shipped segmenters, on weights that know nothing."""

import json

import numpy as np
import pytest
import torch

import spic.plugins
from spic.errors import ConfigError, DataError, WeightsError
from spic.networks.efficientnet import LITE, LiteEncoder
from spic.pictures.labels import CAMVID11
from spic.segmentation import get_segmenter, segmenter_names
from spic.segmentation.pyramid import PyramidConfig, PyramidNet
from spic.segmentation.segmenter import POTTS_STEPS, agreed
from spic.segmentation.street import StreetConfig, StreetNet
from spic.weights import read_weights, weight_paths, write_weights


@pytest.fixture(scope="module")
def segmenter(tiny_segmenter):
    return get_segmenter("street", tiny_segmenter, "cpu", "float32")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(256, size=(5, 32, 48, 3), dtype=np.uint8)


def test_segment(segmenter, pictures):
    maps = segmenter.segment(pictures)
    assert maps.shape == (5, 32, 48) and maps.dtype == np.uint8
    assert segmenter.label_space.name == "camvid11" and maps.max() < 11 and len(np.unique(maps)) > 1
    assert segmenter.segment(pictures[:0]).shape == (0, 32, 48)


def test_maps_do_not_depend_on_the_batch(segmenter, pictures):
    maps = segmenter.segment(pictures)
    for batch in (1, 2, 5):
        assert (segmenter.segment(pictures, batch) == maps).mean() > 0.999
    assert (segmenter.segment(pictures[3:4])[0] == maps[3]).mean() > 0.999


def test_bfloat16_sees_nearly_the_same(tiny_segmenter, segmenter, pictures):
    half = get_segmenter("street", tiny_segmenter, "cpu", "bfloat16")
    assert (half.segment(pictures) == segmenter.segment(pictures)).mean() > 0.8


def test_mirrored_weights_see_the_mirror_image_too(tiny_segmenter, segmenter, tmp_path):
    """Then a mirrored image has the mirrored map, which a network alone does not give."""
    state, config = read_weights(tiny_segmenter)
    write_weights(tmp_path / "w", state, {**config, "mirrored": True}, "float32")
    mirrored = get_segmenter("street", tmp_path / "w", "cpu", "float32")
    assert mirrored.mirrored and not segmenter.mirrored
    pictures = np.random.default_rng(3).integers(256, size=(3, 32, 64, 3), dtype=np.uint8)

    def alike(network):
        return (network.segment(pictures[:, :, ::-1])[:, :, ::-1] == network.segment(pictures)).mean()

    assert alike(mirrored) > 0.999 and alike(segmenter) < 0.9
    with torch.inference_mode():
        x = mirrored.normalize(torch.from_numpy(pictures))
        both = mirrored.model(x) + mirrored.model(x.flip(3)).flip(3)
    assert (mirrored.segment(pictures) == both.argmax(1).numpy()).mean() > 0.999


def test_neighbours_have_a_say_in_the_maps_of_weights_that_say_so(tiny_segmenter, segmenter, tmp_path):
    state, config = read_weights(tiny_segmenter)
    write_weights(tmp_path / "w", state, {**config, "potts": 4}, "float32")
    asked = get_segmenter("street", tmp_path / "w", "cpu", "float32")
    assert (segmenter.potts, asked.potts) == (0, 4)
    pictures = np.random.default_rng(3).integers(256, size=(3, 50, 62, 3), dtype=np.uint8)

    def borders(maps):
        return sum((np.diff(maps.astype(int), axis=axis) != 0).sum() for axis in (1, 2))

    alone, agreed_on = segmenter.segment(pictures), asked.segment(pictures)
    assert 0 < borders(agreed_on) < 0.8 * borders(alone)
    np.testing.assert_array_equal(asked.segment(pictures[1:2])[0], agreed_on[1])


def test_agreed_scores_are_a_potts_model_by_mean_field():
    """Pixel by pixel, as the formula says: the neighbours outside the image are not counted."""
    logits, potts = np.random.default_rng(0).normal(size=(3, 4, 5)), 1.5
    found = logits
    for _ in range(POTTS_STEPS):
        odds = np.exp(found) / np.exp(found).sum(0)
        found = logits.copy()
        for y, x in np.ndindex(4, 5):
            found[:, y, x] += potts * odds[:, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean(axis=(1, 2))
    np.testing.assert_allclose(agreed(torch.from_numpy(logits)[None], potts)[0], found, atol=1e-9)


def test_a_speck_goes_where_the_network_is_not_sure():
    logits = torch.zeros(1, 2, 9, 9)
    logits[:, 0] = 1.0
    logits[:, 1, 4, 4] = 2.0
    assert (logits.argmax(1) == 1).sum() == 1 and not agreed(logits, 4.0).argmax(1).any()
    logits[:, 1, 4, 4] = 9.0  # here it is
    assert (agreed(logits, 4.0).argmax(1) == 1).sum() == 1
    assert torch.equal(agreed(logits, 0.0), logits)


@pytest.mark.parametrize("size", [(1, 1), (33, 50), (64, 96)])
def test_any_size(segmenter, size):
    """Pictures are continued to the network's stride; what is added has no say beyond its neighbourhood."""
    pictures = np.random.default_rng(1).integers(256, size=(2, *size, 3), dtype=np.uint8)
    maps = segmenter.segment(pictures)
    assert maps.shape == (2, *size)
    wide = np.pad(pictures, ((0, 0), (0, -size[0] % 32), (0, -size[1] % 32), (0, 0)), mode="edge")
    assert np.array_equal(segmenter.segment(wide)[:, : size[0], : size[1]], maps)


@pytest.mark.parametrize("shape", [(32, 48, 3), (1, 32, 48, 1)])
def test_pictures_it_does_not_take(shape, segmenter):
    with pytest.raises(DataError):
        segmenter.segment(np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match="float64"):
        segmenter.segment(np.zeros((1, 32, 48, 3)))


@pytest.mark.parametrize("size", [(32, 32), (32, 96), (64, 32)])
def test_logits_have_the_size_of_the_picture(size, tiny_segmenter_net):
    net = StreetNet(StreetConfig.from_dict({**tiny_segmenter_net, "num_classes": 4})).eval()
    assert net(torch.zeros(2, 3, *size)).shape == (2, 4, *size)
    pyramid = PyramidNet(PyramidConfig.from_dict({"width": 0.3, "depth": 0.3, "pyramid": 8, "num_classes": 4})).eval()
    assert pyramid(torch.zeros(2, 3, *size)).shape == (2, 4, *size)


def test_config():
    assert PyramidConfig.from_dict({"pyramid": 8}).pyramid == 8
    assert StreetConfig.from_dict({"decoder": [1, 2, 3, 4]}).decoder == (1, 2, 3, 4)
    for config in (PyramidConfig, StreetConfig):
        with pytest.raises(ConfigError, match="'size'"):
            config.from_dict({"size": 3})
        with pytest.raises(ConfigError, match="a table of settings, got list"):
            config.from_dict([11])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", LITE)
def test_encoder_against_timm(name, layout):
    """The same tensors give the same features in timm's EfficientNet-Lite."""
    from spic.metrics.torchvision_shim import import_torchvision

    import_torchvision()
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model(f"tf_efficientnet_{name}", features_only=True, pretrained=False).eval()
    width, depth = LITE[name]
    ours = LiteEncoder(width, depth).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    ours, theirs = (model.to(memory_format=layout) for model in (ours, theirs))
    x = torch.randn(1, 3, 64, 96).to(memory_format=layout)
    with torch.no_grad():
        for a, b in zip(ours(x), theirs(x), strict=True):
            torch.testing.assert_close(a, b)
    assert ours.widths == [info["num_chs"] for info in theirs.feature_info.info]


@pytest.mark.parametrize("name", ["judge", "pyramid"])
def test_pyramids_were_once_called_judge(name, pictures, tmp_path):
    """Weights of 0.1.0 name their network so, and go on loading."""
    torch.manual_seed(0)
    model = PyramidNet(PyramidConfig(width=0.3, depth=0.3, pyramid=8)).eval()
    net = {"width": 0.3, "depth": 0.3, "pyramid": 8}
    write_weights(tmp_path / "w", model.state_dict(), {"arch": name, "label_space": "camvid11", "net": net}, "float32")
    loaded = get_segmenter("judge", tmp_path / "w", "cpu", "float32")
    assert type(loaded.model) is PyramidNet
    x = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127) / 128
    x = torch.nn.functional.pad(x, (0, 16, 0, 0), mode="replicate")
    with torch.inference_mode():
        expected = model(x)[..., :48].argmax(1).numpy()
    assert (loaded.segment(pictures) == expected).mean() > 0.999


def test_judge_is_another_network():
    street, judge = (get_segmenter(name, None, "cpu", "float32") for name in ("street", "judge"))
    assert type(judge.model) is not type(street.model) and judge.label_space == street.label_space
    pretrained = [any(isinstance(part, LiteEncoder) for part in net.model.modules()) for net in (street, judge)]
    assert pretrained == [True, False]  # nothing of the judge comes from where the others come from


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"arch": "decoder", "label_space": "camvid11", "net": {}},
        {"arch": ["street"], "label_space": "camvid11", "net": {}},
        {"arch": "street", "net": {}},
        {"arch": "street", "label_space": "camvid11"},
        {"arch": "street", "label_space": "mars", "net": {}},
        {"arch": "street", "label_space": "camvid11", "mirrored": "yes", "net": {}},
        *({"arch": "street", "label_space": "camvid11", "potts": x, "net": {}} for x in (-1, 1e9, True, "8")),
        {"arch": "street", "label_space": ["camvid11"], "net": {}},
        {"arch": "street", "label_space": "camvid11", "net": {"size": 3}},
        {"arch": "street", "label_space": "camvid11", "net": {"decoder": [1, 2]}},
        {"arch": "street", "label_space": "camvid11", "net": {"width": "wide"}},
        {"arch": "street", "label_space": "camvid11", "net": 7},
        {"arch": "street", "label_space": "camvid11", "net": {}},  # widths that the tensors do not have
    ],
)
def test_weights_of_something_else(config, tiny_segmenter, segmenter, tmp_path):
    write_weights(tmp_path / "other", segmenter.model.state_dict(), config)
    with pytest.raises(WeightsError):
        get_segmenter("street", tmp_path / "other", "cpu", "float32")


def test_number_of_classes_is_that_of_the_label_space(tiny_segmenter_net, tmp_path):
    net = {**tiny_segmenter_net, "num_classes": 4}
    state = StreetNet(StreetConfig.from_dict(net)).state_dict()
    write_weights(tmp_path / "four", state, {"arch": "street", "label_space": "camvid11", "net": net})
    with pytest.raises(WeightsError, match="classify"):
        get_segmenter("street", tmp_path / "four", "cpu", "float32")


def test_missing_weights(tiny_segmenter, tmp_path):
    with pytest.raises(WeightsError, match="nothing"):
        get_segmenter("street", tmp_path / "nothing")
    tensors, sidecar = weight_paths(tiny_segmenter)
    assert json.loads(sidecar.read_bytes())["weights"]["bytes"] == tensors.stat().st_size


def test_names(monkeypatch):
    class Own(dict):
        def __init__(self, **settings):
            super().__init__(settings)
            self.label_space = CAMVID11

    class Point:
        name = "mine"

        def load(self):
            return Own

    monkeypatch.setattr(spic.plugins, "entry_points", lambda group: [Point()] * (group == "spic.segmenters"))
    assert {"mine", "street", "judge"} <= set(segmenter_names())
    assert get_segmenter("mine", "w", "cpu") == {"weights": "w", "device": "cpu", "dtype": "auto"}
    with pytest.raises(ConfigError, match=r"'eye'.*mine.*street"):
        get_segmenter("eye")
