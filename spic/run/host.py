"""What this machine lets a run use, and a name for this Python that every shell reads as it is meant."""

import atexit
import math
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from spic.errors import ConfigError


def usable_cores(root="/") -> int:
    """CPU cores that this process may use: its affinity, and the quota of its control group (a container's `--cpus`).

    root : where /proc and /sys are.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min([cores, *map(math.ceil, _quotas(Path(root)))]))


def _quotas(root: Path) -> list[float]:
    """Cores that control groups, version 2 and 1, leave this process; its own and those above it."""
    found = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        groups = [Path(path), *Path(path).parents]
        if not controllers:
            found += [_text(root / f"sys/fs/cgroup{group}/cpu.max").split() for group in groups]
        elif "cpu" in controllers.split(","):
            for folder in (root / f"sys/fs/cgroup/{controllers}{group}" for group in groups):
                found.append([_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")])
    # "max" and -1 say that there is none
    numbers = [[int(text) for text in pair] for pair in found if len(pair) == 2 and all(map(str.isdecimal, pair))]
    return [quota / period for quota, period in numbers if quota and period]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def plain_executable() -> str:
    """Path of this Python that a shell takes for one word, quoted or not.

    Snakemake writes `sys.executable` into the command line of a job as it is. In "My Projects" that makes two words,
    so there the path goes through a link in a temporary folder, which is removed when this process ends.

    Raises
    ------
    ConfigError
        There is no such path.
    """
    if is_plain(sys.executable):
        return sys.executable
    executable, prefix = Path(sys.executable), Path(sys.prefix)
    folder = next(filter(is_plain, (tempfile.gettempdir(), "/tmp")), None)
    if folder is None or prefix not in executable.parents:
        raise ConfigError(f"{sys.executable}: jobs can not be started by a path with a space or a quote in it")
    link = Path(tempfile.mkdtemp(prefix="spic-python-", dir=folder)) / "python"
    atexit.register(shutil.rmtree, link.parent, ignore_errors=True)
    link.symlink_to(prefix)
    return str(link / executable.relative_to(prefix))


def is_plain(path) -> bool:
    """Whether a shell reads a path as it is meant without quotes around it."""
    return shlex.quote(str(path)) == str(path)
