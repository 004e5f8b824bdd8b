"""Kill the workflow again and again: `python tests/soak.py 50` kills 50 times and wants 50 equal sets of tables.

One folder holds a smoke run. Before each kill some of its results are removed at random, `spic run` starts, and at a
random moment SIGKILL hits one of its processes, or all of them. Then `spic run` is called until it ends well, and the
tables must be those of the run that nobody disturbed. The same seed removes the same files and waits the same times.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "config", "config.yaml", "envs", "profiles", "report", "rules", "scripts", "spic")
VICTIMS = ("job", "shell", "snakemake", "all")  # shell: that of a job; snakemake: the process of `spic run` itself
TRIES = 3  # a killed job fails the run that it was part of, the next one must end well


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kills", type=int, nargs="?", default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to run; a temporary folder by default")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="spic-soak-"))
    try:
        return soak(folder, options.kills, random.Random(options.seed))
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


def soak(folder: Path, kills: int, dice: random.Random) -> int:
    """Returns 0 if the tables were the same after every kill."""
    for name in PARTS:
        (folder / name).symlink_to(ROOT / name)
    results, hit, same = folder / "results" / "smoke", Counter(), 0
    began = time.monotonic()
    if start(folder).wait():
        print((folder / "run.log").read_text()[-4000:])
        return 1
    wanted, usual = tables(results), 0.4 * (time.monotonic() - began)
    while hit.total() < kills:
        removed = wipe(results, dice)
        process, patience = start(folder), dice.uniform(0.1, 0.9) * usual
        began = time.monotonic()
        victim = kill_later(process, patience, dice)
        well = process.wait() == 0
        if victim is None:
            usual = time.monotonic() - began
        else:
            hit[victim] += 1
            well = any(start(folder).wait() == 0 for _ in range(TRIES))
        equal = well and tables(results) == wanted and not list(results.rglob(".*.tmp"))
        same += equal and victim is not None
        what = f"{victim} killed after {patience:.1f} s" if victim else "ended before it could be killed"
        print(f"{hit.total()}: {removed} parts removed, {what}, {'same' if equal else 'OTHER'} tables", flush=True)
        if not equal:
            print((folder / "run.log").read_text()[-4000:])
            return 1
    print(f"{kills} kills, {same} identical tables ({', '.join(f'{n} {what}' for what, n in sorted(hit.items()))})")
    return 0


def start(folder: Path) -> subprocess.Popen:
    """`spic run` of the smoke run's tables, in a process group of its own; what it says goes to run.log."""
    command = [sys.executable, "-m", "spic.cli", "run", "--cores", "2", "--resources", "gpu=1", "--nocolor"]
    command += ["results/smoke/tables/claims.md", "--configfile", "config/smoke.yaml"]
    with (folder / "run.log").open("w") as log:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def wipe(results: Path, dice: random.Random) -> int:
    """Remove the tables and about a tenth of all other results; tells how many."""
    chunks = [path for path in results.rglob("0000") if path.is_dir()]
    parts = {part for chunk in chunks for part in [*chunk.iterdir(), *chunk.parent.glob("*.*")]}
    gone = [results / "tables", *(part for part in sorted(parts) if dice.random() < 0.1)]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return len(gone)


def kill_later(process: subprocess.Popen, patience: float, dice: random.Random) -> str | None:
    """Wait, then SIGKILL one process of the run or all; tells which kind, None if the run had ended."""
    wanted, deadline = dice.choice(VICTIMS), time.monotonic() + patience
    while process.poll() is None:
        found = processes(process.pid)
        if time.monotonic() >= deadline and found[wanted]:
            dice.choice(found[wanted]).kill() if wanted != "all" else os.killpg(process.pid, signal.SIGKILL)
            return wanted
        time.sleep(0.05)
    return None


def processes(pid: int) -> dict[str, list[psutil.Process]]:
    """The processes of a run by kind of victim."""
    found = {victim: [] for victim in VICTIMS}
    try:
        snakemake = psutil.Process(pid)
        found["snakemake"] = found["all"] = [snakemake]
        for child in snakemake.children(recursive=True):
            command = child.cmdline()
            if "/.snakemake/scripts/" in " ".join(command):
                found["shell" if "bash" in command[0] else "job"].append(child)
    except psutil.Error:  # one ended meanwhile
        pass
    return found


def tables(results: Path) -> dict[str, bytes]:
    """The tables without times and records."""
    files = (path for path in (results / "tables").glob("*.*") if path.suffix != ".json" and path.stem != "timing")
    return {path.name: path.read_bytes() for path in files}


if __name__ == "__main__":
    sys.exit(main())
