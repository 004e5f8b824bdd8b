"""What a command costs that starts from nothing: python benchmarks/cold.py --against FOLDER [--csv FILE].

CPU seconds (user and system, of the process and its children) and wall-clock seconds of `spic encode`, `spic decode`,
`spic info` and `spic --help`, each in a new process: the median of some rounds, in which this clone and the other one
take turns, and of their ratios. FOLDER is a clone at another commit; its code runs in this environment. Then the steps of an encode and of
a decode here, in one process: what each adds.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
COMMANDS = {
    "encode": ["encode", "street.png", "-o", "street.spic", "--force"],
    "decode": ["decode", "street.spic", "-o", "back.png", "--force"],
    "info": ["info", "street.spic"],
    "--help": ["--help"],
}
STEPS = """
import time
seen = time.process_time()
def step(name):
    global seen
    now = time.process_time()
    print(f"{name};{now - seen:.3f}")
    seen = now
import gc; gc.set_threshold(50_000)
step("Python starts"); import spic.cli
step("command line"); import numpy, PIL.Image
step("NumPy, Pillow"); import torch
step("torch"); import spic.codecs.jit
step("numba"); from spic import Receiver, Transmitter
from spic.machine import pick_dtype; from spic.pictures.reading import read_picture
dtype = pick_dtype()
step("probe of the number format")
sender, receiver = Transmitter(dtype=dtype), Receiver(dtype=dtype)
image = read_picture("street.png"); sender.segmenter
step("segmenter's weights"); prepared = sender.prepare(image)
step("segmentation"); from spic.bitstream import write_spic
data = write_spic(sender.code(prepared))
step("FLIF and BPG, first time"); data = write_spic(sender.code(prepared))
step("FLIF and BPG, again"); receiver.parts(data)
step("parts, first time"); receiver.decode(data)
step("decoder: weights and image"); receiver.decode(data)
step("decoder: image again")
"""


def measure(clone: Path, arguments: list[str], folder: Path) -> tuple[float, float]:
    """CPU and wall-clock seconds of one command of a clone."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "spic.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--against", type=Path, help="another clone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    clones = {"this": HERE} | ({"other": args.against.resolve()} if args.against else {})
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        draw = "from spic.datasets import get_dataset; from spic.pictures.reading import write_png;"
        draw += "write_png('street.png', get_dataset('street_scenes').picture(0))"
        subprocess.run(
            [sys.executable, "-c", draw], cwd=folder, env={**os.environ, "PYTHONPATH": str(HERE)}, check=True
        )
        for name, arguments in COMMANDS.items():
            taken = {clone: [] for clone in clones}
            for i in range(args.rounds + 1):
                for clone, path in clones.items():
                    seconds = measure(path, arguments, Path(folder))
                    taken[clone] += [seconds] * bool(i)  # the first one compiles and fills the file cache
            for clone, times in taken.items():
                cpu, wall = map(median, zip(*times, strict=True))
                ratio = median(own[0] / base[0] for own, base in zip(times, taken[list(taken)[-1]], strict=True))
                row = {"command": name, "clone": clone, "cpu_s": f"{cpu:.2f}", "wall_s": f"{wall:.2f}"}
                rows.append(row | {"ratio": f"{ratio:.2f}"})
                print(f"{name:10}{clone:8}{cpu:6.2f} CPU s{wall:8.2f} s{ratio:8.2f} of the other's CPU s")
        steps = subprocess.run(
            [sys.executable, "-c", STEPS],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(HERE)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    for line in steps.splitlines():
        name, seconds = line.split(";")
        rows.append({"command": "steps", "clone": name, "cpu_s": seconds, "wall_s": "", "ratio": ""})
        print(f"    {name:32}{seconds} CPU s")
    if args.csv:
        with args.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
