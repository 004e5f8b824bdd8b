"""The workflow's door for people: starts Snakemake where the Snakefile is, and says where the results are.

A run that was killed leaves Snakemake's lock behind. Here a second lock, which the operating system drops with the
last process of a run, tells such a folder from one that is in use: only an abandoned folder is unlocked.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from spic.cluster import cancel_left_jobs
from spic.errors import ConfigError
from spic.files import private_folder
from spic.jobs import JOBS_LOCK


def run_workflow(arguments: list[str], folder=".") -> int:
    """Run `snakemake` with `arguments` and return its exit status.

    Half-made files of a killed run are made again, and its jobs that are still in Slurm's queue are cancelled first.
    Unless a profile or an executor is named, all cores of this machine are used.

    Raises
    ------
    ConfigError
        There is no Snakefile in `folder`, or another run is going on there.
    """
    folder = Path(folder)
    if not (folder / "Snakefile").exists():
        raise ConfigError(f"{folder.resolve()}: no Snakefile here; run this in a clone of the project")
    command = [sys.executable, "-m", "snakemake"]
    os.environ.update(_cache_home())
    with _exclusive(folder / ".snakemake" / "spic.lock") as lock:
        if not _names(arguments, "--dry-run", "--dryrun", "-n"):
            cancel_left_jobs(folder)
            _wait_for_jobs(folder)
        if any((folder / ".snakemake" / "locks").glob("*")):
            print("An earlier run was killed; going on where it stopped.", file=sys.stderr)
            subprocess.run([*command, "--unlock", *arguments], cwd=folder, check=True, capture_output=True)
        command += ["--rerun-incomplete", "--show-failed-logs"]
        if not _names(arguments, *_SIZES) and "SNAKEMAKE_PROFILE" not in os.environ:
            command += ["--cores", str(os.cpu_count() or 1)]
        return subprocess.run([*command, *arguments], cwd=folder, pass_fds=[lock.fileno()]).returncode


def _cache_home() -> dict[str, str]:
    """XDG_CACHE_HOME in the temporary folder where this user has no cache: Snakemake does not start without one."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    try:
        if os.path.isabs(cache):
            os.makedirs(cache, exist_ok=True)
            if os.access(cache, os.W_OK):
                return {}
    except OSError:
        pass
    folder = private_folder("spic-cache")
    if folder is None:
        raise ConfigError(f"{cache}: not writable, and Snakemake needs a cache; XDG_CACHE_HOME can name a folder")
    print(f"{cache} is not writable; the cache is in {folder}. XDG_CACHE_HOME can name a folder.", file=sys.stderr)
    return {"XDG_CACHE_HOME": str(folder)}


# Options that say how many jobs run, or where.
_SIZES = ["--cores", "-c", "--jobs", "-j", "--profile", "--workflow-profile", "--executor", "-e"]


def _names(arguments: list[str], *options: str) -> bool:
    """Whether one of `options` is among `arguments`: `--cores 2`, `--cores=2`, `-c 2` or `-c2`."""
    return any(
        argument == option
        or (argument.startswith(f"{option}=") if option.startswith("--") else argument.startswith(option))
        for argument in arguments
        for option in options
    )


def write_report(path) -> None:
    """Write Snakemake's report of the run that this process, a `snakemake` command, has just ended well.

    It is a second call with the arguments of the first, so it sees the same settings. A report that can not be made is
    said on stderr and fails nothing: the results are there.
    """
    program, *arguments = sys.argv
    if Path(program).name not in ("snakemake", "__main__.py") or _names(arguments, "--report"):
        return
    command = [sys.executable, "-m", "snakemake", *arguments, "--nolock", "--report", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{path} could not be written: {(done.stdout + done.stderr).strip()[-2000:]}", file=sys.stderr)
    else:
        print(f"{path}: the run in one file", file=sys.stderr)


def _wait_for_jobs(folder: Path) -> None:
    """Wait for jobs that outlive a killed run: two writers of one file would be worse. Each holds a shared lock."""
    with (folder / JOBS_LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for a job that a killed run left behind.", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)


class _exclusive:
    """Lock file held as long as this process, or the Snakemake that inherited it, lives; it names this process."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self):
        self.path.parent.mkdir(exist_ok=True)
        self.file = self.path.open("a+")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if self._owner_lives():
                self.file.close()
                folder = self.path.parent.parent.resolve()
                raise ConfigError(f"{folder}: another run is going on in this folder") from None
            print("Waiting for a run whose `spic run` was killed.", file=sys.stderr)
            fcntl.flock(self.file, fcntl.LOCK_EX)
        self.file.truncate(0)
        self.file.write(str(os.getpid()))
        self.file.flush()
        return self.file

    def __exit__(self, *error):
        self.file.close()

    def _owner_lives(self) -> bool:
        self.file.seek(0)
        try:
            os.kill(int(self.file.read()), 0)
        except (ValueError, ProcessLookupError):
            return False
        except PermissionError:
            pass
        return True
