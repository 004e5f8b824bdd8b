"""Where output goes, through every command that writes: pipes, devices, links, long names, and what is no place."""

import json
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from spic.cli import app
from spic.codecs import get_codec
from spic.pictures.reading import read_picture, write_png
from spic.weights import read_weights

MACHINE = ["--device", "cpu", "--dtype", "float32"]
# Commands that write one file; {} is where. Some say their options further down.
COMMANDS = {
    "encode": ["encode", "a.png", "-o", "{}"],
    "decode": ["decode", "a.spic", "-o", "{}"],
    "decode --part coarse": ["decode", "--part", "coarse", "a.spic", "-o", "{}"],
    "codec encode": ["codec", "encode", "png", "a.png", "{}"],
    "codec decode": ["codec", "decode", "png", "a.png", "{}"],
    "segment": ["segment", "a.png", "{}"],
    "train pack": ["train", "pack", "{}", "--scenes", "1"],
    "weights convert": ["weights", "convert", "a.pt", "{}.safetensors"],
}
# Commands that write into a folder.
INTO = {
    "encode": ["encode", "a.png", "-o", "{}/"],
    "decode": ["decode", "a.spic", "-o", "{}/"],
    "codec decode": ["codec", "decode", "png", "a.png", "{}/a.png"],
    "segment": ["segment", "a.png", "{}/a.png"],
    "roundtrip": ["roundtrip", "a.png", "-o", "{}"],
    "compare": ["compare", "a.png", "-o", "{}", "--method", "avif", "--bpp", "1"],
    "demo": ["demo", "{}"],
    "train pack": ["train", "pack", "{}/a.zip", "--scenes", "1"],
    "train segmenter": ["train", "segmenter", "a.zip", "{}", "--steps", "1", "--encoder", "none", "--batch", "1"],
    "train labelmap-prior": ["train", "labelmap-prior", "{}/a", "--dataset", "street_scenes"],
    "weights convert": ["weights", "convert", "a.pt", "{}/a"],
}


@pytest.fixture(scope="module")
def material(tmp_path_factory, tiny_segmenter, tiny_decoder, tiny_scenes):
    """A folder with an image, its .spic file, a checkpoint and a training pack; options of each command."""
    folder = tmp_path_factory.mktemp("material")
    senders = ["--segmenter-weights", tiny_segmenter, "--decoder-weights", tiny_decoder, *MACHINE]
    encode = ["--native", "--ssm-codec", "png", *senders]
    options = {"encode": encode, "decode": ["--weights", tiny_decoder, *MACHINE], "roundtrip": ["--native", *senders]}
    options |= {"compare": senders, "segment": ["--weights", tiny_segmenter, *MACHINE]}
    options |= {"train segmenter": MACHINE, "decode --part coarse": []}
    write_png(folder / "a.png", tiny_scenes(1, (64, 64)).picture(0))
    run(["encode", folder / "a.png", *encode])
    state, config = read_weights(tiny_decoder)
    torch.save(state, folder / "a.pt")
    (folder / "a.json").write_text(json.dumps({"network": config["network"]}))
    run(["train", "pack", folder / "a.zip", "--scenes", "1"])
    return folder, options


def run(arguments, code=0):
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result


def command_line(material, name, template, place, *more) -> list[str]:
    folder, options = material
    inputs = {path.name: str(path) for path in folder.iterdir()}
    return [*(inputs.get(part, part).format(place) for part in template), *options.get(name, []), *more]


@pytest.fixture(scope="module")
def expected(material, tmp_path_factory):
    """What a command writes into an ordinary file."""
    known = {}

    def ask(name) -> bytes:
        if name not in known:
            place = tmp_path_factory.mktemp("plain") / "out"
            run(command_line(material, name, COMMANDS[name], place))
            known[name] = written(name, place).read_bytes()
        return known[name]

    return ask


def written(name, place) -> Path:
    return place.with_name(f"{place.name}.safetensors") if name == "weights convert" else place


def same(name, data: bytes, wanted: bytes) -> bool:
    """Whether two results are equal; a zip file holds the time."""
    return len(data) == len(wanted) and data[:4] == wanted[:4] if name == "train pack" else data == wanted


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_is_written_through(name, material, expected, tmp_path):
    place = tmp_path / "out"
    pipe = written(name, place)
    os.mkfifo(pipe)
    got = []
    thread = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    thread.start()
    run(command_line(material, name, COMMANDS[name], place))
    thread.join(10)
    assert stat.S_ISFIFO(pipe.stat().st_mode) and same(name, got[0], expected(name))


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes device nodes")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_device_stays_a_device(name, material, tmp_path):
    place = tmp_path / "out"
    device = written(name, place)
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    run(command_line(material, name, COMMANDS[name], place))
    assert stat.S_ISCHR(device.stat().st_mode) and device.stat().st_rdev == os.makedev(1, 3)


@pytest.mark.parametrize("name", COMMANDS)
def test_links_are_followed(name, material, expected, tmp_path):
    place = tmp_path / "out"
    link = written(name, place)
    link.symlink_to("real")
    for force in ([], ["--force"] if name != "train pack" else []):  # where it leads nowhere, and to a file
        run(command_line(material, name, COMMANDS[name], place, *force))
        assert link.is_symlink() and same(name, (tmp_path / "real").read_bytes(), expected(name))
        if name != "train pack":
            assert "exists already" in run(command_line(material, name, COMMANDS[name], place), 1).stderr
        (tmp_path / "real").write_bytes(b"old")
        for sidecar in tmp_path.glob("*.json"):
            sidecar.unlink()


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "weights convert"])
@pytest.mark.parametrize("place", ["link", "/proc/self/fd/1", "-"])
def test_stdout_by_all_its_names(name, place, material, expected, capfdbinary, tmp_path, monkeypatch):
    """Never /dev/stdout itself: a fault would replace it, as root for the whole machine."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("/dev/stdout")
    result = run(command_line(material, name, COMMANDS[name], place))
    data = result.stdout_bytes + capfdbinary.readouterr().out  # packs go to the open file, the others to sys.stdout
    assert same(name, data, expected(name)) and (name == "segment" or result.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["link"] and os.readlink("link") == "/dev/stdout"


def test_weights_are_two_files(material, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/stdout")
    for place in (tmp_path / "link", tmp_path / "pipe"):
        line = run(["weights", "convert", material[0] / "a.pt", place], 1).stderr
        assert line == f"spic: {place}: weights are two files: give the beginning of their names\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


@pytest.mark.parametrize("name", COMMANDS)
def test_names_of_250_bytes(name, material, expected, tmp_path):
    place = tmp_path / ("n" * (250 - len(written(name, Path("out")).name) + 3))
    run(command_line(material, name, COMMANDS[name], place))
    assert same(name, written(name, place).read_bytes(), expected(name))


@pytest.mark.parametrize("mask", [0o002, 0o077])
@pytest.mark.parametrize("name", COMMANDS)
def test_any_umask(name, mask, material, tmp_path):
    before = os.umask(mask)
    try:
        run(command_line(material, name, COMMANDS[name], tmp_path / "new" / "out"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o777 & ~mask
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask for path in (tmp_path / "new").iterdir())


@pytest.mark.parametrize("kind", ["file", "pipe", "dangling link"])
@pytest.mark.parametrize("name", INTO)
def test_a_place_in_what_is_no_folder(name, kind, material, tmp_path):
    """Said in one line before the work begins, without a word of --force."""
    place = tmp_path / "place"
    if kind == "file":
        place.write_bytes(b"precious")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("nowhere")
    result = run(command_line(material, name, INTO[name], place), 1)
    assert result.stdout == "" and result.stderr.count("\n") == 1 and f"{place} is not a folder\n" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["place"] and place.is_symlink() == (kind == "dangling link")
    assert kind != "file" or place.read_bytes() == b"precious"


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("roundtrip", "compare", "demo", "train segmenter")]


@pytest.mark.parametrize("name", ["encode", "decode", "codec decode", "segment", "weights convert", *SLOW])
def test_a_link_to_a_folder(name, material, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to("real")
    run(command_line(material, name, INTO[name], tmp_path / "way"))
    assert (tmp_path / "way").is_symlink() and list((tmp_path / "real").iterdir())
    assert not list((tmp_path / "real").glob(".*"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_is_no_file(name, material, tmp_path):
    if name in ("encode", "decode", "decode --part coarse"):
        pytest.skip("results go into the folder")
    place = tmp_path / "out"
    written(name, place).mkdir()
    line = run(command_line(material, name, COMMANDS[name], place), 1).stderr
    assert line == f"spic: {written(name, place)}: is a folder\n" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["encode", "codec encode", "codec decode", "segment"])
def test_a_link_to_the_input_is_the_input(name, material, tmp_path):
    data = (material[0] / "a.png").read_bytes()
    (tmp_path / "out").symlink_to(material[0] / "a.png")
    line = run(command_line(material, name, COMMANDS[name], tmp_path / "out", "--force"), 1).stderr
    assert "is an input" in line and (material[0] / "a.png").read_bytes() == data


def test_two_links_to_one_place(material, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes((material[0] / "a.png").read_bytes())
        (tmp_path / f"{name}.spic").symlink_to("one")
    assert "would both become" in run(["encode", tmp_path / "a.png", tmp_path / "b.png"], 1).stderr


@pytest.mark.parametrize("name", ["encode", "codec encode", "segment"])
def test_pipes_are_read_too(name, material, expected, tmp_path):
    os.mkfifo(tmp_path / "in.png")
    data = (material[0] / "a.png").read_bytes()
    threading.Thread(target=lambda: (tmp_path / "in.png").write_bytes(data), daemon=True).start()
    template = [str(tmp_path / "in.png") if part == "a.png" else part for part in COMMANDS[name]]
    run(command_line(material, name, template, tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == expected(name)


@pytest.mark.parametrize("name", ["encode", "decode --part coarse", "codec encode", "codec decode", "segment"])
def test_from_stdin_to_stdout(name, material, expected):
    source = next(part for part in COMMANDS[name] if part in ("a.png", "a.spic"))
    template = ["-" if part == source else part for part in COMMANDS[name]]
    arguments = command_line(material, name, template, "-")
    result = CliRunner().invoke(app, [str(one) for one in arguments], input=(material[0] / source).read_bytes())
    assert result.exit_code == 0 and result.stdout_bytes == expected(name)


# formats that can not hold an image


@pytest.mark.parametrize(
    ("suffix", "shape", "says"),
    [
        ("ico", (128, 512, 3), "ICO would make 128x32 of 512x128 pixels"),
        ("icns", (64, 64, 3), "ICNS would make "),
        ("gif", (64, 64, 3), "GIF would change the colours"),
        ("bmp", (64, 64, 4), "BMP would change the colours or the transparency: it makes RGB of RGBA"),
        ("ppm", (64, 64, 4), "PPM would change the colours or the transparency"),
        ("jpg", (64, 64, 4), "not to be written as JPEG"),
        ("jpg", (64, 64), "JPEG would change the ids of this label map"),
        ("webp", (64, 64), "WEBP would change the ids of this label map"),
        ("avif", (64, 64), "AVIF would change the ids of this label map"),
        ("xbm", (64, 64), "not to be written as XBM"),
        ("pdf", (64, 64, 3), "no picture format has the suffix .pdf"),  # which nobody here could read
    ],
)
def test_formats_that_would_change_an_image_are_refused(suffix, shape, says, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 11 if len(shape) == 2 else 256, shape, dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(get_codec("png").encode(pixels))
    out = tmp_path / f"out.{suffix}"
    result = run(["codec", "decode", "png", tmp_path / "a.png", out], 1)
    assert result.stdout == "" and result.stderr.startswith(f"spic: {out}: {says}") and result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("suffix", ["gif", "bmp", "tif", "tga", "webp", "jpg", "jp2", "avif", "ppm"])
def test_what_is_said_of_a_written_image_is_true(suffix, tmp_path):
    flat = np.full((32, 48, 3), 200, np.uint8)  # one colour: GIF holds it
    (tmp_path / "a.png").write_bytes(get_codec("png").encode(flat))
    run(["codec", "decode", "png", tmp_path / "a.png", tmp_path / f"out.{suffix}"])
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert image.size == (48, 32)
    assert np.abs(read_picture(tmp_path / f"out.{suffix}").astype(int) - 200).max() <= 2


def test_an_icon_by_decode(material, tmp_path):
    folder, options = material
    run(["encode", folder / "a.png", "-o", tmp_path / "big.spic", *options["encode"][1:]])  # 512x512
    command = ["decode", "--part", "ssm", tmp_path / "big.spic", "-o", tmp_path / "x.ico"]
    line = run(command, 1).stderr
    assert line == f"spic: {tmp_path / 'big.spic'}: {tmp_path / 'x.ico'}: ICO would make 256x256 of 512x512 pixels\n"
    assert not (tmp_path / "x.ico").exists()
