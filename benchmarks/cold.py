"""What a command costs that starts from nothing: python benchmarks/cold.py --against FOLDER [--csv FOLDER].

CPU seconds (user and system, of the process and its children) and wall-clock seconds of `spic encode`, `spic decode`,
`spic info` and `spic --help`, each in a new process: medians of some rounds, in which this clone and the other one take
turns, and the median of their ratios. FOLDER is a clone at another commit; its code runs in this environment. Then the
steps of an encode and of a decode here, in one process: what each adds.
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
    parser.add_argument("--against", type=Path, required=True, help="another clone")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--csv", type=Path, default=".", help="folder of the two tables")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        here, environment = Path(folder), {**os.environ, "PYTHONPATH": str(HERE)}
        draw = "from spic.datasets import get_dataset; from spic.pictures.reading import write_png;"
        draw += "write_png('street.png', get_dataset('street_scenes').picture(0))"
        subprocess.run([sys.executable, "-c", draw], cwd=folder, env=environment, check=True)
        for name, arguments in COMMANDS.items():
            pairs = [
                (measure(HERE, arguments, here), measure(args.against, arguments, here)) for _ in range(args.rounds)
            ]
            pairs = pairs[1:]  # the first ones compile and fill the file cache
            seconds = {
                "cpu_s": median(own[0] for own, _ in pairs),
                "wall_s": median(own[1] for own, _ in pairs),
                "other_cpu_s": median(other[0] for _, other in pairs),
                "ratio": median(own[0] / other[0] for own, other in pairs),
            }
            rows.append({"command": name, **{key: f"{value:.2f}" for key, value in seconds.items()}})
            print(rows[-1], flush=True)
        command = [sys.executable, "-c", STEPS]
        told = subprocess.run(
            command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    steps = [{"step": name, "cpu_s": cpu} for name, _, cpu in (line.partition(";") for line in told.splitlines())]
    print(*steps, sep="\n")
    for name, table in (("cold", rows), ("steps", steps)):
        with (args.csv / f"cli_{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, table[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)


if __name__ == "__main__":
    main()
