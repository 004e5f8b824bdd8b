"""`spic run`: one run a folder, and an abandoned folder is taken up again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from spic.errors import ConfigError
from spic.workflow import _cache_home, run_workflow

pytestmark = pytest.mark.workflow
SNAKEFILE = 'rule all:\n    output: "done"\n    shell: "test -e go || sleep 12; touch {output}"\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


def start(folder):
    code = (
        "import sys; from spic.workflow import run_workflow; sys.exit(run_workflow(['--cores', '1', '--quiet', 'all']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list((folder / ".snakemake").glob("locks/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    return process


def test_without_a_snakefile_there_is_nothing_to_run(tmp_path):
    with pytest.raises(ConfigError, match="no Snakefile"):
        run_workflow([], tmp_path)


def test_a_folder_in_use_is_refused_and_an_abandoned_one_taken_up(folder, capfd):
    process = start(folder)
    try:
        with pytest.raises(ConfigError, match="another run"):
            run_workflow(["--cores", "1"], folder)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert list((folder / ".snakemake" / "locks").iterdir())
    (folder / "go").touch()
    assert run_workflow(["--cores", "1"], folder) == 0
    assert (folder / "done").exists()
    assert "going on where it stopped" in capfd.readouterr().err
    assert run_workflow(["--cores", "1"], folder) == 0
    assert "Nothing to be done" in "".join(capfd.readouterr())


@pytest.mark.parametrize("home", ["/proc/nohome", "no entry"])
def test_a_user_without_a_home_has_a_cache_in_the_temporary_folder(home, folder, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", "")  # and put back, whatever happens to it
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if home == "no entry":
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        assert _cache_home() == {"XDG_CACHE_HOME": str(tmp_path / f"spic-cache-{os.getuid()}")}
        (tmp_path / f"spic-cache-{os.getuid()}").chmod(0o777)
        with pytest.raises(ConfigError, match="XDG_CACHE_HOME can name"):
            _cache_home()
        return
    monkeypatch.setenv("HOME", home)
    (folder / "go").touch()
    assert run_workflow(["--cores", "1"], folder) == 0 and (folder / "done").exists()
    assert "/proc/nohome/.cache is not writable; the cache is in " in capfd.readouterr().err


def test_a_failing_workflow_is_a_failing_command(folder):
    (folder / "Snakefile").write_text('rule all:\n    output: "done"\n    shell: "false"\n')
    assert run_workflow(["--cores", "1", "--quiet", "all"], folder) != 0
