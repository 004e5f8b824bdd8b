"""Checkpoints of networks: round trip, the authors' form, refusals."""

import json

import pytest
import torch

from spic.errors import ConfigError, SpicError, WeightsError
from spic.scsrdm import load_checkpoint, sample, save_checkpoint

SAMPLING = {"sampler": "ddim", "steps": 3, "start": 90, "guidance": 1.5}


def test_round_trip(small, inputs, tmp_path):
    model = small(patch_size=2, attention_resolutions=[], prediction="x0", residual_std=0.13)
    save_checkpoint(tmp_path / "street", model, {"sampling": SAMPLING, "note": "a test"})
    assert {p.name for p in tmp_path.iterdir()} == {"street.safetensors", "street.json"}
    loaded, config = load_checkpoint(tmp_path / "street.safetensors")
    assert config["sampling"] == SAMPLING and config["note"] == "a test"
    assert config["network"] == model.config.to_dict() and loaded.config == model.config
    assert not loaded.training
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, model.state_dict()[name].half().float())
    _, onehot, coarse = inputs()
    picture = sample(loaded, onehot, coarse, noise=[1, 2], **config["sampling"])
    reference = sample(model, onehot, coarse, noise=[1, 2], **SAMPLING)
    assert (picture - reference).square().mean().sqrt() < 0.01
    assert next(load_checkpoint(tmp_path / "street", dtype="bfloat16")[0].parameters()).dtype == torch.bfloat16


def test_averaged_weights(small, tmp_path):
    model = small()
    state = {name: tensor * 0.5 for name, tensor in model.state_dict().items()}
    save_checkpoint(tmp_path / "a", state, {"network": model.config.to_dict()}, dtype="float32")
    loaded, config = load_checkpoint(tmp_path / "a")
    assert all(torch.equal(t, state[n]) for n, t in loaded.state_dict().items())
    assert config["sampling"] == {}


def test_official_file(vector_data, vector_case, tmp_path):
    case = vector_case(vector_data, "tiny_noupdown")
    torch.save(case["model"].state_dict(), tmp_path / "model.pt")
    (tmp_path / "model.json").write_text(json.dumps({"official": case["config"]}))
    loaded, _ = load_checkpoint(tmp_path / "model.pt")
    assert all(torch.equal(t, case["model"].state_dict()[n]) for n, t in loaded.state_dict().items())


def test_wrong_configs_are_not_saved(small, tmp_path):
    model = small()
    for config in (
        {"sampling": {"sampler": "euler"}},
        {"sampling": {"tempo": 1}},
        {"sampling": {"steps": 0}},
        {"sampling": {"timesteps": 3}},
        {"sampling": {"guidance": "1"}},
        {"sampling": {"guidance": float("nan")}},
        {"sampling": [1]},
        {"note": {1, 2}},
        {"note": float("nan")},
    ):
        with pytest.raises(ConfigError):
            save_checkpoint(tmp_path / "x", model, config)
    with pytest.raises(ConfigError):
        save_checkpoint(tmp_path / "x", model.state_dict(), {})
    with pytest.raises(ConfigError):
        load_checkpoint(tmp_path / "x", dtype="int8")
    state = model.state_dict()
    state.pop("out.2.bias")
    with pytest.raises(WeightsError, match=r"out\.2\.bias"):
        save_checkpoint(tmp_path / "x", state, {"network": model.config.to_dict()})
    assert not list(tmp_path.iterdir())


def test_wrong_configs_are_not_loaded(small, tmp_path):
    save_checkpoint(tmp_path / "x", small(), {"sampling": SAMPLING})
    good = json.loads((tmp_path / "x.json").read_text())
    for change in (
        {"network": {**good["network"], "colour": 1}},
        {"network": {**good["network"], "base_channels": 64}},
        {"network": None},
        {"sampling": {"sampler": ["ddim"]}},
        {"official": {"image_size": 7}},
    ):
        (tmp_path / "x.json").write_text(json.dumps({**good, **change}))
        with pytest.raises(WeightsError):
            load_checkpoint(tmp_path / "x")
    (tmp_path / "x.json").write_text(json.dumps({"weights": good["weights"]}))
    with pytest.raises(SpicError):
        load_checkpoint(tmp_path / "x")
