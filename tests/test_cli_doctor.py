"""`spic doctor` tells what is here, what is missing for what, and what is broken; `spic` leaves as Python does."""

import json
import subprocess
import sys
from functools import partial
from importlib import metadata
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from spic.cli import app, doctor
from spic.plugins import DISTRIBUTION

NEEDED = ["numpy>=2", "torch>=2"]
EXTRA = ['onnxruntime>=1; extra == "onnx"', 'no-such-package>=1; extra == "moon"']


@pytest.fixture
def examine(monkeypatch, tmp_path):
    """Lines of `spic doctor` by what they are about, and its exit status; of an installation that is in order."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPIC_FID_WEIGHTS", "SPIC_LPIPS_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("spic.machine.pick_dtype", lambda name, device: "float32")  # a probe depends on the moment
    monkeypatch.setattr(doctor, "_requirements", lambda: list(map(Requirement, NEEDED + EXTRA)))
    about = SimpleNamespace(get_all=lambda key: ["onnx", "moon"])
    monkeypatch.setattr(metadata, "metadata", lambda name: about)

    def examine():
        result = CliRunner().invoke(app, ["doctor"])
        lines = [line for line in result.output.splitlines() if not line.startswith("spic: ")]
        return {line[8:24].strip(): (line[:8].strip(), line[24:]) for line in lines}, result.exit_code

    return examine


def test_an_installation_in_order(examine):
    found, code = examine()
    assert code == 0 and {state for state, _ in found.values()} <= {"ok", "--"}
    assert found["packages"][0] == "ok" and metadata.version("torch") in found["packages"][1]
    assert found["[moon]"] == ("--", f"pip install '{DISTRIBUTION}[moon]'; lacks no-such-package")
    assert found["fid"][0] == found["lpips"][0] == "--" and "SPIC_FID_WEIGHTS" in found["fid"][1]
    assert found["number format"][1].startswith("float32 on ") and "as released" in found["weights"][1]
    assert {"spic", "python", "CPU", "machine code", "disk here", "temporary", "sbatch"} <= set(found)


def test_the_requirements_are_those_of_the_distribution(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: [*NEEDED, *EXTRA] if name == DISTRIBUTION else None)
    assert doctor._requirements() == list(map(Requirement, NEEDED + EXTRA))


def test_a_clone_that_is_not_installed(examine, monkeypatch):
    monkeypatch.setattr(doctor, "_requirements", lambda: [])
    found, code = examine()
    assert code == 0 and found["packages"][0] == "--" and "is not installed here" in found["packages"][1]


@pytest.mark.parametrize(
    ("breaks", "about", "says"),
    [
        ("package", "packages", "missing or too old: numpy>=99 (here: "),
        ("weights", "weights", "street-decoder"),
        ("file", "lpips", "SPIC_LPIPS_WEIGHTS=none.safetensors: no such file"),
        ("plug-in", "plug-in", "codec9 of spic.codecs, no_such_module:X: No module named"),
        ("torch", "devices", "OSError: libc10.so: cannot open"),
    ],
)
def test_what_is_broken_is_said_and_the_status_is_1(examine, monkeypatch, tmp_path, breaks, about, says):
    from spic import weights

    if breaks == "package":
        monkeypatch.setattr(doctor, "_requirements", lambda: [Requirement("numpy>=99")])
    elif breaks == "weights":
        manifest = json.loads((weights.FOLDER / "manifest.json").read_text())
        (tmp_path / "manifest.json").write_text(json.dumps({"street-decoder": manifest["street-decoder"]}))
        monkeypatch.setattr(weights, "FOLDER", tmp_path)
        monkeypatch.setattr(weights, "shipped", partial(weights.shipped, folder=tmp_path))
    elif breaks == "file":
        monkeypatch.setenv("SPIC_LPIPS_WEIGHTS", "none.safetensors")
    elif breaks == "plug-in":
        point = metadata.EntryPoint("codec9", "no_such_module:X", "spic.codecs")
        points = SimpleNamespace(groups={"spic.codecs", "console_scripts"})
        monkeypatch.setattr(metadata, "entry_points", lambda group=None: [point] if group else points)
    else:
        error = OSError("libc10.so: cannot open")
        monkeypatch.setattr("spic.machine.pick_device", lambda: (_ for _ in ()).throw(error))
    found, code = examine()
    assert code == 1 and found[about][0] == "BROKEN" and says in found[about][1]
    assert {"python", "disk here"} <= set(found)  # the others were looked at all the same


LEAVE = """
import atexit, sys, threading, time
atexit.register(print, "at exit")
sys.argv = ["spic", *sys.argv[1:]]
{0}
from spic.cli.__main__ import main
main()
"""
THREAD = "threading.Thread(target=lambda: (time.sleep(1.5), print('thread'))).start()"


@pytest.mark.parametrize(("first", "words"), [("", "at exit"), (THREAD, "thread\nat exit")])
def test_the_quick_way_out_loses_nothing(first, words):
    command = [sys.executable, "-c", LEAVE.format(first), "--version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("spic ") and done.stdout.endswith(f"\n{words}\n")
    command = [sys.executable, "-c", LEAVE.format(first), "info", "none.spic"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (
        done.returncode == 1
        and done.stderr == "spic: none.spic: No such file or directory\n"
        and done.stdout == f"{words}\n"
    )
