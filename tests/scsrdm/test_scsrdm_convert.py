"""PyTorch checkpoints to safetensors and JSON: the authors' form, averaged or raw, never in part."""

import json

import pytest
import torch
from typer.testing import CliRunner

from spic.cli import app
from spic.errors import ConfigError, WeightsError
from spic.scsrdm import build, config_from_official, load_checkpoint
from spic.scsrdm.convert import convert_checkpoint
from spic.weights import read_weights

OFFICIAL = {  # options as the authors name them, for a tiny network
    "image_size": 64,
    "num_classes": 19,
    "num_channels": 32,
    "num_res_blocks": 1,
    "channel_mult": "1,2",
    "attention_resolutions": "32",
    "num_head_channels": 16,
    "class_cond": True,
    "no_instance": True,
    "learn_sigma": True,
    "resblock_updown": True,
    "use_scale_shift_norm": True,
    "batch_size": 4,
}


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return build(config_from_official(OFFICIAL)).state_dict()


@pytest.fixture
def source(state, tmp_path):
    torch.save(state, tmp_path / "model.pt")
    (tmp_path / "model.json").write_text(json.dumps({"official": OFFICIAL}))
    return tmp_path / "model.pt"


def same(path, state):
    read, _ = read_weights(path)
    return read.keys() == state.keys() and all(torch.equal(read[name], state[name].half().float()) for name in state)


def test_the_authors_file(source, state, tmp_path):
    result = CliRunner().invoke(app, ["weights", "convert", str(source), str(tmp_path / "out" / "paper")])
    assert result.exit_code == 0, result.output
    path = tmp_path / "out" / "paper.safetensors"
    assert result.stdout.startswith(f"{path}: {path.stat().st_size} bytes, sha256 ")
    assert same(path, state)
    model, config = load_checkpoint(path)
    assert config["label_space"] == "cityscapes19" and config["converted"]["tensors"] == "plain"
    assert config["sampling"] == {"sampler": "published", "steps": 20, "start": 192, "guidance": 1.0}
    assert model.config.to_dict() == config_from_official(OFFICIAL)
    again = CliRunner().invoke(app, ["weights", "convert", str(source), str(tmp_path / "out" / "paper")])
    assert again.exit_code == 1 and "exists already" in again.stderr


def test_averaged_and_raw(state, tmp_path):
    config = tmp_path / "options.json"
    config.write_text(json.dumps({"official": OFFICIAL, "sampling": {"sampler": "ddim"}}))
    half = {f"module.{name}": tensor / 2 for name, tensor in state.items()}
    torch.save({"model": state, "ema": half, "step": 7}, tmp_path / "both.pt")
    for ema, expected in ((None, 0.5), (True, 0.5), (False, 1)):
        convert_checkpoint(tmp_path / "both.pt", tmp_path / "out", config, ema=ema, dtype="float16")
        assert same(tmp_path / "out", {name: tensor * expected for name, tensor in state.items()})
    assert read_weights(tmp_path / "out")[1]["sampling"] == {"sampler": "ddim"}
    torch.save({"state_dict": state}, tmp_path / "raw.pt")
    convert_checkpoint(tmp_path / "raw.pt", tmp_path / "out", config)
    assert same(tmp_path / "out", state)
    with pytest.raises(WeightsError, match=r"raw\.pt: holds no ema"):
        convert_checkpoint(tmp_path / "raw.pt", tmp_path / "out", config, ema=True)


def test_choosing_from_one_set_is_refused(source, tmp_path):
    with pytest.raises(ConfigError, match="one set of tensors"):
        convert_checkpoint(source, tmp_path / "out", ema=True)


def test_misfits_are_named_and_nothing_is_written(state, source, tmp_path):
    def fails(state, *words):
        torch.save(state, source)
        with pytest.raises(WeightsError, match=r"model\.pt: ") as caught:
            convert_checkpoint(source, tmp_path / "out")
        assert all(word in str(caught.value) for word in words), str(caught.value)

    partial = {name: tensor for name, tensor in state.items() if not name.startswith("time_embed.0")}
    fails(partial, "2 missing (time_embed.0.weight, time_embed.0.bias)")
    fails({**state, "odd": torch.zeros(1)}, "1 unknown (odd)")
    fails({**partial, "odd": torch.zeros(1)}, "2 missing", "1 unknown")
    shape = tuple(state["time_embed.0.bias"].shape)
    fails({**state, "time_embed.0.bias": torch.zeros(3)}, f"misshapen (time_embed.0.bias (3,) instead of {shape})")
    fails({**state, "time_embed.0.bias": torch.full(shape, float("inf"))}, "1 not finite")
    fails({"opt": 3}, "not a state dict (opt)")
    fails({}, "empty")
    fails([torch.zeros(1)], "not a state dict")
    source.write_bytes(source.read_bytes()[:-200])
    with pytest.raises(WeightsError, match="damaged"):
        convert_checkpoint(source, tmp_path / "out")
    source.unlink()
    with pytest.raises(WeightsError, match="no such file"):
        convert_checkpoint(source, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"model.json"}


def test_the_released_network_is_the_default(state, tmp_path):
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"missing .*unknown|misshapen"):
        convert_checkpoint(tmp_path / "model.pt", tmp_path / "out")


@pytest.mark.parametrize(
    "text", ["{", "[1]", "{}", '{"official": 3}', '{"official": {"image_size": 7}}', '{"network": {"colour": 1}}']
)
def test_wrong_configs(source, text, tmp_path):
    source.with_suffix(".json").write_text(text)
    with pytest.raises(ConfigError):
        convert_checkpoint(source, tmp_path / "out")
    with pytest.raises(ConfigError):
        convert_checkpoint(source, tmp_path / "out", tmp_path / "none.json")


def test_a_label_space_must_have_the_classes(source, tmp_path):
    with pytest.raises(ConfigError, match="camvid11 does not have the 19 classes"):
        convert_checkpoint(source, tmp_path / "out", label_space="camvid11")
