"""The method learned: a toy codec in a worker, and workers that die, hang or answer nonsense."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spic.benchmark import learned
from spic.benchmark.coding import decode, encode, read_folder
from spic.benchmark.method import Picture, Settings
from spic.benchmark.methods import get_method
from spic.benchmark.plan import Plan
from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures.reading import write_png

TOY = '''
"""Every sample divided by the quality, then zlib; it talks, and can be made to fail."""
import os, sys, time, zlib
import numpy as np


class Toy:
    def __init__(self, trick=""):
        print("loading", trick)  # what a codec prints is no answer
        self.trick = trick
        if trick == "refuse":
            raise ValueError("no such\\ncheckpoint")

    def compress(self, image, quality):
        os.write(1, b"compressing\\n")
        if self.trick == "die":
            os.abort()
        if self.trick == "leave":
            print("out of luck", file=sys.stderr)
            os._exit(3)
        if self.trick == "hang":
            time.sleep(100)
        if self.trick == "text":
            return "text"
        return bytes([quality]) + image.shape[0].to_bytes(2, "big") + zlib.compress((image // quality).tobytes())

    def decompress(self, data):
        pixels = np.frombuffer(zlib.decompress(data[3:]), np.uint8).reshape(int.from_bytes(data[1:3], "big"), -1, 3)
        return pixels.astype(float) if self.trick == "floats" else pixels * data[0]
'''


@pytest.fixture
def toy(tmp_path):
    """Makes the method with that codec in a second process, by the interpreter that `learned_python` names."""
    (tmp_path / "toy.py").write_text(TOY)

    def make(trick="", **changes):
        options = {"codec": f"{tmp_path}/toy.py:Toy", "options": {"trick": trick}, "timeout": 60, **changes}
        return get_method("learned", Settings(learned_python=sys.executable, method_options={"learned": options}))

    return make


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(256, size=(20, 30, 3), dtype=np.uint8)


def test_bytes_go_there_and_images_come_back(toy, image, tmp_path):
    method = toy()
    (tmp_path / "in").mkdir()
    write_png(tmp_path / "in" / "a.png", image)
    encode("learned", 16, method.settings, tmp_path / "in", None, tmp_path / "coded", tmp_path / "t1.csv")
    decode("learned", method.settings, tmp_path / "coded", tmp_path / "out", tmp_path / "t2.csv")
    ((_, found),) = read_folder(tmp_path / "out")
    assert np.array_equal(found, image // 16 * 16)
    (coded,) = (tmp_path / "coded").iterdir()
    assert coded.name == "a.picture.learned" and coded.read_bytes()[0] == 16


def test_one_worker_serves_all_images_and_ends_with_its_method(toy, image):
    method = toy()
    parts = [method.encode(Picture(image), quality) for quality in (8, 32)]
    process = method._worker._process
    assert np.array_equal(method.decode(parts, ["a", "b"])[1], image // 32 * 32) and process.poll() is None
    del method
    assert process.poll() is not None


@pytest.mark.parametrize(
    ("trick", "kind", "message"),
    [
        ("refuse", ConfigError, "ValueError: no such checkpoint"),
        ("die", ConfigError, r"its worker ended \(exit status -6\)"),
        ("leave", ConfigError, r"its worker ended \(exit status 3\): out of luck"),
        ("text", DataError, "TypeError: compress gave str, not bytes"),
        ("floats", BitstreamError, r"TypeError: decompress gave float64 \(20, 30, 3\), not uint8"),
    ],
)
def test_what_goes_wrong_is_one_line(trick, kind, message, toy, image):
    method = toy(trick)
    with pytest.raises(kind, match=rf"^codec .*toy\.py:Toy: {message}") as error:
        method.decode([method.encode(Picture(image), 16)], ["a"])
    assert "\n" not in str(error.value)


def test_damaged_bytes_and_a_worker_that_goes_on(toy, image):
    method = toy()
    part = method.encode(Picture(image), 16)
    for data in (b"", part["picture"][:-9], b"\xff" * 50):
        with pytest.raises(BitstreamError, match=r"codec .*toy\.py:Toy: "):
            method.decode([{"picture": data}], ["a"])
    assert np.array_equal(method.decode([part], ["a"])[0], image // 16 * 16)


def test_a_worker_that_hangs_is_stopped(toy, image):
    method, start = toy("hang", timeout=1.5), time.monotonic()
    with pytest.raises(ConfigError, match=r"no answer within 1\.5 s"):
        method.encode(Picture(image), 16)
    assert time.monotonic() - start < 20 and method._worker._process.poll() is not None


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"\xff" * 100, "answered no message of the protocol"),
        (b"\0\0\0\x02[]", "answered no message of the protocol"),
        (b'\0\0\0\x0e{"bytes": 1e9}', "answered no message of the protocol"),
        (b'\0\0\0\x0d{"bytes": 99}', "its worker ended"),
        (b"", "its worker ended"),
    ],
)
def test_garbage_is_no_answer(sent, message, toy, tmp_path, monkeypatch):
    (tmp_path / "worker.py").write_text(f"import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write({sent!r})")
    monkeypatch.setattr(learned, "_WORKER", tmp_path / "worker.py")
    with pytest.raises(ConfigError, match=message):
        toy().encode(Picture(np.zeros((400, 400, 3), np.uint8)), 16)


def test_settings_are_checked_before_a_run(toy, tmp_path):
    assert toy().lack is None and get_method("learned").missing == "method_options"
    assert get_method("learned").lack.startswith("a codec, method_options: {learned: {codec:")
    (tmp_path / "toy.py").unlink()
    assert toy().lack == f"a codec; {tmp_path}/toy.py: no such file"
    wrong = {"learned": {"codec": "module:name"}}
    found = get_method("learned", Settings(learned_python=str(tmp_path / "python"), method_options=wrong))
    assert found.lack == f"learned_python; {tmp_path}/python: no such program"
    for options, message in (
        ({"kodec": 1}, "learned has codec, options and timeout, not kodec"),
        ({"codec": 1}, "codec is a text"),
        ({"codec": "a:b", "timeout": 0}, "timeout 0: seconds"),
    ):
        with pytest.raises(ConfigError, match=message):
            get_method("learned", Settings(method_options={"learned": options}))


def test_the_codec_and_its_files_count(toy, tmp_path):
    (tmp_path / "checkpoint.pth").write_bytes(b"1")
    options = {"codec": f"{tmp_path}/toy.py:Toy", "options": {"checkpoint": str(tmp_path / "checkpoint.pth")}}
    config = {"methods": {"learned": {"quality": [1]}}, "protocols": ["corrected"], "learned_python": sys.executable}
    config |= {"method_options": {"learned": options}, "ssm_codec": "flif", "coarse_codec": "bpg", "seed": 0}
    toy()
    coder = Plan(config).coder("learned")
    assert coder["weights"].keys() == {"toy.py", "checkpoint.pth"}
    assert coder["settings"]["method_options"] == {"learned": options}
    os.truncate(tmp_path / "checkpoint.pth", 0)
    assert Plan(config).coder("learned")["weights"] != coder["weights"]


def test_a_codec_by_the_name_of_its_entry_point(image, tmp_path, monkeypatch):
    (tmp_path / "toy.py").write_text(TOY)
    info = tmp_path / "toy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[spic.learned]\ntoy = toy:Toy\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    method = get_method("learned", Settings(method_options={"learned": {"codec": "toy"}}))
    part = method.encode(Picture(image), 16)
    assert np.array_equal(method.decode([part], ["a"])[0], image // 16 * 16)
    with pytest.raises(ConfigError, match=r"no entry point 'toys' of the group spic\.learned"):
        get_method("learned", Settings(method_options={"learned": {"codec": "toys"}})).encode(Picture(image), 1)


@pytest.mark.slow
def test_the_page_runs_compressai_in_an_environment_of_its_own(tmp_path):
    """That of this project, but numpy 1 and CompressAI; skipped where the packages cannot be had."""
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "methods.md").read_text(encoding="utf-8")
    source = re.search(r"`learned_compressai\.py`.*?\n```python[^\n]*\n(.*?)^```$", page, re.S | re.M)[1]
    # a torchvision that does not load here (see the shim) would stop compressai's import
    shim = root / "spic" / "metrics" / "torchvision_shim.py"
    shutil.copy(shim, tmp_path)
    text = "import torchvision_shim\n\ntorchvision_shim.import_torchvision()\n"
    (tmp_path / "learned_compressai.py").write_text(text + source)
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "parent.pth").write_text(str(Path(np.__file__).resolve().parents[1]))
    python = environment / "bin" / "python"
    wanted = ["compressai==1.2.8", "numpy<2", "einops", "pytorch-msssim", "torch_geometric", "xxhash"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--python",
        python,
        "install",
        "--no-deps",
        "--only-binary=:all:",
    ]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no packages: {done.stderr[-200:]}")
    make = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import learned_compressai as c, torch; "
    make += "net = c.compressai.models.ScaleHyperprior(8, 12); torch.manual_seed(0); "
    make += f"torch.save(net.state_dict(), {str(tmp_path / 'q1.pth')!r})"
    subprocess.run([python, "-c", make], check=True, capture_output=True)
    options = {"codec": f"{tmp_path}/learned_compressai.py:CompressAI"}
    options["options"] = {"checkpoints": {"1": str(tmp_path / "q1.pth")}}
    method = get_method("learned", Settings(learned_python=str(python), method_options={"learned": options}))
    assert method.files() == [str(tmp_path / "learned_compressai.py"), str(tmp_path / "q1.pth")]
    image = np.random.default_rng(0).integers(256, size=(48, 80, 3), dtype=np.uint8)
    part = method.encode(Picture(image), 1)
    assert method.encode(Picture(image), 1) == part and 9 < len(part["picture"]) < image.size
    (found,) = method.decode([part], ["a"])
    assert found.shape == image.shape and found.dtype == np.uint8
    with pytest.raises(BitstreamError):
        method.decode([{"picture": part["picture"][:5]}], ["a"])
