"""Choice of device and number format."""

import pytest
import torch

from spic.errors import ConfigError
from spic.machine import Machine, autocast, pick_device, pick_dtype, set_threads


def test_auto_follows_the_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device() == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == "cuda"


def test_named_devices_must_exist(monkeypatch):
    assert pick_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match="0 CUDA devices"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda") == "cuda" and pick_device("cuda:1") == "cuda:1"
    with pytest.raises(ConfigError, match="2 CUDA devices"):
        pick_device("cuda:2")


@pytest.mark.parametrize("name", ["tpu", "cudax", "cpu:x", "", "meta"])
def test_unknown_devices(name):
    with pytest.raises(ConfigError, match="auto, cpu or cuda"):
        pick_device(name)


def test_dtype(monkeypatch):
    assert pick_dtype("float32") == "float32" and pick_dtype("bfloat16", "cuda") == "bfloat16"
    assert pick_dtype("auto", "cpu") in ("float32", "bfloat16")
    with pytest.raises(ConfigError, match="float16"):
        pick_dtype("float16")
    for supported, dtype in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda supported=supported: supported)
        assert pick_dtype("auto", "cuda:0") == dtype


def test_autocast():
    convolution = torch.nn.Conv2d(1, 1, 1)
    for dtype in ("float32", "bfloat16"):
        with autocast("cpu", dtype):
            assert convolution(torch.zeros(1, 1, 2, 2)).dtype == getattr(torch, dtype)


def test_threads():
    before = torch.get_num_threads()
    try:
        set_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    with pytest.raises(ConfigError, match="at least 1"):
        set_threads(0)


def test_a_machine_is_decided_once(monkeypatch):
    probed = []
    monkeypatch.setattr(
        "spic.machine.pick_dtype", lambda dtype, device: probed.append(torch.get_num_threads()) or dtype
    )
    before = torch.get_num_threads()
    try:
        machine = Machine("cpu", "bfloat16", before + 1).decided()
    finally:
        torch.set_num_threads(before)
    assert machine == Machine("cpu", "bfloat16", before + 1) and probed == [before + 1]
    for wrong in (Machine("tpu"), Machine(threads=0)):
        with pytest.raises(ConfigError):
            wrong.decided()
