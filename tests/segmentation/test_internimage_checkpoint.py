"""Official checkpoint files: what is read, what is refused, and that nothing in them runs."""

import os
import pickle
import re
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from spic.errors import WeightsError
from spic.segmentation.internimage import build
from spic.segmentation.internimage.checkpoint import load_checkpoint, read_state_dict

pytestmark = pytest.mark.usefixtures("tiny_sizes")


class Remembered:
    """An object of the training's own making, as a `meta` may hold: with state, items, and a constructor."""

    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return Remembered, (1, "two"), {"three": 3}, iter([4]), iter([("five", 5)])

    def append(self, value): ...
    def __setitem__(self, key, value): ...


class Attack:
    """What a hostile file would do: call a function of its choice."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def model(filler):
    return filler(build("t", 150))


@pytest.fixture
def state(model):
    return OrderedDict(model.state_dict())


META = {"CLASSES": ("road", "sidewalk"), "PALETTE": [[128, 64, 128]], "iter": 160000, "config": "model = dict()"}


def write(path, state, **more):
    torch.save({"meta": META, "state_dict": state, **more}, path)
    return path


def equal(model, other):
    return all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def test_plain_file(model, state, tmp_path):
    loaded = load_checkpoint(write(tmp_path / "a.pth", state), "t")
    assert equal(loaded, model) and not loaded.training
    with torch.inference_mode():
        assert loaded(torch.zeros(1, 3, 32, 64)).shape == (1, 150, 32, 64)


def test_number_of_classes_is_that_of_the_file(filler, tmp_path):
    loaded = load_checkpoint(write(tmp_path / "a.pth", filler(build("s", 19)).state_dict()), "s")
    assert loaded.decode_head.conv_seg.out_channels == loaded.auxiliary_head.conv_seg.out_channels == 19


def test_half_precision_prefix_and_optimizer(model, state, tmp_path):
    half = {f"module.{k}": v.half() if v.is_floating_point() else v for k, v in state.items()}
    path = write(tmp_path / "a.pth", half, optimizer={"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []})
    loaded = load_checkpoint(path, "t")
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == state[name].dtype and torch.equal(tensor, half[f"module.{name}"].to(tensor.dtype))


def test_the_file_stays_on_disk(state, tmp_path):
    """Tensors of a float32 file are views of the mapped file: a change of the file shows."""
    path = write(tmp_path / "a.pth", state)
    weight = load_checkpoint(path, "t").backbone.patch_embed.conv1.weight
    before = weight.detach().numpy().tobytes()
    content = path.read_bytes()
    at = content.index(before)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(4))
    assert weight.flatten()[0] == 0


@pytest.mark.parametrize(
    "extra", [np.float64(82.58), {"best": np.float32(1), "x": [np.arange(3)]}, Remembered(), {Remembered(): {1, 2}}]
)
@pytest.mark.parametrize("zipped", [True, False])
def test_meta_with_objects_that_a_weights_only_load_may_refuse(extra, zipped, model, state, tmp_path):
    torch.save(
        {"meta": {**META, "hook_msgs": extra}, "state_dict": state},
        tmp_path / "a.pth",
        _use_new_zipfile_serialization=zipped,
    )
    assert equal(load_checkpoint(tmp_path / "a.pth", "t"), model)


def test_parameters_instead_of_tensors(model, tmp_path):
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    assert equal(load_checkpoint(write(tmp_path / "a.pth", state), "t"), model)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_runs(zipped, model, state, tmp_path):
    trap = tmp_path / "trap"
    torch.save(
        {"meta": {"a": Attack(trap), "b": np.float64(1)}, "state_dict": state},
        tmp_path / "a.pth",
        _use_new_zipfile_serialization=zipped,
    )
    assert equal(load_checkpoint(tmp_path / "a.pth", "t"), model) and not trap.exists()
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Attack(trap)))
    with pytest.raises(WeightsError):
        load_checkpoint(tmp_path / "b.pth", "t")
    assert not trap.exists()
    state["backbone.patch_embed.conv1.weight"] = Attack(trap)
    with pytest.raises(WeightsError, match="state_dict"):
        load_checkpoint(write(tmp_path / "c.pth", state), "t")
    assert not trap.exists()


def test_tensors_that_do_not_fit_are_named(state, tmp_path):
    first, second, *_ = [key for key in state if "levels.2" in key]
    missing = {key: tensor for key, tensor in state.items() if key != first}
    with pytest.raises(WeightsError, match=rf"1 missing \({re.escape(first)}\)"):
        load_checkpoint(write(tmp_path / "a.pth", missing), "t")
    with pytest.raises(WeightsError, match=r"1 unknown \(extra\.weight\)"):
        load_checkpoint(write(tmp_path / "b.pth", state | {"extra.weight": torch.zeros(2)}), "t")
    with pytest.raises(WeightsError, match=rf"1 misshapen \({re.escape(second)} \(3,\) instead"):
        load_checkpoint(write(tmp_path / "c.pth", state | {second: torch.zeros(3)}), "t")
    with pytest.raises(WeightsError, match=rf"1 not finite \({re.escape(first)}\)"):
        load_checkpoint(write(tmp_path / "d.pth", state | {first: torch.full_like(state[first], torch.nan)}), "t")
    nothing = {key: torch.zeros(()) for key in ("decode_head.conv_seg.weight", "backbone.patch_embed.conv1.weight")}
    with pytest.raises(WeightsError, match="missing"):
        load_checkpoint(write(tmp_path / "e.pth", nothing), "t")


def test_another_size_is_recognised(filler, tmp_path):
    path = write(tmp_path / "a.pth", filler(build("s", 19)).state_dict())
    with pytest.raises(WeightsError, match="looks like internimage-s"):
        load_checkpoint(path, "xl")


def test_other_files(state, tmp_path):
    torch.save({"model": state}, tmp_path / "backbone.pth")
    with pytest.raises(WeightsError, match=r"classification backbone.*github\.com/OpenGVLab/InternImage"):
        load_checkpoint(tmp_path / "backbone.pth", "t")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="state_dict"):
        load_checkpoint(tmp_path / "list.pth", "t")
    with pytest.raises(WeightsError, match="no such file"):
        load_checkpoint(tmp_path / "nothing.pth", "t")
    with pytest.raises(WeightsError):
        load_checkpoint(tmp_path, "t")


def test_damaged_files(tmp_path):
    whole = write(tmp_path / "a.pth", {"a": torch.arange(2000.0)}).read_bytes()
    rng = np.random.default_rng(0)
    flipped = bytearray(whole)
    flipped[60:90] = bytes(30)
    for damaged in (b"", whole[:100], whole[: len(whole) // 2], bytes(flipped), rng.bytes(500), b"<html>not found"):
        (tmp_path / "b.pth").write_bytes(damaged)
        with pytest.raises(WeightsError):
            read_state_dict(tmp_path / "b.pth")
    with zipfile.ZipFile(tmp_path / "c.pth", "w") as file:
        file.writestr("hello", "world")
    with pytest.raises(WeightsError):
        read_state_dict(tmp_path / "c.pth")
