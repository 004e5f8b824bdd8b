"""Machine code on disk: kept where numba may write, in the temporary folder, or nowhere; never an error."""

import errno
import importlib.util
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

from spic.codecs import jit

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "from spic.codecs.jit import kernel\n\n\n@kernel\ndef double(x):\n    return 2 * x\n"


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path, caplog):
    """No place of this user's, and a temporary folder of the test's own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    jit._warn.cache_clear()
    caplog.set_level(logging.INFO, logger="spic.codecs.jit")


def package(tmp_path, read_only: bool):
    """A module with a kernel; a file where Python's cache would be keeps everybody, root too, from writing there."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "fresh_kernel.py").write_text(SOURCE)
    if read_only:
        (folder / "__pycache__").touch()

    def load():
        spec = importlib.util.spec_from_file_location("fresh_kernel", folder / "fresh_kernel.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def kept(folder) -> list[str]:
    return sorted({path.suffix for path in folder.rglob("*double-*")})


def test_a_cold_compile_is_said_once_and_kept(tmp_path, caplog):
    load = package(tmp_path, read_only=False)
    module = load()
    assert not caplog.records and not kept(tmp_path)  # an import writes nothing
    assert module.double(4) == 8 and module.double(5) == 10
    assert len(caplog.records) == 1 and caplog.messages[0].startswith("compiled double for this machine in ")
    assert kept(tmp_path / "package") == [".nbc", ".nbi"]
    assert load().double(4) == 8 and len(caplog.records) == 1


COMPILER = "numba.np.arraymath"  # a part of numba that only compiling needs
LOADED = """
import sys
sys.path.insert(0, "package")
from fresh_kernel import double
assert double(4) == 8
if "cold" in sys.argv:
    sys.exit()
assert "{0}" not in sys.modules
assert double(2.5) == 5.0 and "{0}" in sys.modules  # other types: compiled beside what was loaded
assert double(4) == 8
"""


def test_machine_code_is_loaded_without_the_compiler(tmp_path):
    assert jit._QUICK, "numba is another one: does `_load` work with it? Then name it"
    package(tmp_path, read_only=False)
    script = LOADED.format(COMPILER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for state in ("cold", "warm"):
        subprocess.run([sys.executable, "-c", script, state], check=True, cwd=tmp_path, env=environment)


def test_a_package_that_is_read_only_is_kept_at_home(tmp_path, caplog):
    load = package(tmp_path, read_only=True)
    assert load().double(4) == 8
    assert kept(tmp_path / "home") == [".nbc", ".nbi"] and not kept(tmp_path / "tmp")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("named", ["", "/proc/none"])
def test_without_a_home_it_is_the_temporary_folder(named, tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("HOME", "/proc/nohome")
    monkeypatch.setattr(numba.config, "CACHE_DIR", named)
    load = package(tmp_path, read_only=True)
    assert load().double(4) == 8
    folder = tmp_path / "tmp" / f"spic-numba-{os.getuid()}"
    assert kept(folder) == [".nbc", ".nbi"] and folder.stat().st_mode & 0o777 == 0o700
    warning, _ = caplog.records
    assert warning.levelname == "WARNING" and str(folder) in warning.message and "NUMBA_CACHE_DIR" in warning.message
    assert load().double(5) == 10 and len(caplog.records) == 2  # loaded, not compiled
    assert numba.config.CACHE_DIR == named


@pytest.mark.parametrize("why", ["no entry in passwd", "XDG_CACHE_HOME is empty"])
def test_a_user_without_a_home_gets_no_folder_in_the_current_one(why, tmp_path, monkeypatch):
    if why == "no entry in passwd":
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert package(tmp_path, read_only=True)().double(4) == 8
    assert kept(tmp_path / "tmp") and {path.name for path in tmp_path.iterdir()} == {"package", "tmp"}


@pytest.mark.parametrize("taken", ["file", "link", "open", "unwritable"])
def test_a_folder_that_others_could_write_in_is_not_used(taken, tmp_path, caplog, monkeypatch):
    """Machine code is run, so it is not read from where anybody may have put it."""
    monkeypatch.setenv("HOME", "/proc/nohome")
    folder = tmp_path / "tmp" / f"spic-numba-{os.getuid()}"
    if taken == "file":
        folder.touch()
    elif taken == "link":
        folder.symlink_to(tmp_path)
    elif taken == "open":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        monkeypatch.setattr("tempfile.tempdir", "/proc/none")
    load = package(tmp_path, read_only=True)
    assert [load().double(4), load().double(5)] == [8, 10]
    assert len(caplog.records) == 1 and "every process compiles anew" in caplog.text and not kept(tmp_path)


def test_a_full_disk(tmp_path, caplog, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    double = package(tmp_path, read_only=False)().double
    assert double(4) == 8 and double(2.5) == 5.0
    assert len(caplog.records) == 1 and caplog.messages[0].startswith("No space left on device: machine code")


def test_one_home_for_numba():
    """Whoever uses numba otherwise has a cache of its own to fail."""
    users = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "spic").rglob("*.py")
        if re.search(r"^\s*(import|from) numba\b", path.read_text(), re.MULTILINE)
    ]
    assert users == ["spic/codecs/jit.py"]


READ_ONLY = "mount --bind {0} {0} && mount -o remount,ro,bind {0} && TMPDIR={1} {2} -m spic.cli {3}"


@pytest.mark.slow
def test_the_command_line_in_a_read_only_installation(tmp_path):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces for this user")
    from spic.datasets import get_dataset
    from spic.pictures.reading import write_png

    write_png(tmp_path / "a.png", get_dataset("street_scenes", None, "val", 1).picture(0))
    machine = "--device cpu --dtype float32"
    for command in (f"encode {tmp_path}/a.png {machine}", f"decode {tmp_path}/a.spic -o {tmp_path}/b.png {machine}"):
        script = READ_ONLY.format(ROOT, tmp_path, sys.executable, command)
        environment = {**os.environ, "HOME": "/proc/nohome", "NUMBA_CACHE_DIR": "/proc/none"}
        command = ["unshare", "-m", "bash", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        said = [line for line in done.stderr.splitlines() if "compiled" not in line]
        assert len(said) == 1 and str(tmp_path) in said[0]
    assert (tmp_path / "b.png").exists()
