"""Several files at once: a file that fails is one line and the next is done, whatever memory, folder or name it has."""

import csv
import errno
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from spic.bitstream import SpicFile, write_spic
from spic.cli import app
from spic.codecs import get_codec
from spic.datasets import get_dataset
from spic.errors import DataError, WeightsError, memory_shortage
from spic.pictures.reading import read_picture, write_png
from spic.receiver import Receiver
from spic.run.job import job
from spic.transmitter import Transmitter

MACHINE = ["--device", "cpu", "--dtype", "float32"]


def invoke(*arguments, code=0, **options):
    result = CliRunner(**options).invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert code == 0 or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def senders(tiny_segmenter, tiny_decoder):
    return ["--segmenter-weights", tiny_segmenter, "--decoder-weights", tiny_decoder, *MACHINE]


@pytest.fixture
def encode(senders):
    return ["encode", "--native", "--ssm-codec", "png", *senders]


@pytest.fixture
def folder(tmp_path, tiny_scenes):
    """Three images, and their .spic files in a folder below."""
    images = tiny_scenes(3, (64, 64))
    for i, name in enumerate("abc"):
        write_png(tmp_path / "in" / f"{name}.png", images.picture(i))
        labels, coarse = (get_codec("png").encode(x) for x in (images.labels(i), images.picture(i)[::4, ::4]))
        coded = SpicFile((64, 64), (64, 64), "camvid11", "png", "png", "00000000", labels, coarse)
        (tmp_path / "coded").mkdir(exist_ok=True)
        (tmp_path / "coded" / f"{name}.spic").write_bytes(write_spic(coded))
    return tmp_path


# memory


def too_large_for_numpy():
    np.empty(1 << 60, np.uint8)


def too_large_for_torch():
    torch.empty(1 << 60, dtype=torch.uint8)


def too_large_for_cuda():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1 GiB")


def too_large_for_cudnn():
    raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")


def too_large_for_the_system():
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


SHORTAGES = {
    "numpy": (too_large_for_numpy, "out of memory"),
    "torch": (too_large_for_torch, "out of memory"),
    "CUDA": (too_large_for_cuda, "out of memory on the GPU"),
    "cuDNN": (too_large_for_cudnn, "out of memory on the GPU"),
    "system": (too_large_for_the_system, "out of memory"),
}


@pytest.mark.parametrize("kind", SHORTAGES)
def test_what_is_a_lack_of_memory(kind):
    with pytest.raises(Exception) as caught:
        SHORTAGES[kind][0]()
    assert memory_shortage(caught.value) == SHORTAGES[kind][1]
    for other in (RuntimeError("shapes differ"), ValueError("x"), DataError("a.png: a map of memory"), OSError(2, "")):
        assert memory_shortage(other) is None


def failing_once(monkeypatch, owner, name, shortage):
    """Let the first call of a method run out of memory."""
    kept, calls = getattr(owner, name), []

    def call(*arguments, **options):
        calls.append(1)
        if len(calls) == 1:
            shortage()
        return kept(*arguments, **options)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize("kind", SHORTAGES)
def test_the_next_image_is_decoded(kind, folder, monkeypatch):
    failing_once(monkeypatch, Receiver, "parts", SHORTAGES[kind][0])
    result = invoke("decode", "--part", "coarse", folder / "coded", "-o", folder / "out", code=1)
    assert result.stderr == f"spic: {folder / 'coded' / 'a.spic'}: {SHORTAGES[kind][1]}\n"
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["b.png", "c.png"]


def half_of_there_and_back(transmitter, receiver, picture):
    """The whole needs FLIF, which compiles for long."""
    transmitter.prepare(picture)
    return (
        SpicFile((64, 64), (64, 64), "camvid11", "png", "png", "00000000", b"", b""),
        b"",
        picture,
        {"miou": 1, "psnr": 9},
    )


@pytest.mark.parametrize("command", ["encode", "info", "roundtrip", "compare"])
def test_the_next_file_is_done_by_every_command(command, folder, encode, senders, monkeypatch):
    monkeypatch.setattr("spic.cli.roundtrip.there_and_back", half_of_there_and_back)
    sending = (Transmitter, "prepare")
    line, files, owner, name = {
        "encode": ([*encode, "-o", f"{folder}/out/"], "in/*.png", *sending),
        "info": (["info"], "coded/*.spic", SpicFile, "__init__"),
        "roundtrip": (["roundtrip", *senders], "in/*.png", *sending),
        "compare": (["compare", "--method", "jpeg", "-o", folder / "out", *senders], "in/*.png", *sending),
    }[command]
    failing_once(monkeypatch, owner, name, too_large_for_numpy)
    result = invoke(*line, str(folder / files), code=1)
    first = sorted(folder.glob(files))[0]
    lines = [one for one in result.stderr.splitlines() if "look like a street" not in one]
    assert lines == [f"spic: {first}: out of memory"]
    assert str(first) not in result.stdout and len(result.stdout.splitlines()) >= 2


def test_a_method_that_needs_too_much_does_not_stop_the_others(folder, senders, monkeypatch):
    from spic.codecs.avif import AvifCodec

    monkeypatch.setattr(AvifCodec, "encode", lambda *_, **__: too_large_for_torch())
    methods = ["--method", "avif", "--method", "webp", "--bpp", 1]
    result = invoke("compare", folder / "in" / "a.png", "-o", folder / "out", *methods, *senders)
    assert "spic: avif: out of memory\n" in result.stderr
    rows = list(csv.DictReader((folder / "out" / "compare.csv").open()))
    assert [row["status"] for row in rows] == ["failed", "met"]


@pytest.mark.parametrize("kind", ["torch", "CUDA"])
def test_commands_of_one_file(kind, folder, tiny_segmenter, monkeypatch):
    from spic.codecs.png import PngCodec
    from spic.segmentation.segmenter import NetworkSegmenter

    shortage, says = SHORTAGES[kind]
    source, out = folder / "in" / "a.png", folder / "out.png"
    for method in ("encode", "decode"):
        monkeypatch.setattr(PngCodec, method, lambda *_, **__: shortage())
        assert invoke("codec", method, "png", source, out, code=1).stderr == f"spic: {source}: {says}\n"
    monkeypatch.setattr(NetworkSegmenter, "segment", lambda *_: shortage())
    result = invoke("segment", source, out, "--weights", tiny_segmenter, *MACHINE, code=1)
    assert result.stderr == f"spic: {source}: {says}\n" and not out.exists()


def test_weights_that_do_not_fit_are_not_called_damaged(tiny_segmenter, folder, monkeypatch):
    from spic.weights import read_weights

    monkeypatch.setattr("safetensors.torch.load_file", lambda *_: too_large_for_torch())
    with pytest.raises(WeightsError, match=r"tiny-segmenter\.safetensors: out of memory$"):
        read_weights(tiny_segmenter)


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_a_job_says_it_in_one_line(kind, tmp_path):
    with pytest.raises(SystemExit), job(tmp_path / "job.log"):
        SHORTAGES[kind][0]()
    assert (tmp_path / "job.log").read_text() == "spic: out of memory\n"


def test_a_real_limit(folder, monkeypatch):
    """Under a limit of the address space a file that claims 16384x16384 pixels fails and the small one is decoded."""
    (small, *_) = (folder / "coded").iterdir()
    labels, coarse = (get_codec("png").encode(np.zeros(shape, np.uint8)) for shape in ((64, 64), (16, 16, 3)))
    big = SpicFile((64, 64), (16384, 16384), "camvid11", "png", "png", "00000000", labels, coarse)
    monkeypatch.setattr("spic.bitstream.MAX_PIXELS", 1 << 28)  # what this version writes, another may exceed
    (folder / "big.spic").write_bytes(write_spic(big))
    command = [sys.executable, "-m", "spic.cli", "decode", "--part", "preview", "--max-pixels", str(1 << 28)]
    command += [str(folder / "big.spic"), str(small), "-o", f"{folder}/out/"]
    limit = 900 << 20  # the big image alone takes 805 MB
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 1 and done.stderr == f"spic: {folder / 'big.spic'}: out of memory\n"
    assert [path.name for path in (folder / "out").iterdir()] == [f"{small.stem}.png"]


# folders of images


ODD = ("pipe.png", "below.png", "gone.png")


@pytest.fixture
def odd(folder):
    """A folder with images of many endings, and with what only looks like one."""
    pixels = read_picture(folder / "in" / "a.png")
    for suffix in ("jfif", "AVIF", "jp2", "gif", "pnm"):
        (folder / "in" / f"x{suffix}.{suffix}").write_bytes((folder / "in" / "a.png").read_bytes())
    write_png(folder / "in" / "._a.png", pixels)
    (folder / "in" / "notes.txt").touch()
    os.mkfifo(folder / "in" / "pipe.png")
    (folder / "in" / "below.png").mkdir()
    return folder


TAKEN = ["a", "b", "c", "xAVIF", "xgif", "xjfif", "xjp2", "xpnm"]
LEFT_OUT = "left out: below.png (a folder), pipe.png (a pipe), 1 of other endings (.txt)"


def test_one_function_says_what_a_folder_holds(odd, encode, caplog):
    from spic.cli.files import find_sources
    from spic.files import IMAGES

    assert get_dataset("folder", odd / "in").names == TAKEN
    assert [path.stem for path in find_sources([str(odd / "in")], IMAGES)] == TAKEN
    assert caplog.messages == [f"{odd / 'in'}: {LEFT_OUT}"]  # once per process
    invoke(*encode, odd / "in", "-o", odd / "out")
    assert sorted(path.stem for path in (odd / "out").iterdir()) == TAKEN


def test_the_endings_are_documented():
    from spic.files import IMAGES

    text = (Path(__file__).parent.parent / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"`(\.\w+)`", text[text.index("- An input is") : text.index(", in capitals too")]) == [
        ".spic",
        *IMAGES,
    ]


def test_globs_take_files_only(odd, encode, caplog):
    invoke(*encode, str(odd / "in" / "*.png"), "-o", odd / "out")
    assert sorted(path.stem for path in (odd / "out").iterdir()) == ["a", "b", "c"]
    assert caplog.messages == [f"{odd / 'in' / '*.png'}: left out: below.png (a folder), pipe.png (a pipe)"]


def test_what_leads_nowhere_is_named_by_every_door(folder, encode):
    (folder / "in" / "gone.png").symlink_to("nowhere")
    for place in (folder / "in", folder / "in" / "*.png"):
        lines = invoke(*encode, place, "-o", folder / "out", "--force", code=1).stderr.splitlines()
        said = [line for line in lines if "look like a street" not in line]
        assert said == [f"spic: {folder / 'in' / 'gone.png'}: no such file"]
        assert len(list((folder / "out").iterdir())) == 3
    with pytest.raises(DataError, match=rf"^folder: {folder / 'in' / 'gone.png'} is a link to nothing"):
        get_dataset("folder", folder / "in")


def test_one_output_folder_beside_the_input_needs_no_word(folder, encode, caplog):
    invoke(*encode, folder / "in")
    invoke("info", folder / "in")
    assert len(list((folder / "in").iterdir())) == 6 and not caplog.messages


# names that are not UTF-8, and streams that are not


NAME = os.fsdecode(b"caf\xe9")  # Latin-1


def test_names_of_any_bytes(folder, encode, senders):
    """stdout is strict here, as it is in most locales."""
    (folder / "in" / "b.png").rename(folder / "in" / f"{NAME}.png")
    result = invoke(*encode, folder / "in", "-o", folder / "out")
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        f"{folder}/out/{name}.spic" for name in ("a", "c", "caf%E9")
    ]
    assert (folder / "out" / f"{NAME}.spic").exists()
    for line in invoke("info", folder / "out", "--json").stdout.splitlines():
        assert os.path.exists(json.loads(line)["input"])
    assert "caf%E9.spic: " in invoke("info", folder / "out").stdout
    assert "caf%E9.png: 64x64" in invoke("decode", "--part", "ssm", folder / "out", "-o", folder / "maps").stdout
    assert (folder / "maps" / f"{NAME}.png").exists()
    for command, source, target in (("encode", "in", "coded"), ("decode", "in", "back")):
        line = invoke("codec", command, "png", folder / source / f"{NAME}.png", folder / f"{target} {NAME}.png").stdout
        assert "caf%E9.png: " in line
    (folder / "in" / f"{NAME}.png").write_bytes(b"")
    assert "caf%E9.png: not a readable" in invoke(*encode, folder / "in", "-o", folder / "2", code=1).stderr


def test_compare_with_names_of_any_bytes(folder, senders):
    (folder / "in" / "b.png").rename(folder / "in" / f"{NAME}.png")
    command = ["compare", folder / "in", "-o", folder / "out", "--method", "jpeg", "--bpp", 1, *senders, "--json"]
    lines = invoke(*command).stdout.splitlines()
    with (folder / "out" / "compare.csv").open(encoding="utf-8") as file:
        assert [row["picture"] for row in csv.DictReader(file)] == ["a", "c", "caf%E9"]
    page = (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert '"caf%E9.jpeg.png"' in page and (folder / "out" / f"{NAME}.jpeg.png").exists()
    assert os.fsencode(json.loads(lines[2])["picture"]) == b"caf\xe9"


def test_streams_that_can_not_spell_a_name(folder, encode):
    (folder / "in" / "b.png").rename(folder / "in" / "夜.png")
    result = invoke(*encode, folder / "in", "-o", folder / "out", charset="latin-1")
    assert "/out/\\u591c.spic: " in result.stdout and len(list((folder / "out").iterdir())) == 3
    assert "\\u591c.spic" in invoke("info", folder / "out", charset="latin-1").stdout


def test_the_names_of_a_data_set_can_be_written_everywhere(folder, tmp_path):
    from spic.benchmark.coding import prepare
    from spic.provenance.records import describe, read_record, write_record

    (folder / "in" / "b.png").rename(folder / "in" / f"{NAME}.png")
    assert get_dataset("folder", folder / "in").names == ["a", "c", "caf%E9"]
    config = {
        "dataset": "folder",
        "dataset_root": str(folder / "in"),
        "split": "val",
        "limit": None,
        "chunk_size": None,
    }
    prepare(config, "0000", tmp_path / "pictures", tmp_path / "labels")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["a.png", "c.png", "caf%E9.png"]
    assert describe(folder / "in")["files"].keys() == {"a.png", "c.png", f"{NAME}.png"}  # of another's data set
    facts = {"rule": "prepare", "inputs": {}, "outputs": [folder / "in"]}
    write_record(folder / "prepare.provenance.json", **facts)
    assert f"{NAME}.png" in read_record(folder / "prepare.provenance.json")["outputs"]["in"]["files"]
    (folder / "in" / "caf%E9.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="would both be called caf%E9"):
        get_dataset("folder", folder / "in")


def test_a_log_takes_any_name(tmp_path):
    with pytest.raises(SystemExit), job(tmp_path / "job.log"):
        raise DataError(f"{NAME}.png: not a readable picture")
    assert (tmp_path / "job.log").read_text() == "spic: caf\\udce9.png: not a readable picture\n"
