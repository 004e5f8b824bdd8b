"""What this machine lets a run use, cores and cards, and a name for this Python that every shell reads as it is meant.

Of several GPUs each job takes its own card, without a scheduler that hands them out.
"""

import atexit
import fcntl
import json
import math
import os
import re
import shlex
import shutil
import sys
import tempfile
from itertools import count
from pathlib import Path

from spic.errors import ConfigError
from spic.machine import Machine

_taken = []  # open lock files; the operating system drops the locks with the process, however it ends


def usable_cores(root="/") -> int:
    """CPU cores that this process may use: its affinity, and the quota of its control group (a container's `--cpus`).

    root : where /proc and /sys are.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
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
            folders = [root / f"sys/fs/cgroup/{controllers}{group}" for group in groups]
            found += [[_text(at / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")] for at in folders]
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


def visible_cards() -> list[str]:
    """Names of the cards that CUDA shows this process, as CUDA_VISIBLE_DEVICES lists them. Loads no torch."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [name for name in listed.split(",") if name.strip()]
    nodes = [path for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return [str(index) for index in range(len(nodes))]


def network_jobs(device: str, cores: int) -> int:
    """How many jobs of networks a machine runs side by side: one per card, or one per core where they run on the CPU.

    device : what the config says, "auto", "cpu", "cuda" or one card by number
    """
    return 1 if device.startswith("cuda:") else (device != "cpu" and len(visible_cards())) or cores


def own_machine(resolved) -> Machine:
    """What a run decided, read from its file, after taking a card for this process, see `take_card`."""
    decided = json.loads(Path(resolved).read_text())
    take_card(decided["device"])
    return Machine(decided["device"], decided["dtype"], decided["torch_threads"])


def take_card(device: str, folder=None) -> str | None:
    """Choose the least used of several cards for this process, until it ends, and return its name.

    Sets CUDA_VISIBLE_DEVICES, so it must run before CUDA starts. Does nothing, and returns None, where there is
    nothing to choose: `device` is not "cuda" (but "cpu", or one card by number), or one card is visible, as in a
    Slurm job. With more jobs than cards they share evenly.

    Parameters
    ----------
    device
        What the run resolved `device` to: "cpu", "cuda" or "cuda:1".
    folder
        Where the lock files are; by default one of this user in the machine's folder for temporary files.
    """
    if device != "cuda" or len(cards := visible_cards()) < 2:
        return None
    folder = Path(folder or Path(tempfile.gettempdir()) / f"spic-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    for turn in count():  # first job of each card, then second jobs, ...
        card = cards[turn % len(cards)]
        file = (folder / f"{re.sub('[^A-Za-z0-9-]', '_', card)}.{turn // len(cards)}").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            break
    _taken.append(file)
    os.environ["CUDA_VISIBLE_DEVICES"] = card
    return card
