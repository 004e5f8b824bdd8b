"""`spic encode`, `decode` and `info` with clips: videos and folders to .spicv files and back, or one line of reason."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from spic import Receiver, weights
from spic.cli import app
from spic.codecs.labelmap.prior import SHIPPED, SHIPPED_AFTER
from spic.errors import WeightsError
from spic.pictures.clips import VideoWriter, open_clip
from spic.pictures.reading import read_labels, read_picture, write_png
from spic.video import ClipReceiver

MACHINE = ["--device", "cpu", "--dtype", "float32"]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run(*arguments) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*arguments) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.startswith("spic: ") and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def frames(tiny_scenes):
    """Flat ones: they are coded at 64x512, others at 256x512."""
    image = tiny_scenes(1, (16, 150)).picture(0)
    return [image[:, 3 * i : 3 * i + 128] for i in range(4)]


@pytest.fixture(scope="module")
def encode(tiny_decoder):
    return ["encode", "--every", 3, "--decoder-weights", tiny_decoder, *MACHINE]  # maps of noise would take long


@pytest.fixture(scope="module")
def decode(tiny_decoder):
    return ["decode", "--weights", tiny_decoder, *MACHINE]


@pytest.fixture(scope="module")
def given(tmp_path_factory, frames, encode):
    """A folder of frames, the same as a video, and that coded; what was printed about it."""
    folder = tmp_path_factory.mktemp("clips")
    for i, image in enumerate(frames):
        write_png(folder / "frames" / f"{i:03d}.png", image)
    with (folder / "drive.mp4").open("wb") as file:
        writer = VideoWriter(file, ".mp4", 15)
        for image in frames:
            writer.write(image)
        writer.close()
    return folder, json.loads(run(*encode, folder / "drive.mp4", "-q", 20, "--json"))


@pytest.fixture
def folder(given, tmp_path):
    for path in given[0].iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def test_a_video_there_and_back(given, folder, decode):
    record, coded, back = given[1], folder / "drive.spicv", folder / "back.mp4"
    assert record["frames"] == 4 and record["rate"] == 15
    assert record["kbps"] == pytest.approx(8 * (record["ssm_bytes"] + record["coarse_bytes"]) / 4 * 15 / 1000)
    assert run(*decode, coded, "-o", back) == f"{back}: 4 frames\n"
    with open_clip(back) as clip:
        assert clip.rate == 15 and [image.shape for image in clip.images] == [(16, 128, 3)] * 4
    found = json.loads(run("info", coded, "--json"))
    assert found["frames"] == 4 and found["alone"] == 2 and found["ssm_bytes"] == record["ssm_bytes"]
    assert "4 frames, 128x16" in run("info", coded)


def test_a_folder_of_frames_and_png_files_back(folder, encode, decode, frames):
    coded, out = folder / "a.spicv", folder / "out"
    run(*encode, folder / "frames", "-o", coded, "-q", 10, "--rate", 12.5, "--no-smooth")
    run(*decode, coded, "-o", f"{out}/", "--part", "preview", "--first", 2)
    assert sorted(path.name for path in out.iterdir()) == [f"{i:06d}.png" for i in (2, 3)]
    assert abs(read_picture(out / "000003.png").astype(int) - frames[3]).mean() < 30
    run(*decode, coded, "-o", f"{folder / 'maps'}/", "--part", "ssm")
    assert read_labels(folder / "maps" / "000000.png").max() < 12
    with open_clip(folder / "frames") as clip:
        assert clip.count == 4


def test_steady_and_not(folder, decode):
    shown = {}
    for name, options in {"steady": [], "drawn": ["--no-steady"], "late": ["--first", 2]}.items():
        run(*decode, folder / "drive.spicv", "-o", f"{folder / name}/", *options)
        shown[name] = {path.name: read_picture(path) for path in sorted((folder / name).iterdir())}
    same = [np.array_equal(image, shown["drawn"][name]) for name, image in shown["steady"].items()]
    assert same == [True, False, False, True]  # an entry every 3 frames
    assert list(shown["late"]) == list(shown["steady"])[2:]
    assert all(np.array_equal(image, shown["steady"][name]) for name, image in shown["late"].items())


def test_pipes(folder, encode, decode):
    result = invoke(*encode, folder / "drive.mp4", "-o", "-", "-q", 20)
    assert result.exit_code == 0 and result.stdout_bytes == (folder / "drive.spicv").read_bytes()
    command = [sys.executable, "-m", "spic.cli", *map(str, decode), "-", "-o", "-", "--part", "preview"]
    done = subprocess.run(command, input=result.stdout_bytes, capture_output=True)
    assert done.returncode == 0, done.stderr
    (folder / "b.mkv").write_bytes(done.stdout)
    with open_clip(folder / "b.mkv") as clip:
        assert len(list(clip.images)) == 4


def test_a_cut_file(folder, decode):
    data = (folder / "drive.spicv").read_bytes()
    (folder / "cut.spicv").write_bytes(data[: int(0.8 * len(data))])
    wanted = [*decode, folder / "cut.spicv", "-o", folder / "a.mp4", "--part", "preview"]
    assert "ends early, in frame" in fail(*wanted)
    assert not (folder / "a.mp4").exists()
    result = invoke(*wanted, "--partial")
    assert result.exit_code == 0 and "frames are kept" in result.stderr
    with open_clip(folder / "a.mp4") as clip:
        assert 0 < len(list(clip.images)) < 4


def test_one_line_for_each_mistake(folder, encode, decode):
    (folder / "broken.mp4").write_bytes(b"not a video" * 40)
    (folder / "bad.spicv").write_bytes(b"SPCV\x01nonsense")
    (folder / "list.ts").write_text("#EXTM3U\n#EXTINF:1,\ndrive.mp4\n")  # a playlist
    for arguments, text in [
        ([*encode, folder / "broken.mp4"], "not a video"),
        ([*encode, folder / "list.ts"], "not a video"),
        ([*encode, folder / "none.mp4"], "No such file"),
        ([*encode, folder / "drive.mp4", "--force", "--native"], "--native"),
        ([*encode, folder / "drive.mp4"], "exists already"),
        ([*encode, folder / "drive.mp4", folder / "frames" / "000.png", "-o", folder / "x"], "do not go together"),
        ([*decode, folder / "bad.spicv", "-o", folder / "x.mp4"], "ends early"),
        ([*decode, folder / "drive.spicv", "-o", folder / "x.png"], "no video format"),
        ([*decode, folder / "drive.spicv", "-o", folder / "x.mp4", "--part", "ssm"], "folder"),
        ([*decode, folder / "drive.spicv", "-o", folder / "x.mp4", "--first", 9], "no frame 9"),
    ]:
        assert text in fail(*arguments), arguments
    result = invoke(*encode, folder / "drive.mp4", "-o", folder / "x.spicv", "-q", 60)
    assert result.exit_code == 1 and "qp must be" in result.stderr
    assert not list(folder.glob("x*")) and not list(folder.glob(".*"))


def test_an_interrupt_leaves_no_file(folder, encode, monkeypatch):
    seen, there = [], []

    def interrupted(path):
        seen.append(path)
        if len(seen) == 3:
            there.extend(folder.glob(".new*"))
            raise KeyboardInterrupt
        return read_picture(path)

    monkeypatch.setattr("spic.pictures.clips.read_picture", interrupted)
    result = invoke(*encode, folder / "frames", "-o", folder / "new.spicv")
    assert result.exit_code != 0 and there
    assert not list(folder.glob("*new*")) and not list(folder.glob(".new*"))


def test_what_is_written_is_what_was_given(folder, frames):
    for suffix in (".mp4", ".mkv", ".y4m"):
        with open_clip(folder / "drive.mp4") as clip, (folder / f"b{suffix}").open("wb") as file:
            writer = VideoWriter(file, suffix, clip.rate)
            for image in clip.images:
                writer.write(image)
            writer.close()
        with open_clip(folder / f"b{suffix}") as clip:
            found = list(clip.images)
        assert np.mean([abs(a.astype(int) - b).mean() for a, b in zip(found, frames, strict=True)]) < 6


class Pipe:
    """A file that can only be read on."""

    def __init__(self, path):
        self.read = path.open("rb").read


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_files_larger_than_a_buffer(tmp_path, suffix):
    """The index of an .mp4 stands at its end: its reader must seek."""
    rng, path = np.random.default_rng(0), tmp_path / f"a{suffix}"
    with path.open("wb") as file:
        writer = VideoWriter(file, suffix, 15)
        for _ in range(3):
            writer.write(rng.integers(0, 256, (128, 256, 3), np.uint8))
        writer.close()
    assert path.stat().st_size > 1 << 16
    for source in (path, Pipe(path)):
        with open_clip(source) as clip:
            assert len(list(clip.images)) == 3


def test_clips_of_an_earlier_release(folder, shipping, tiny_decoder, tiny_chain, caplog):
    """One line for the whole clip, by the command line and in Python."""
    room = Path(weights.__file__).parent
    for name in (SHIPPED, SHIPPED_AFTER):
        weights.register(name, room / name)
    weights.register("street-decoder", tiny_decoder)
    weights.record_release("1.0")
    weights.register("street-decoder", tiny_chain)
    notice = (
        "made for street-decoder of 1.0, decoded with the one of this version; the image differs from what 1.0 drew"
    )
    assert "(street-decoder of 1.0)\n" in run("info", folder / "drive.spicv")
    assert json.loads(run("info", folder / "drive.spicv", "--json"))["decoder"] == "street-decoder of 1.0"
    done = invoke(
        "decode", folder / "drive.spicv", "-o", f"{folder}/out/", "--first", 3, "--steps", 1, "--json", *MACHINE
    )
    assert done.exit_code == 0 and done.stderr == f"spic: {folder}/drive.spicv: {notice}\n"
    assert json.loads(done.stdout)["notes"] == [notice]
    receiver = ClipReceiver(Receiver(sampling={"steps": 1}, device="cpu", dtype="float32"))
    with (folder / "drive.spicv").open("rb") as file:
        (image,) = receiver.decode(receiver.open(file), 3)
    assert caplog.messages == [f".spicv: {notice}"]
    assert np.array_equal(image, read_picture(folder / "out" / "000003.png"))
    weights.register("street-decoder", tiny_decoder)  # to name another decoder is consent
    command = ["decode", folder / "drive.spicv", "-o", folder / "x.mp4", "--first", 3, "--steps", 1, *MACHINE]
    done = invoke(*command, "--decoder", tiny_chain)
    assert done.exit_code == 0 and done.stderr.count("\n") == 1 and "(street-decoder), decoded with " in done.stderr
    with pytest.raises(WeightsError, match="--decoder street-decoder"), (folder / "drive.spicv").open("rb") as file:
        next(ClipReceiver(Receiver(tiny_chain, device="cpu", dtype="float32")).decode(receiver.open(file)))
