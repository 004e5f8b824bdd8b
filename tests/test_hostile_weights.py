"""Weights whose config asks for a network that would never be done building, or never fit."""

import json
import time

import pytest

from spic.errors import WeightsError
from spic.scsrdm import load_checkpoint
from spic.segmentation import get_segmenter


def copied(path, folder, change):
    """A copy of weights with a changed config and without the hash that would tell."""
    config = json.loads(path.with_name(f"{path.name}.json").read_bytes())
    del config["weights"]
    change(config)
    (folder / "w.json").write_text(json.dumps(config))
    (folder / "w.safetensors").write_bytes(path.with_name(f"{path.name}.safetensors").read_bytes())
    return folder / "w"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_res_blocks", 10**9),
        ("base_channels", 32 * 10**17),
        ("spade_hidden", 10**15),
        ("num_classes", 10**6),
        ("channel_mult", [64] * 10),
    ],
)
def test_decoders(tiny_decoder, tmp_path, name, value):
    start = time.process_time()
    with pytest.raises(WeightsError):
        load_checkpoint(copied(tiny_decoder, tmp_path, lambda config: config["network"].update({name: value})))
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("depth", 1e12), ("width", 1e9), ("stem", 10**9), ("decoder", [4096] * 4), ("decoder", "x"), ("depth", None)],
)
def test_segmenters(tiny_segmenter, tmp_path, name, value):
    start = time.process_time()
    with pytest.raises(WeightsError):
        path = copied(tiny_segmenter, tmp_path, lambda config: config["net"].update({name: value}))
        get_segmenter("street", path, "cpu", "float32")
    assert time.process_time() - start < 2
