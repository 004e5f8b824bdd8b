"""Weights files: strict, hashed, all or nothing."""

import hashlib
import json
import pickle

import pytest
import torch
from torch import nn

from spic import weights
from spic.errors import ConfigError, WeightsError
from spic.weights import load_state, read_weights, register, shipped, write_weights


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_round_trip(net, tmp_path):
    digest = write_weights(tmp_path / "sub" / "v1.2", net.state_dict(), {"classes": ["sky"]})
    file = tmp_path / "sub" / "v1.2.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    for path in (file, tmp_path / "sub" / "v1.2", tmp_path / "sub" / "v1.2.json"):
        state, config = read_weights(path)
        assert config == {"classes": ["sky"]}
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                assert state[name].dtype == torch.float32
                assert torch.equal(state[name], tensor.half().float())
            else:
                assert torch.equal(state[name], tensor)
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    load_state(other, state)
    assert torch.equal(other[0].weight, net[0].weight.half().float())


def test_int8_is_off_by_half_a_level_at_most(tmp_path):
    torch.manual_seed(0)
    state = {"w": torch.randn(5, 3, 2, 2), "b": torch.randn(5), "n": torch.tensor(7), "zero": torch.zeros(2, 3)}
    state["w"][2] *= 1e-4
    write_weights(tmp_path / "a", state, {}, dtype="int8")
    read, _ = read_weights(tmp_path / "a")
    assert set(read) == set(state) and all(torch.equal(read[name], state[name]) for name in ("b", "n", "zero"))
    level = state["w"].abs().flatten(1).amax(1).view(5, 1, 1, 1) / 127
    assert ((read["w"] - state["w"]).abs() <= 0.5001 * level).all()
    write_weights(tmp_path / "b", read, {}, dtype="int8")  # rounding twice is rounding once
    assert all(
        torch.allclose(tensor, read[name], rtol=1e-6) for name, tensor in read_weights(tmp_path / "b")[0].items()
    )


def test_scale_without_its_tensor(tmp_path):
    for state in ({"w:scale": torch.ones(2)}, {"w": torch.ones(3, 1), "w:scale": torch.ones(2)}):
        write_weights(tmp_path / "a", state, {}, dtype="float32")
        with pytest.raises(WeightsError, match="w:scale"):
            read_weights(tmp_path / "a")


def test_same_weights_same_bytes(net, tmp_path):
    first = write_weights(tmp_path / "a", net.state_dict(), {})
    channels_last = net.to(memory_format=torch.channels_last).state_dict()
    assert write_weights(tmp_path / "b", channels_last, {}) == first


def test_tied_tensors_can_be_written(tmp_path):
    tensor = torch.ones(4)
    write_weights(tmp_path / "a", {"x": tensor, "y": tensor, "z": tensor[:2]}, {}, dtype="float32")
    assert set(read_weights(tmp_path / "a")[0]) == {"x", "y", "z"}


def test_load_into_meta(net):
    with torch.device("meta"):
        empty = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    load_state(empty, net.state_dict())
    assert torch.equal(empty[0].weight, net[0].weight) and empty[0].weight.requires_grad


def test_misfits_are_named_and_change_nothing(net):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    good = {name: tensor + 1 for name, tensor in before.items()}

    def changed(drop=None, **add):
        return {**{name: tensor for name, tensor in good.items() if name != drop}, **add}

    for state, message in (
        (changed(drop="0.bias"), r"the judge: 1 missing \(0\.bias\)"),
        (changed(surplus=torch.zeros(1)), r"1 unknown \(surplus\)"),
        (changed(**{"0.bias": torch.zeros(5)}), r"0\.bias \(5,\) instead of \(4,\)"),
        (changed(**{"0.bias": torch.full((4,), float("nan"))}), r"not finite \(0\.bias\)"),
        ({}, r"7 missing \(0\.weight, 0\.bias, 1\.weight, 1\.bias, \.\.\.\)"),
    ):
        with pytest.raises(WeightsError, match=message):
            load_state(net, state, "the judge")
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_unwritable(net, tmp_path):
    with pytest.raises(WeightsError, match="huge"):
        write_weights(tmp_path / "a", {"huge": torch.tensor([1e5])}, {})
    with pytest.raises(ConfigError):
        write_weights(tmp_path / "a", net.state_dict(), {}, dtype="int4")
    with pytest.raises(ConfigError):
        write_weights(tmp_path / "a", net.state_dict(), {"x": object()})
    with pytest.raises(ConfigError):
        write_weights(tmp_path / "a.pt", net.state_dict(), {})
    assert not list(tmp_path.iterdir())


def test_missing_and_damaged(net, tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(WeightsError, match=r"a\.safetensors: no such file"):
        read_weights(path)
    write_weights(path, net.state_dict(), {})
    good, config = path.read_bytes(), (tmp_path / "a.json").read_text()
    for bad in (good[:-1], good + b"x", good[:-1] + b"\x7f", b"", good[:50]):
        path.write_bytes(bad)
        with pytest.raises(WeightsError, match="hash" if bad else "empty"):
            read_weights(path)
        (tmp_path / "a.json").write_text("{}")  # a config by hand, without a hash
        if bad != good[:-1] + b"\x7f":
            with pytest.raises(WeightsError, match="not readable"):
                read_weights(path)
        (tmp_path / "a.json").write_text(config)
    path.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(WeightsError):
        read_weights(path)
    path.unlink()
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(path)
    for text in ("", "[1]", "{", "\xff", '{"weights": 3}'):
        (tmp_path / "a.json").write_text(text, encoding="latin-1")
        path.write_bytes(good)
        with pytest.raises(WeightsError):
            read_weights(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pytorch_files_run_no_code(tmp_path):
    (tmp_path / "m.json").write_text("{}")
    torch.save({"x": torch.ones(2, dtype=torch.float16)}, tmp_path / "m.pt")
    assert read_weights(tmp_path / "m.pt")[0]["x"].dtype == torch.float32

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trap"), "w"))

    for content in (pickle.dumps(Trap()), b"", b"PK\x03\x04broken"):
        (tmp_path / "m.pt").write_bytes(content)
        with pytest.raises(WeightsError):
            read_weights(tmp_path / "m.pt")
    for content in ([torch.ones(1)], {"state": {"x": torch.ones(1)}}, {"x": 3}):
        torch.save(content, tmp_path / "m.pt")
        with pytest.raises(WeightsError):
            read_weights(tmp_path / "m.pt")
    assert not (tmp_path / "trap").exists()


def test_shipped(net, tmp_path):
    with pytest.raises(WeightsError, match="none"):
        shipped("street", tmp_path)
    write_weights(tmp_path / "run" / "best", net.state_dict(), {"a": 1})
    folder = tmp_path / "weights"
    path = register("street", tmp_path / "run" / "best", folder)
    assert path == folder / "street.safetensors" == shipped("street", folder)
    entry = json.loads((folder / "manifest.json").read_text())["street"]
    assert entry["file"] == "street.safetensors" and entry["bytes"] == path.stat().st_size
    assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_weights(path)[1] == {"a": 1}
    register("street", path, folder)  # again, in place
    register("other", path, folder)
    with pytest.raises(WeightsError, match="other, street"):
        shipped("judge", folder)

    sidecar = folder / "street.json"
    text = sidecar.read_text()
    sidecar.write_text(text.replace('"a": 1', '"a": 2'))
    with pytest.raises(WeightsError, match=r"street\.json"):
        shipped("street", folder)
    sidecar.write_text(text)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(WeightsError, match="hash"):
        shipped("street", folder)
    path.unlink()
    with pytest.raises(WeightsError, match="missing"):
        shipped("street", folder)
    assert shipped("other", folder).is_file()
    (folder / "manifest.json").write_text('{"street": 5}')
    with pytest.raises(WeightsError):
        shipped("street", folder)


def test_what_is_shipped_here_is_whole():
    manifest = weights.FOLDER / "manifest.json"
    for name in json.loads(manifest.read_text()) if manifest.exists() else {}:
        shipped(name)
