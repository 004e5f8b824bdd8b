"""Several GPUs in one machine: each job its own card, without a scheduler that hands them out."""

import fcntl
import json
import os
import re
import tempfile
from itertools import count
from pathlib import Path

from spic.machine import Machine

_taken = []  # open lock files; the operating system drops the locks with the process, however it ends


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
    if device.startswith("cuda:"):
        return 1
    return (device != "cpu" and len(visible_cards())) or cores


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
    if device != "cuda":
        return None
    cards = visible_cards()
    if len(cards) < 2:
        return None
    folder = Path(folder or Path(tempfile.gettempdir()) / f"spic-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    for place in count():  # first job of each card, then second jobs, ...
        for card in cards:
            file = (folder / f"{re.sub('[^A-Za-z0-9-]', '_', card)}.{place}").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _taken.append(file)
            os.environ["CUDA_VISIBLE_DEVICES"] = card
            return card
    raise AssertionError("unreachable")
