"""The workflow's door for people: starts Snakemake where the Snakefile is, and says where the results are.

A run that was killed leaves Snakemake's lock behind. Here a second lock, which the operating system drops with the
last process of a run, tells such a folder from one that is in use: only an abandoned folder is unlocked.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from spic.errors import ConfigError


def run_workflow(arguments: list[str], folder=".") -> int:
    """Run `snakemake` with `arguments` (gpu=1 unless they say otherwise) and return its exit status.

    Raises
    ------
    ConfigError
        There is no Snakefile in `folder`, or another run is going on there.
    """
    folder = Path(folder)
    if not (folder / "Snakefile").exists():
        raise ConfigError(f"{folder.resolve()}: no Snakefile here; run this in a clone of the project")
    command = [sys.executable, "-m", "snakemake"]
    with _exclusive(folder / ".snakemake" / "spic.lock") as lock:
        if any((folder / ".snakemake" / "locks").glob("*")):
            print("An earlier run was killed; going on where it stopped.", file=sys.stderr)
            subprocess.run([*command, "--unlock", *arguments], cwd=folder, check=True, capture_output=True)
        if "--cores" not in arguments:
            arguments = ["--cores", str(os.cpu_count() or 1), *arguments]
        return subprocess.run([*command, *arguments], cwd=folder, pass_fds=[lock.fileno()]).returncode


class _exclusive:
    """Lock file held as long as this process, or a job that inherited it, lives; it names this process.

    Jobs can outlive a killed run by a while. They are waited for: two writers of one folder would be worse.
    """

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
            print("Waiting for a job that a killed run left behind.", file=sys.stderr)
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
