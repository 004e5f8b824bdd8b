"""`spic encode` and its kin: the bytes and pictures that Python gives, in the right places, or one line of reason."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from spic import Receiver, Transmitter
from spic.bitstream import read_spic, write_spic
from spic.cli import app
from spic.pictures.reading import read_labels, read_picture, write_png

MACHINE = ["--device", "cpu", "--dtype", "float32"]


def invoke(*arguments, data=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=data)


def run(*arguments, **options) -> str:
    result = invoke(*arguments, **options)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*arguments, lines=1) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.startswith("spic: ") and result.stderr.count("\n") == lines
    return result.stderr


@pytest.fixture
def folder(tmp_path, tiny_scenes):
    scenes = tiny_scenes(2, (48, 96))
    for i, name in enumerate(("a", "b ä")):
        write_png(tmp_path / f"{name}.png", scenes.picture(i))
    return tmp_path


@pytest.fixture
def encode(tiny_segmenter, tiny_decoder):
    weights = ["--segmenter-weights", tiny_segmenter, "--decoder-weights", tiny_decoder]
    return ["encode", "--ssm-codec", "png", "-q", 35, *weights, *MACHINE]


@pytest.fixture
def decode(tiny_decoder):
    return ["decode", "--weights", tiny_decoder, *MACHINE]


@pytest.fixture
def same(tiny_segmenter, tiny_decoder):
    """The same by the Python interface."""
    machine = {"device": "cpu", "dtype": "float32"}
    sender = Transmitter("street", tiny_segmenter, tiny_decoder, ssm_codec="png", quality=35, **machine)
    return sender, Receiver(tiny_decoder, **machine)


def test_there_and_back(folder, encode, decode, same):
    coded, out = folder / "new" / "a.spic", folder / "out.png"
    printed = run(*encode, folder / "a.png", "-o", coded)
    bits = same[0].encode(read_picture(folder / "a.png"))
    assert coded.read_bytes() == bits
    assert printed.startswith(f"{coded}: {len(bits)} bytes, {read_spic(bits).bpp:.4f} bpp")
    assert run(*decode, coded, "-o", out) == f"{out}: 96x48\n"
    assert np.array_equal(read_picture(out), same[1].decode(bits))


def test_defaults_are_beside_the_input(folder, encode, decode):
    run(*encode, folder / "b ä.png")
    (folder / "b ä.png").unlink()
    run(*decode, folder / "b ä.spic")
    assert read_picture(folder / "b ä.png").shape == (48, 96, 3)


def test_folders_and_globs(folder, encode, decode):
    lines = run(*encode, folder, "--json").splitlines()
    assert [json.loads(line)["output"] for line in lines] == [str(folder / "a.spic"), str(folder / "b ä.spic")]
    run(*decode, folder / "*.spic", "-o", folder / "out")
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.png", "b ä.png"]
    assert "no file matches" in fail(*decode, folder / "*.none")
    (folder / "empty").mkdir()
    assert "no .png files in this folder" in fail(*encode, folder / "empty")


def test_stdin_and_stdout(folder, encode, decode, same):
    result = invoke(*encode, "-", "--json", data=(folder / "a.png").read_bytes())
    bits = same[0].encode(read_picture(folder / "a.png"))
    assert result.exit_code == 0 and result.stdout_bytes == bits and json.loads(result.stderr.splitlines()[-1])["bytes"]
    result = invoke(*decode, "-", data=bits)
    assert np.array_equal(np.array(Image.open(io.BytesIO(result.stdout_bytes))), same[1].decode(bits))
    assert "stdin" in run("info", "-", data=bits)
    result = invoke(*decode, "-", data=b"nonsense")
    assert result.exit_code == 1 and result.stderr == "spic: stdin: not a .spic file: wrong magic\n"


def test_nothing_is_overwritten_without_force(folder, encode, decode):
    (folder / "a.spic").write_bytes(b"precious")
    assert "a.spic: exists already; --force" in fail(*encode, folder)
    assert (folder / "a.spic").read_bytes() == b"precious" and not (folder / "b ä.spic").exists()
    run(*encode, folder, "--force")
    assert "a.png: exists already" in fail(*decode, folder / "a.spic")
    assert "is an input" in fail(*encode, folder / "a.png", "-o", folder / "a.png", "--force")
    (folder / "a.jpg").write_bytes((folder / "a.png").read_bytes())
    assert "would both become" in fail(*encode, folder / "a.png", folder / "a.jpg")
    assert "do not fit into stdout" in fail(*encode, folder, "-o", "-")


def test_one_bad_file_does_not_stop_the_others(folder, encode, decode):
    (folder / "c.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    (folder / "d.png").write_bytes(b"")
    text = fail(*encode, folder, lines=4)
    assert text.count("does not look like a street") == 2  # the tiny segmenter knows nothing
    assert f"{folder / 'c.png'}: " in text and f"{folder / 'd.png'}: " in text
    assert (folder / "a.spic").exists() and (folder / "b ä.spic").exists() and not (folder / "c.spic").exists()
    (folder / "a.spic").write_bytes((folder / "a.spic").read_bytes()[:-1])
    assert "damaged or cut" in fail(*decode, folder / "*.spic", "-o", folder / "out")
    assert [path.name for path in (folder / "out").iterdir()] == ["b ä.png"]
    assert not list(folder.glob(".*"))


def test_parts_need_no_weights(folder, encode, same):
    run(*encode, folder / "a.png")
    parts = same[1].parts((folder / "a.spic").read_bytes())
    for part in ("ssm", "coarse", "preview"):
        run("decode", "--part", part, folder / "a.spic", "-o", folder / f"{part}.png")
    assert np.array_equal(read_labels(folder / "ssm.png"), parts.ssm)
    assert np.array_equal(read_picture(folder / "coarse.png"), parts.coarse)
    assert read_picture(folder / "preview.png").shape == (48, 96, 3)
    assert "--part x: expected" in fail("decode", "--part", "x", folder / "a.spic")


def test_info(folder, encode):
    run(*encode, folder / "a.png", "--steps", 2, "--seed", 9)
    record = json.loads(run("info", folder / "a.spic", "--json"))
    assert (record["width"], record["height"]) == (96, 48)
    assert (record["working_width"], record["working_height"]) == (512, 256)
    assert record["sampling"] == {"sampler": "ddim", "steps": 2, "start": 100, "guidance": 1.0} and record["seed"] == 9
    assert record["bytes"] == (folder / "a.spic").stat().st_size and record["ssm_codec"] == "png"
    text = run("info", folder / "a.spic")
    assert "96x48, coded at 512x256" in text and "steps 2" in text and record["weights_id"] in text
    assert "not a .spic file" in fail("info", folder / "a.png")
    assert "out of range" in fail("info", folder / "a.spic", "--max-pixels", 100)


def test_wrong_weights_and_settings(folder, encode, decode):
    run(*encode, folder / "a.png")
    coded, out = folder / "a.spic", folder / "out.png"
    assert "--any-weights" in fail("decode", coded, "-o", out, *MACHINE)  # the shipped ones
    assert "unknown sampler" in fail(*decode, coded, "-o", out, "--sampler", "magic")
    assert ".xyz" in fail(*decode, coded, "-o", folder / "out.xyz")
    assert "either a quality or a target_bpp" in fail(*encode, folder / "b ä.png", "--target-bpp", 0.2)
    assert "qp must be" in fail(*encode, folder / "b ä.png", "-q", 99, lines=2)
    assert "device 'tpu'" in fail(*encode, folder / "b ä.png", "--device", "tpu")
    assert "no such file" in fail(*encode, folder / "none.png")
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "a.spic", "b ä.png"]


def test_roundtrip(folder, encode, tiny_decoder):
    weights = encode[encode.index("--segmenter-weights") :]
    line = run("roundtrip", folder / "a.png", *weights, "-o", folder / "out", "--json", "--target-bpp", 2)
    record = json.loads(line)
    assert 0 <= record["miou"] <= 1 and record["psnr"] > 5 and record["bpp"] <= 2
    assert (folder / "out" / "a.spic").stat().st_size == record["bytes"]
    assert read_picture(folder / "out" / "a.png").shape == (48, 96, 3)


def test_roundtrip_with_a_residual(folder, encode):
    """The residual brings the pixels back, and is counted."""
    weights = encode[encode.index("--segmenter-weights") :]
    plain, exact = (
        json.loads(run("roundtrip", folder / "a.png", *weights, "--json", *more)) for more in ([], ["--residual-qp", 4])
    )
    assert exact["psnr"] > 35 > plain["psnr"] and exact["bytes"] > plain["bytes"] + 100


def test_compare(folder, encode):
    weights = encode[encode.index("--segmenter-weights") :]
    out = folder / "out"
    command = ["compare", folder / "a.png", "-o", out, *weights]
    only = ["--method", "bpg", "--method", "jpeg2000", "--method", "upsampled"]
    text = run(*command, "--bpp", 0.3, *only)
    assert {"index.html", "compare.csv", "a.original.png", "a.bpg.png"} <= {path.name for path in out.iterdir()}
    (shown,) = json.loads(re.search(r"const pictures = (.*);\n", (out / "index.html").read_text())[1])
    labels = [version["label"] for version in shown["versions"]]
    assert labels == ["original", "SSM", "coarse picture", "BPG", "JPEG 2000", "coarse image, upsampled"]
    assert all((out / version["file"]).is_file() for version in shown["versions"]) and shown["remark"] == ""
    assert [key for key, _ in shown["versions"][3]["numbers"]] == ["setting", "bpp", "mIoU", "PSNR"]
    rows = [line.split(",") for line in (out / "compare.csv").read_text().splitlines()]
    table = {row[1]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert abs(float(table["jpeg2000"]["bpp"]) / 0.3 - 1) < 0.05 and table["bpg"]["status"] == "met"
    assert float(table["bpg"]["psnr"]) > float(table["upsampled"]["psnr"] or 0) and "index.html" in text
    assert "exists already" in fail(*command)
    run(*command, "--bpp", 20, *only, "--method", "dsslic", "--force")  # beyond what BPG can spend
    page = (out / "index.html").read_text()
    assert "bpg: unreachable" in page and "dsslic: no quality_range of coarse_qp and residual_qp" in page
    assert "--bpp 0.0" in fail("compare", folder / "a.png", "--bpp", 0)


def test_compare_takes_methods_whose_rate_can_be_looked_for():
    from spic.benchmark.methods import get_method, method_names
    from spic.cli.compare import _comparable

    found = {name for name in method_names() if _comparable(get_method(name))}
    assert {"spic", "spic_20", "sr", "upsampled", "bpg"} <= found and not {"sdm", "dsslic", "ldm", "hevc"} & found


def test_an_image_that_comes_back_exactly(folder, encode):
    write_png(folder / "black.png", np.zeros((256, 512, 3), np.uint8))
    weights = encode[encode.index("--segmenter-weights") :]
    command = ["compare", folder / "black.png", "-o", folder / "out", "--method", "jpeg2000", "--bpp", 0.3, *weights]
    row = json.loads(run(*command, "--json"), parse_constant=pytest.fail)
    assert row["psnr"] is None and row["miou"] == 1 and row["status"] == "met"
    assert "inf" in run(*command, "--force").splitlines()[0].split()
    header, row = (line.split(",") for line in (folder / "out" / "compare.csv").read_text().splitlines())
    assert dict(zip(header, row, strict=True))["psnr"] == "inf"
    assert '["PSNR", "inf dB"]' in (folder / "out" / "index.html").read_text()


def test_demo_and_a_second_process_with_the_shipped_weights(tmp_path):
    text = run("demo", tmp_path, *MACHINE, "--threads", 1)
    assert "mIoU" in text and read_picture(tmp_path / "rebuilt.png").shape == (256, 512, 3)
    command = [sys.executable, "-m", "spic.cli", "decode", str(tmp_path / "street.spic"), "-o", str(tmp_path / "b.png")]
    subprocess.run([*command, *MACHINE, "--threads", "1"], check=True, capture_output=True)
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "rebuilt.png").read_bytes()
    assert "shipped: street-decoder" in run("info", tmp_path / "street.spic")
    assert "exists already" in fail("demo", tmp_path)


def test_a_killed_encode_leaves_nothing(folder):
    code = (
        "import sys, time, spic.files, spic.cli.files as f; replace = spic.files.Path.replace\n"
        "def slow(self, target): print('ready', flush=True); time.sleep(60)\n"
        "spic.files.Path.replace = slow\n"
        "f.for_each('', [f.Path('x')], lambda s: f.write_bytes_to(f.Path(sys.argv[1]), b'bits'))"
    )
    target = folder / "killed.spic"
    process = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n" and len(list(folder.glob(".*.tmp"))) == 1
    process.terminate()
    assert process.wait() == 143 and not target.exists() and not list(folder.glob(".*"))


def test_help():
    for command in ("encode", "decode", "info", "roundtrip", "compare", "demo"):
        assert command in run("--help") and "--help" in run(command, "--help")


def test_help_and_info_are_quick(folder, encode):
    run(*encode, folder / "a.png")
    for arguments, limit in ((["--help"], 0.3), (["info", str(folder / "a.spic")], 0.5)):
        code = (
            "import sys, time; sys.argv = ['spic', *sys.argv[1:]]\nfrom spic.cli import app\n"
            "try: app()\nfinally: print(time.process_time(), file=sys.stderr)"
        )
        times = []
        for _ in range(3):
            result = subprocess.run(
                [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
            )
            times.append(float(result.stderr))
        assert min(times) < limit, times


def test_files_of_which_a_part_is_missing(folder, same, decode, tiny_ablations, tiny_scenes):
    scenes = tiny_scenes(1, (32, 64))
    data = same[0].encode(scenes.picture(0), scenes.labels(0))
    file = read_spic(data)
    (folder / "a.spic").write_bytes(data)
    for name in ("ssm", "coarse"):
        (folder / f"no {name}.spic").write_bytes(write_spic(replace(file, **{name: None})))
    weights = [f"--{key.replace('_', '-')}={path}" for key, path in tiny_ablations.items()]
    result = invoke(*decode, *weights, folder / "no ssm.spic", "-o", folder / "x.png")
    assert result.exit_code == 0 and read_picture(folder / "x.png").shape == (32, 64, 3)
    assert result.stderr == f"spic: {folder}/no ssm.spic: the SSM is missing; decoded from the coarse image alone\n"
    assert json.loads(run(*decode, *weights, folder / "no coarse.spic", "--json"))["notes"] == [
        "the coarse image is missing; decoded from the SSM alone"
    ]
    assert "the coarse image is missing" in fail("decode", "--part", "preview", folder / "no coarse.spic", "--force")
    for name, option in (("ssm", "--sr-weights"), ("coarse", "--sdm-weights")):  # by what is shipped, and overruled
        done = invoke(*decode, folder / f"no {name}.spic", "-o", folder / f"{name}.png")
        assert done.exit_code == 0 and done.stderr.count("\n") == 1 and "alone" in done.stderr
        told = fail(*decode, folder / f"no {name}.spic", option, "street-decoder", "--force")
        assert f"{option[2:].replace('-', '_')}: " in told and "was trained with --condition both" in told
    for command in (["encode", folder / "a.png"], ["decode", folder / "a.spic"]):
        told = fail(*command, "--decoder", "street-sr", "-o", folder / "y", "--force")
        assert "street-sr.safetensors was trained with --condition coarse, not both" in told
    given = read_picture(folder / "x.png")
    assert not np.array_equal(given, read_picture(folder / "ssm.png"))
    text = run("info", folder / "no ssm.spic")
    assert "version 2" in text and "SSM          missing" in text and "residual     none" in text
    record = json.loads(run("info", folder / "no ssm.spic", "--json"))
    assert record["missing"] == ["ssm"] and record["ssm_bytes"] == record["residual_bytes"] == 0
    assert "version 1" in run("info", folder / "a.spic")


def test_a_file_with_a_residual(folder, encode, decode):
    line = run(*encode, folder / "a.png", "--residual-qp", 36)
    file = read_spic((folder / "a.spic").read_bytes())
    assert f"residual {len(file.residual)} bytes)" in line
    assert f"residual     {len(file.residual)} bytes, bpg" in run("info", folder / "a.spic")
    done = invoke(*decode, folder / "a.spic", "-o", folder / "x.png")
    assert done.exit_code == 0 and done.stderr == ""
    error = np.abs(read_picture(folder / "x.png").astype(int) - read_picture(folder / "a.png")).mean()
    assert error < 9
    done = invoke(*decode, folder / "a.spic", "--seed", 3, "-o", folder / "y.png")
    assert done.exit_code == 0 and done.stderr.count("\n") == 1 and "the residual is left out" in done.stderr
    assert "residual_qp must be a number from 0 to 51" in fail(*encode, folder / "b ä.png", "--residual-qp", 52)
