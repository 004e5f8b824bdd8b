"""The command line: results, one-line errors, nothing half-written."""

import dataclasses
import json
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import spic
from spic import weights
from spic.benchmark.methods import method_names
from spic.cli import app
from spic.codecs import codec_names, get_codec
from spic.pictures.labels import CAMVID11
from spic.pictures.reading import read_labels, read_picture, write_png
from spic.pictures.sizes import downscale, to_working_size
from spic.scsrdm.decoder import Decoder
from spic.segmentation import get_segmenter
from spic.segmentation.dense import DenseConfig, DenseNet
from spic.segmentation.pyramid import PyramidConfig, PyramidNet
from spic.segmentation.street import StreetConfig
from spic.training import adversarial, mend, restore
from spic.training import decoder as decoder_recipe
from spic.training import pack as packs
from spic.training import segmenter as segmenter_recipe

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "av", "numba", "matplotlib", "imagecodecs", "pandas", "numpy", "PIL", "yaml", "pydantic")
HEAVY += ("importlib.metadata", "hashlib", "tempfile", "spic.bitstream")  # half as much as typer itself


def run(*arguments):
    """Run a command that must succeed; returns what it prints."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*arguments) -> str:
    """Run a command that must fail with one line on stderr; returns that line."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert result.stdout == "" and result.stderr.startswith("spic: ") and result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="module")
def scene(tiny_scenes):
    scenes = tiny_scenes(1)
    return scenes.picture(0), scenes.labels(0)


@pytest.fixture
def files(scene, tmp_path):
    write_png(tmp_path / "picture.png", scene[0])
    write_png(tmp_path / "labels.png", scene[1])
    return tmp_path


def test_version_and_light_imports():
    code = "from spic.cli import app; app()"
    result = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"spic {spic.__version__}\n"
    code = f"import sys, spic, spic.cli; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_wrong_usage_is_not_an_error_of_the_program():
    for arguments in (["codec", "encode", "png"], ["nonsense"], ["train", "decoder", "a", "b", "--batch", "0"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2 and "Traceback" not in result.output
    assert "codec" in run("--help") and "encode" in run("codec", "--help")


# codec


def test_codec_list():
    lines = [line.split() for line in run("codec", "list").splitlines()]
    others = [name for name in method_names() if name not in codec_names()]
    assert [line[0] for line in lines] == codec_names() + others and {"spic", "ldm", "learned"} <= set(others)
    assert ["ldm", "method", "coarse_qp", "needs", "ldm_weights"] in lines
    assert ["bpg", "picture", "bpg", "qp", "sides", "up", "to", "131056"] in lines
    assert ["png", "both", "png", "lossless"] in lines


@pytest.mark.parametrize(
    ("name", "quality"), [("bpg", 30), ("jpeg2000", 2.5), ("jpegxl-lossless", None), ("png", None)]
)
def test_pictures_there_and_back(name, quality, files, scene):
    coded, out = files / "coded", files / "new" / "out.png"
    options = [] if quality is None else ["--quality", quality]
    printed = run("codec", "encode", name, files / "picture.png", coded, *options)
    codec = get_codec(name)
    data = codec.encode(scene[0], **({codec.quality_name: quality} if options else {}))
    assert coded.read_bytes() == data
    assert printed == f"{coded}: {len(data)} bytes, {8 * len(data) / (48 * 64):.4f} bpp\n"
    assert f"{len(data)} bytes" in run("codec", "decode", name, coded, out)
    assert np.array_equal(read_picture(out), codec.decode(data))


@pytest.mark.parametrize("name", ["jpegxl-lossless", "png"])
def test_label_maps_there_and_back(name, files, scene):
    run("codec", "encode", name, files / "labels.png", files / "coded")
    run("codec", "decode", name, files / "coded", files / "out")
    assert np.array_equal(read_labels(files / "out"), scene[1])


def test_suffix_says_the_format(files):
    run("codec", "encode", "bpg", files / "picture.png", files / "a.bpg", "--quality", 20)
    for suffix, magic in (("jpg", b"\xff\xd8"), ("webp", b"RIFF"), ("PNG", b"\x89PNG")):
        run("codec", "decode", "bpg", files / "a.bpg", files / f"out.{suffix}")
        assert (files / f"out.{suffix}").read_bytes().startswith(magic)
    gray = get_codec("jpeg2000").encode(np.zeros((9, 9, 1), np.uint8), bpp=24)
    (files / "gray.j2k").write_bytes(gray)
    run("codec", "decode", "jpeg2000", files / "gray.j2k", files / "gray.png")
    assert read_labels(files / "gray.png").shape == (9, 9)


def test_codec_errors(files):
    before = sorted(path.name for path in files.iterdir())
    picture, out = files / "picture.png", files / "out.png"
    assert f"{files / 'none.png'}: no such file" in fail("codec", "encode", "bpg", files / "none.png", out)
    assert "unknown codec 'heic'" in fail("codec", "encode", "heic", picture, out)
    assert "png is lossless: it takes no --quality" in fail("codec", "encode", "png", picture, out, "--quality", 3)
    for quality in (99, 30.5, "nan", "inf"):
        assert "qp must be" in fail("codec", "encode", "bpg", picture, out, "--quality", quality)
    assert f"{picture}: " in fail("codec", "decode", "bpg", picture, out)
    assert f"{files / 'none'}: No such file" in fail("codec", "decode", "bpg", files / "none", out)
    assert f"{files}: " in fail("codec", "decode", "bpg", files, out)
    assert ".xyz" in fail("codec", "decode", "png", picture, files / "out.xyz")
    assert "64x48 pixels are out of range" in fail("codec", "decode", "png", picture, out, "--max-pixels", 48 * 64 - 1)
    assert sorted(path.name for path in files.iterdir()) == before


def test_targets_that_cannot_be_written(files):
    (files / "folder.png").mkdir()
    (files / "file").write_bytes(b"")
    before = sorted(files.iterdir())
    for target in (files / "folder.png", files / "file" / "out.png"):
        assert f"{target}: " in fail("codec", "encode", "bpg", files / "picture.png", target)
        assert f"{target}: " in fail("codec", "decode", "png", files / "picture.png", target)
    alpha = get_codec("png").encode(np.zeros((4, 4, 4), np.uint8))
    (files / "picture.png").write_bytes(alpha)
    assert "JPEG" in fail("codec", "decode", "png", files / "picture.png", files / "out.jpg")
    assert sorted(files.iterdir()) == before


# train


@pytest.fixture
def small_training(monkeypatch, tiny_net, tiny_segmenter_net):
    """Trainings of seconds: small frames, crops and networks."""
    monkeypatch.setattr(packs, "FRAME_SIZE", (48, 64))
    monkeypatch.setattr(decoder_recipe, "CROP", (16, 32))
    monkeypatch.setattr(decoder_recipe, "SMALL", {**decoder_recipe.SMALL, **tiny_net})
    monkeypatch.setattr(segmenter_recipe, "load_imagenet", lambda encoder, name: None)
    config = StreetConfig.from_dict({**tiny_segmenter_net, "num_classes": 11})
    monkeypatch.setattr(StreetConfig, "from_dict", lambda values: config)


MACHINE = ["--device", "cpu", "--dtype", "float32", "--batch", "2"]


def test_train_segmenter(small_training, files, scene):
    pack, folder = files / "pack.zip", files / "runs" / "seg"
    assert "3 pictures" in run("train", "pack", pack, "--scenes", 3)
    command = ["train", "segmenter", pack, folder, "--steps", 3, "--leave-out", "scene_00002", *MACHINE]
    assert "crop: sides are multiples of 32; got (30, 64)" in fail(*command, "--crop", 30, 64)
    assert "potts: -1.0, expected a number from 0 to 100" in fail(*command, "--potts", -1)
    assert not folder.exists()
    command += ["--crop", 32, 64, "--zoom", 0.7, 1.5, "--turn", 5, "--mixed", 0.3, "--lovasz", 0.1]
    command += ["--mirrored", "--potts", 2]
    first = run(*command)
    assert {path.name for path in folder.iterdir()} == {
        *("checkpoint.pt", "log.csv", "evaluation.csv"),
        *("street-segmenter.safetensors", "street-segmenter.json"),
    }
    tensors = folder / "street-segmenter.safetensors"
    assert first == f"{tensors}: {tensors.stat().st_size} bytes, sha256 {weights.sha256(tensors)}\n"
    trained = get_segmenter("street", folder / "street-segmenter", "cpu", "float32")
    assert trained.segment(scene[0][None]).shape == (1, 48, 64) and trained.mirrored and trained.potts == 2
    tensors.unlink()
    assert run(*command) == first  # nothing is left to train: the weights are written again
    assert len((folder / "log.csv").read_text().splitlines()) == 2
    assert "another recipe (seed: 0, not 1)" in fail(*command, "--seed", 1)
    assert "--steps or --minutes" in fail(*command, "--minutes", 1)


def test_train_decoder(small_training, files, scene):
    pack, folder = files / "pack.zip", files / "dec"
    run("train", "pack", pack, "--scenes", 2, "--qp", 30, "--qp", 40)
    command = ["train", "decoder", pack, folder, *MACHINE]
    for wrong in (["--sampler", "magic"], ["--sampling-steps", 0], ["--start", 1000], ["--guidance", "nan"]):
        fail(*command, "--steps", 2, *wrong)
        assert not folder.exists()  # said before any training
    first = run(*command, "--steps", 2, "--start", 90, "--guidance", 1.5)
    assert run(*command, "--steps", 2, "--start", 90, "--guidance", 1.5) == first
    decoder = Decoder(folder / "street-decoder", "cpu", "float32")
    assert decoder.sampling.to_dict() == {"sampler": "ddim", "steps": 8, "start": 90, "guidance": 1.5}
    assert decoder(scene[1][None], downscale(scene[0])[None], [0]).shape == (1, 48, 64, 3)
    assert json.loads((folder / "street-decoder.json").read_bytes())["label_space"] == "camvid11"
    run("train", "pack", pack, "--scenes", 2)
    assert "coarse images" in fail(*command, "--steps", 3)


def test_train_adversarial(small_training, files, tiny_decoder, tiny_segmenter, tiny_encoder, monkeypatch):
    monkeypatch.setattr(packs, "FRAME_SIZE", (64, 64))
    monkeypatch.setattr(adversarial, "Recipe", partial(adversarial.Recipe, window=(64, 64), hold=1))
    monkeypatch.setattr(adversarial, "_LOOKS", 1)
    pack, folder = files / "pack.zip", files / "adv"
    run("train", "pack", pack, "--scenes", 3, "--qp", 40)
    bare = ["train", "adversarial", pack, folder, *MACHINE, "--leave-out", "scene_00002"]
    command = [*bare, "--init", tiny_decoder, "--ssm", tiny_segmenter]
    assert "--steps or --minutes" in fail(*command)
    for wrong in (["--init", files / "none"], ["--init", tiny_segmenter], ["--ssm", tiny_decoder]):
        assert str(wrong[1]) in fail(*command, "--steps", 2, *wrong)
    assert "condition 'sound'" in fail(*command, "--steps", 2, "--condition", "sound")
    assert CliRunner().invoke(app, list(map(str, [*bare, "--steps", 2]))).exit_code == 2  # --init is needed
    assert not folder.exists()
    first = run(*command, "--steps", 2)
    assert run(*command, "--steps", 2) == first
    config = json.loads((folder / "street-decoder.json").read_bytes())
    assert config["sampling"]["sampler"] == "noiseless" and config["label_space"] == "camvid11"
    assert config["weights"]["dtype"] == "int8" and adversarial.DRAWING.items() <= config["network"].items()
    Decoder(folder / "street-decoder", "cpu", "float32")
    assert (folder / "evaluation.csv").exists() and "SCSRDM" in run("weights", "check", folder / "street-decoder")
    assert "another recipe (predicted" in fail(*bare, "--init", tiny_decoder, "--steps", 3)


def test_train_restore(small_training, files, tiny_decoder, tiny_segmenter, monkeypatch):
    monkeypatch.setattr(packs, "FRAME_SIZE", (64, 64))
    small = {"blocks": 1, "crop": 16}
    monkeypatch.setattr(restore, "Recipe", partial(restore.Recipe, **small))
    pack, folder = files / "pack.zip", files / "res"
    run("train", "pack", pack, "--scenes", 3, "--qp", 35)
    bare = ["train", "restore", pack, folder, *MACHINE, "--leave-out", "scene_00002", "--batch", 2]
    command = [*bare, "--init", tiny_decoder, "--ssm", tiny_segmenter, "--copies", 1, "--channels", 8]
    assert "--steps or --minutes" in fail(*command)
    assert str(files / "none") in fail(*command, "--steps", 2, "--init", files / "none")
    assert CliRunner().invoke(app, list(map(str, [*bare, "--steps", 2]))).exit_code == 2  # --init is needed
    assert not folder.exists()
    first = run(*command, "--steps", 2)
    assert run(*command, "--steps", 2) == first
    assert "another recipe (coded" in fail(*command, "--steps", 2, "--copies", 0)
    with monkeypatch.context() as change:
        change.setattr("spic.training.batches.Coded", None)  # not before the weights to start from were looked at
        assert "nowhere.safetensors" in fail(*bare, "--init", folder / "nowhere", "--copies", 1, "--steps", 2)
    config = json.loads((folder / "street-decoder.json").read_bytes())
    assert config["network"]["restore_channels"] == 8 and config["weights"]["dtype"] == "int8"
    Decoder(folder / "street-decoder", "cpu", "float32")
    assert (folder / "evaluation.csv").exists() and "SCSRDM" in run("weights", "check", folder / "street-decoder")


def test_train_mend(small_training, files, tiny_decoder, tiny_chain, tiny_segmenter, monkeypatch):
    monkeypatch.setattr(packs, "FRAME_SIZE", (64, 64))
    monkeypatch.setattr(mend, "Recipe", partial(mend.Recipe, window=(64, 64)))
    pack, folder = files / "pack.zip", files / "mended"
    run("train", "pack", pack, "--scenes", 3, "--qp", 35)
    bare = ["train", "mend", pack, folder, *MACHINE, "--leave-out", "scene_00002", "--batch", 2, "--steps", 2]
    assert CliRunner().invoke(app, list(map(str, bare))).exit_code == 2  # --init is needed
    assert "3 steps of ddim; expected one step of noiseless" in fail(*bare, "--init", tiny_decoder)
    assert not folder.exists()
    command = [*bare, "--init", tiny_chain, "--ssm", tiny_segmenter, "--copies", 1]
    assert "colour_share" in fail(*command, "--colour-share", 2)
    assert run(*command, "--colour-share", 0.7) == run(*command, "--colour-share", 0.7)
    config = json.loads((folder / "tiny-chain.json").read_bytes())
    assert config["network"]["colour_share"] == 0.7
    assert config["sampling"] == {"sampler": "published", "steps": 20, "start": 192}
    assert config["weights"]["dtype"] == "int8" and (folder / "evaluation.csv").exists()
    Decoder(folder / "tiny-chain", "cpu", "float32")


@pytest.mark.skipif(not shutil.which("make") or not (ROOT / "Makefile").exists(), reason="no make or no Makefile")
def test_commands_of_the_makefile_exist():
    """`make train` and `make ablations` say nothing that the command line does not know."""
    words = ["make", "-n", "train", "ablations"]
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    commands = [shlex.split(line.partition("bin/spic ")[2]) for line in printed.splitlines() if "bin/spic " in line]
    assert [words[1] for words in commands] == [
        *("pack", "segmenter", "segmenter", "decoder", "restore", "adversarial"),
        *("decoder", "restore", "adversarial"),
        *("decoder", "adversarial"),
    ]
    for words in commands:
        result = CliRunner().invoke(app, [*words, "--help"])  # what is asked for is read before the help is shown
        assert result.exit_code == 0, (words, result.output)
    assert CliRunner().invoke(app, ["train", "decoder", "a", "b", "--critic", "c", "--help"]).exit_code == 2


def test_pack_of_a_data_set(small_training, files, scene, monkeypatch):
    for name in ("b", "a", "c"):
        write_png(files / "camvid" / "train" / f"{name}.png", scene[0])
        write_png(files / "camvid" / "trainannot" / f"{name}.png", scene[1])
    command = ["train", "pack", files / "pack.zip", "--root", files / "camvid", "--dataset", "camvid"]
    printed = run(*command, "--limit", 2, "--scenes", 1, "--qp", 35)
    assert printed == f"{files / 'pack.zip'}: 3 pictures, {(files / 'pack.zip').stat().st_size} bytes\n"
    pack = packs.read_pack(files / "pack.zip")
    assert pack.names == ["a", "b", "scene_00000"] and pack.sources == ["camvid", "camvid", "street_scenes"]
    assert list(pack.coarse) == [35] and np.array_equal(pack.labels[0], scene[1])


def test_training_errors(files, small_training):
    pack = files / "pack.zip"
    assert "nothing to pack" in fail("train", "pack", pack)
    assert "street_scenes has 2000" in fail("train", "pack", pack, "--scenes", 2001)
    assert "qp must be" in fail("train", "pack", pack, "--scenes", 1, "--qp", 52)
    assert "camvid: no folder" in fail("train", "pack", pack, "--root", files / "none")
    assert "unknown data set" in fail("train", "pack", pack, "--root", files, "--dataset", "none")
    assert not pack.exists()
    command = ["train", "segmenter", pack, files / "run", "--steps", 1]
    assert f"{pack}: not a training pack" in fail(*command, *MACHINE)
    run("train", "pack", pack, "--scenes", 1)
    assert "leaves 0 of 1" in fail(*command, *MACHINE, "--leave-out", "scene")
    assert "leaves 1 of 1" in fail(*command, *MACHINE, "--leave-out", "none")
    assert "torch_threads 0" in fail(*command, "--threads", 0)
    assert "device 'tpu'" in fail(*command, "--device", "tpu")
    assert not (files / "run").exists()


# weights


def test_weights(tiny_segmenter, tiny_decoder, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    assert run("weights", "list") == ""
    for name, path in (("eye", tiny_segmenter), ("hand", tiny_decoder)):
        assert str(tmp_path / f"{name}.safetensors") in run("weights", "ship", name, path)
    lines = run("weights", "list").splitlines()
    assert len(lines) == 2 and all(line.endswith("verified") for line in lines)
    size = (tmp_path / "eye.safetensors").stat().st_size
    assert lines[0].split()[:3] == ["eye", str(size), "bytes"]
    assert weights.sha256(tmp_path / "hand.safetensors") in lines[1]
    assert "street segmenter" in run("weights", "check", tmp_path / "eye")
    assert "SCSRDM" in run("weights", "check", tmp_path / "hand.safetensors")
    (tmp_path / "eye.safetensors").write_bytes(b"changed")
    result = CliRunner().invoke(app, ["weights", "list"])
    assert result.exit_code == 1 and "eye  NOT VERIFIED" in result.stdout and "hand  " in result.stdout
    assert "hash differs" in fail("weights", "check", tmp_path / "eye")
    assert "no such file" in fail("weights", "check", tmp_path / "none").lower()
    assert "SCSRDM" in run("weights", "check", "hand") and "hash differs" in fail("weights", "check", "eye")
    for name in ("../eye", ""):
        assert "not a plain name" in fail("weights", "ship", name, tiny_segmenter)
    (tmp_path / "manifest.json").write_text("{")
    assert "manifest.json: damaged" in fail("weights", "list")


@pytest.mark.parametrize(("arch", "net", "kind"), [("judge", PyramidNet, "pyramid"), ("dense", DenseNet, "dense")])
def test_weights_of_every_segmenter_can_be_checked(arch, net, kind, tmp_path):
    config = {
        "dense": DenseConfig(widths=(8,) * 5, blocks=(1,) * 4, decoder=(8,) * 4),
        "judge": PyramidConfig(width=0.3, depth=0.3, pyramid=8),
    }[arch]
    about = {"arch": arch, "label_space": "camvid11", "net": dataclasses.asdict(config)}
    weights.write_weights(tmp_path / "w", net(config).state_dict(), about)
    assert f"w: {kind} segmenter, " in run("weights", "check", tmp_path / "w")


def test_weights_of_no_network_here(tmp_path):
    weights.write_weights(tmp_path / "other", {"x": torch.zeros(2)}, {"arch": "other"})
    assert "no network settings" in fail("weights", "check", tmp_path / "other")


# segment


def test_segment(files, scene, tiny_segmenter):
    command = ["segment", files / "picture.png", files / "map.png", "--weights", tiny_segmenter]
    command += ["--device", "cpu", "--dtype", "float32"]
    run(*command)
    labels = read_labels(files / "map.png")
    segmenter = get_segmenter("street", tiny_segmenter, "cpu", "float32")
    assert np.array_equal(labels, segmenter.segment(to_working_size(scene[0])[None])[0])
    assert "exists already" in fail(*command, "--color")
    run(*command, "--color", "--force")
    assert np.array_equal(read_picture(files / "map.png"), CAMVID11.colorize(labels))


def test_segment_errors(files, tiny_segmenter, tiny_decoder):
    assert "none.png: no such file" in fail("segment", files / "none.png", files / "map.png")
    assert "written as .png" in fail("segment", files / "picture.png", files / "map.jpg")
    wrong = fail("segment", files / "picture.png", files / "map.png", "--weights", tiny_decoder)
    assert "not a segmenter" in wrong and not (files / "map.png").exists()
