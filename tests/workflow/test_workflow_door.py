"""`spic run`: one run a folder, whoever started it; an abandoned folder is taken up again; telling changes nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from spic.errors import ConfigError
from spic.run import launch as workflow
from spic.run.launch import _cache_home, hold_folder, run_workflow

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.workflow
SNAKEFILE = 'rule all:\n    output: "done"\n    shell: "test -e go || sleep 30; touch {output}"\n'
BARE, DOOR = ["-m", "snakemake", "--cores", "1"], ["-m", "spic.cli", "run"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A clone with a workflow that waits until there is a file `go`; the present folder."""
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "Snakefile").write_text(SNAKEFILE)
    monkeypatch.chdir(clone)
    return clone


@pytest.fixture
def start(folder):
    """Start Snakemake by one of the doors and wait until it holds the folder `at`; all are killed at the end."""
    processes = []

    def start(at, *arguments):
        command = [sys.executable, *arguments, "--quiet", "all"]
        processes.append(subprocess.Popen(command, cwd=folder, start_new_session=True))
        deadline = time.monotonic() + 60
        while not locks(at) and time.monotonic() < deadline:
            time.sleep(0.1)
        return processes[-1]

    yield start
    for process in processes:
        kill(process)


def kill(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def locks(folder) -> list[str]:
    return sorted(path.name for path in (folder / ".snakemake" / "locks").glob("*"))


def door(*arguments, cwd=None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *DOOR, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A queue with one job of a run, submitted in the folder given; returns the file of what scancel was asked."""

    def fill(folder):
        programs, asked = tmp_path / "bin", tmp_path / "cancelled"
        programs.mkdir()
        job = f"7|0204ec6b-c84a-495a-9ed9-b76aa40b173c|{folder}"
        (programs / "squeue").write_text(f'#!/bin/sh\ntest -e {asked} || echo "{job}"\n')
        (programs / "scancel").write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
        for program in programs.iterdir():
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
        return asked

    return fill


def test_without_a_snakefile_there_is_nothing_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no Snakefile"):
        run_workflow([])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "x"], "name=value"),
        (["--cores", "x"], "must be integer"),
        (["--configfile", "none.yaml"], "none.yaml: No such file"),
        (["--configfile", "broken.yaml"], "broken.yaml: not YAML"),
        (["--configfile", "config/smoke.yaml", "--configfile=broken.yaml"], "--configfile is given twice"),
        (["--config", "run=a", "--config", "seed=1"], "--config is given twice"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_line_and_changes_nothing(folder, arguments, message):
    (folder / "broken.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match=message) as caught:
        run_workflow(arguments)
    assert "\n" not in str(caught.value) and not (folder / ".snakemake").exists()


def test_runs_in_two_folders_go_side_by_side_and_a_killed_one_is_taken_up(folder, start, tmp_path, slurm):
    one, two = tmp_path / "one", tmp_path / "two"
    first = start(one, *DOOR, "--directory", one)
    with pytest.raises(ConfigError, match=rf"one: another run is going on in this folder \(process {first.pid} on"):
        run_workflow(["--directory", str(one)])
    two.mkdir()
    (two / "go").touch()
    assert door("--directory", two).returncode == 0 and (two / "done").exists()
    kill(first)
    assert locks(one)
    (one / "go").touch()
    asked = slurm(one)
    done = door("--directory", one)
    assert done.returncode == 0 and (one / "done").exists() and not locks(one)
    assert "going on where it stopped" in done.stderr
    assert asked.read_text() == "7\n"  # what the killed run left in the queue
    assert list(folder.iterdir()) == [folder / "Snakefile"]  # nothing is written to the clone


def test_beside_a_bare_snakemake_nothing_is_touched(folder, start, slurm):
    asked, live = slurm(folder), start(folder, *BARE)
    before = locks(folder)
    assert before
    with pytest.raises(ConfigError, match=rf"a Snakemake is at work in this folder \(process {live.pid}\)"):
        run_workflow(["--cores", "1"])
    with pytest.raises(ConfigError, match="is at work"):
        run_workflow(["--unlock"])
    told = door("--dry-run")
    assert told.returncode == 0 and "Another Snakemake instance is running" in told.stdout + told.stderr
    assert locks(folder) == before and not asked.exists() and live.poll() is None


def test_a_dry_run_in_an_abandoned_folder_changes_nothing(folder, slurm):
    lock = folder / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("done\n")
    asked = slurm(folder)
    told = door("--dry-run")
    assert told.returncode == 0 and "An earlier run was killed" in told.stderr
    assert lock.exists() and not asked.exists() and not (folder / ".snakemake" / "spic.lock").exists()


@pytest.mark.parametrize(
    ("command", "at_work"),
    [
        (["/x/bin/python", "/x/bin/snakemake", "--cores", "1"], True),
        (["python3.11", "-u", "-m", "snakemake"], True),
        (["python", "-m", "snakemake", "-n"], False),
        (["python", "-m", "snakemake", "--mode", "remote"], False),  # a job in Slurm's queue, on this very machine
        (["python", "/c/.snakemake/scripts/tmp1.look.py"], False),
        (["less", "Snakefile"], False),
        (None, False),  # of another user
    ],
)
def test_who_counts_as_a_snakemake_at_work(tmp_path, monkeypatch, command, at_work):
    import psutil

    def processes(_):
        for pid, folder in ((7, str(tmp_path.parent)), (8, str(tmp_path)), (9, None)):
            yield SimpleNamespace(pid=pid, info={"cmdline": command, "cwd": folder})

    monkeypatch.setattr(psutil, "process_iter", processes)
    assert workflow._at_work(tmp_path) == (8 if at_work else None)


def test_a_lock_left_behind_hides_no_mistake_in_the_config(tmp_path):
    lock = tmp_path / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("x\n")
    (tmp_path / "bad.yaml").write_text("limit: zero")
    done = door("--directory", tmp_path, "--configfile", "config/smoke.yaml", tmp_path / "bad.yaml", cwd=ROOT)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == "config: $.limit: 'zero' is not of type 'integer', 'null'"


@pytest.mark.parametrize("home", ["/proc/nohome", "no entry"])
def test_a_user_without_a_home_has_a_cache_in_the_temporary_folder(home, folder, tmp_path, monkeypatch):
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
    ran = door("--cores", "1")
    assert ran.returncode == 0 and (folder / "done").exists()
    assert "/proc/nohome/.cache is not writable; the cache is in " in ran.stderr


def test_a_failing_workflow_is_a_failing_command(folder):
    (folder / "Snakefile").write_text('rule all:\n    output: "done"\n    shell: "false"\n')
    assert door("--cores", "1", "--quiet", "all").returncode == 1


def test_a_bare_snakemake_holds_its_folder_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workflow, "_held", [])
    hold_folder()
    hold_folder()  # it has it
    with pytest.raises(ConfigError, match=f"another run is going on in this folder .process {os.getpid()} on"):
        workflow._take(tmp_path)
    workflow._held.pop().close()
    workflow._take(tmp_path).close()


def test_a_folder_that_can_not_be_written_is_said(tmp_path):
    (tmp_path / ".snakemake").touch()
    with pytest.raises(ConfigError, match=r"\.snakemake/spic.lock: .*; --directory names another folder"):
        workflow._take(tmp_path)


def test_a_file_system_without_locks_has_no_say(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(workflow.fcntl, "flock", refuse)
    workflow._take(tmp_path).close()


@pytest.mark.parametrize(
    "arguments", [["-n"], ["-pn"], ["--dryrun"], ["--summary"], ["-S"], ["-l"], ["--lint"], ["--dag"]]
)
def test_these_only_tell_something(folder, arguments, monkeypatch):
    monkeypatch.setattr(workflow, "_take", None)
    monkeypatch.setattr("snakemake.cli.args_to_api", lambda args, parser: True)
    assert run_workflow(arguments) == 0
    assert run_workflow(["--report", "x.html"]) == 0
    assert not (folder / ".snakemake").exists()


def test_every_option_that_tells_exists(folder, monkeypatch):
    seen = []
    monkeypatch.setattr("snakemake.cli.args_to_api", lambda args, parser: seen.append(args) or True)
    assert run_workflow(["-n"]) == 0
    assert set(workflow._TELLING) <= set(vars(seen[0]))


@pytest.mark.parametrize(
    ("arguments", "cores"),
    [
        ([], 5),
        (["--configfile", "config.yaml"], 5),
        (["--cores=3"], 3),
        (["-c", "all"], None),
        (["-j8"], None),
        (["--executor", "slurm", "-j8"], None),  # the login node's cores would limit every submission
    ],
)
def test_all_usable_cores_are_for_runs_on_this_machine(folder, arguments, cores, monkeypatch):
    if "slurm" in arguments:
        pytest.importorskip("snakemake_executor_plugin_slurm")
    (folder / "config.yaml").touch()
    monkeypatch.setattr(workflow, "usable_cores", lambda: 5)
    seen = []
    monkeypatch.setattr("snakemake.cli.args_to_api", lambda args, parser: seen.append(args) or True)
    assert run_workflow(arguments) == 0
    assert seen[0].rerun_incomplete and (seen[0].cores != 5 if cores is None else seen[0].cores == cores)


@pytest.mark.slow
def test_a_clone_in_a_path_with_a_space_and_an_apostrophe(tmp_path):
    clone = tmp_path / "it's my clone"
    clone.mkdir()
    for name in ("Snakefile", "config", "config.yaml", "envs", "profiles", "report", "rules", "scripts", "spic"):
        (clone / name).symlink_to(ROOT / name)
    (clone / ".venv").symlink_to(sys.prefix)
    python = clone / ".venv" / Path(sys.executable).relative_to(sys.prefix)
    for program in (DOOR, BARE):
        target = "results/smoke/originals/0000/pictures"
        command = [str(python), *program, "--configfile", "config/smoke.yaml", "--forceall", "--", target]
        done = subprocess.run(command, cwd=clone, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        assert len(list((clone / target).glob("*.png"))) == 2
