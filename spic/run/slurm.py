"""Slurm: jobs that outlive the run that submitted them, and a cluster whose configuration SLURM_CONF names."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from spic.errors import ConfigError

# Snakemake names all jobs of a run by a UUID; profiles/slurm puts a word before it.
_RUN_NAME = re.compile(r"([\w-]+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def cancel_left_jobs(folder, patience: float = 120) -> list[str]:
    """Cancel this user's Slurm jobs that a run in `folder` left behind, wait until they are gone, return their numbers.

    The next run would submit the same jobs again, as it does not see these: two writers of one file. Where there is
    no Slurm, or none that answers, nothing happens. Call it only while no other run can be going on in `folder`.

    Parameters
    ----------
    folder
        Working folder of the run; a job's own working folder tells whose it is.
    patience
        Seconds to wait for the jobs' end.

    Raises
    ------
    ConfigError
        Jobs are still there after `patience` seconds.
    """
    folder = Path(folder).resolve()
    left = cancelled = _jobs(folder)
    if left:
        print(f"Cancelling Slurm jobs that a killed run left behind: {', '.join(left)}.", file=sys.stderr)
        subprocess.run(["scancel", *left], check=False)
    deadline = time.monotonic() + patience
    while left:
        if time.monotonic() > deadline:
            raise ConfigError(f"Slurm jobs {', '.join(left)} of an earlier run in {folder} do not end; see squeue")
        time.sleep(0.5)
        left = _jobs(folder)
    return cancelled


def _jobs(folder: Path) -> list[str]:
    """Numbers of the jobs in the queue, running or ending whose working folder is `folder`."""
    try:
        listed = subprocess.run(
            ["squeue", "--noheader", "--user", str(os.getuid()), "--format", "%A|%j|%Z"],
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = (line.split("|", 2) for line in listed.splitlines() if line.count("|") >= 2)
    return sorted({job for job, name, at in rows if _RUN_NAME.fullmatch(name) and Path(at).resolve() == folder})


def use_srun_wrapper(programs: Path) -> None:
    """Put the folder `programs` with our srun wrapper first on PATH; the Snakemake plugin drops SLURM_CONF."""
    if "SLURM_CONF" in os.environ:
        os.environ["SPIC_SLURM_CONF"] = os.environ["SLURM_CONF"]
        os.environ["PATH"] = os.pathsep.join([str(programs), os.environ["PATH"]])
