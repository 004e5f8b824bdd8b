"""Segmenter, decoder and data set of a run must speak of the same classes."""

import json

import pytest

import spic.registry
from spic.checks import check_networks
from spic.errors import ConfigError, WeightsError
from spic.labels import CITYSCAPES19
from spic.stages import segmenter_files, segmenter_input

CONFIG = {
    "dataset": "street_scenes",
    "dataset_root": None,
    "split": "val",
    "limit": 1,
    "methods": {"spic": {"coarse_qp": [35]}},
    "protocols": ["corrected"],
    "segmenter": "street",
    "segmenter_weights": None,
    "decoder_weights": None,
    "ssm_source": "segmenter",
}


@pytest.fixture
def decoder(tmp_path):
    """Factory of a decoder's config on disk; nobody reads its tensors here."""

    def write(**config):
        (tmp_path / "decoder.json").write_text(json.dumps(config))
        return {"decoder_weights": str(tmp_path / "decoder")}

    return write


@pytest.fixture
def cityscapes(tmp_path):
    (tmp_path / "t.pth").touch()
    return {"segmenter": "internimage-t", "segmenter_weights": str(tmp_path / "t.pth")}


def test_what_is_shipped_fits():
    check_networks(CONFIG)
    check_networks(CONFIG | {"ssm_source": "ground_truth"})


def test_a_decoder_of_the_segmenters_classes_fits(cityscapes, decoder):
    check_networks(CONFIG | cityscapes | decoder(label_space="cityscapes19"))
    check_networks(CONFIG | cityscapes | decoder(network={"num_classes": 19}))
    check_networks(CONFIG | cityscapes | decoder(official={"num_classes": "19"}))
    check_networks(CONFIG | cityscapes | {"methods": {"bpg": {"qp": [40]}}})


@pytest.mark.parametrize(
    ("config", "known"),
    [
        ({"label_space": "camvid11"}, r"camvid11 \(11 classes\)"),
        ({"network": {"num_classes": 11}}, "has 11 classes"),
        ({"official": {"num_classes": 35}}, "has 35 classes"),
    ],
)
def test_both_label_spaces_are_named(config, known, cityscapes, decoder):
    with pytest.raises(ConfigError, match=rf"internimage-t has the label space cityscapes19 .*{known}"):
        check_networks(CONFIG | cityscapes | decoder(**config))


def test_sent_ground_truth_is_what_counts(cityscapes, decoder):
    check_networks(CONFIG | cityscapes | {"ssm_source": "ground_truth"})
    with pytest.raises(ConfigError, match=r"data set street_scenes has the label space camvid11.*cityscapes19"):
        check_networks(CONFIG | decoder(label_space="cityscapes19") | {"ssm_source": "ground_truth"})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"network": 3}', '{"label_space": "mars"}'])
def test_an_unreadable_decoder_is_left_to_its_job(text, tmp_path):
    (tmp_path / "decoder.json").write_text(text)
    check_networks(CONFIG | {"decoder_weights": str(tmp_path / "decoder")})
    check_networks(CONFIG | {"decoder_weights": str(tmp_path / "nowhere")})


def test_input_size(cityscapes):
    for size in ("native", "working", "sliding"):
        assert segmenter_input(CONFIG | cityscapes | {"segmenter_input": size}) == size
    assert segmenter_input(CONFIG | cityscapes | {"segmenter_input": None}) == "native"
    assert segmenter_input(CONFIG | {"segmenter_input": None}) == "working"
    with pytest.raises(ConfigError, match=r"'native'.*working"):
        segmenter_input(CONFIG | {"segmenter_input": "native"})


def test_missing_weights():
    with pytest.raises(WeightsError, match="736 MB"):
        check_networks(CONFIG | {"segmenter": "internimage-xl"})


@pytest.mark.parametrize("space", [None, CITYSCAPES19])
def test_a_segmenter_of_another_package(space, monkeypatch, tmp_path):
    def make(weights, device, dtype): ...

    make.label_space = space

    class Point:
        name = "mine"

        def load(self):
            return make

    monkeypatch.setattr(spic.registry, "entry_points", lambda group: [Point()])
    assert segmenter_files("mine", None) == [] and segmenter_files(None, None) == []
    assert segmenter_files("mine", "a/w.onnx") == ["a/w.onnx"]
    assert segmenter_files("street", None)[0].endswith("street-segmenter.safetensors")
    if space is None:
        check_networks(CONFIG | {"segmenter": "mine"})
    else:
        with pytest.raises(ConfigError, match="segmenter mine has the label space cityscapes19"):
            check_networks(CONFIG | {"segmenter": "mine"})
