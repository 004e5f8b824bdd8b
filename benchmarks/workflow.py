"""What the workflow costs beside its work: CPU seconds of a job without pictures, and of planning large runs.

    python benchmarks/workflow.py [overhead] [plan]

Prints Markdown tables. The first runs the smoke configuration with 1 and with 8 pictures and takes the straight line
through the jobs' CPU seconds to no pictures at all; what Snakemake itself uses is shared out among the jobs. The second
plans Cityscapes' 500 frames, and 100 000 pictures in chunks of 1000 and 2000, without running anything.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CITY_POINTS = {
    "spic": {"coarse_qp": list(range(20, 44, 2))},
    "upsampled": {"coarse_qp": list(range(20, 44, 2))},
    "bpg": {"qp": list(range(28, 52, 2))},
    "jpeg2000": {"bpp": [0.1 + 0.05 * i for i in range(12)]},
}
# header of a 16x8 picture: enough for a name, as planning opens no picture
TINY_PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000010000000080802000000")


def snakemake(folder: Path, config: dict, *arguments) -> dict:
    """Run Snakemake in a folder; CPU seconds and peak megabytes of it and its children."""
    overlay = folder / "overlay.yaml"
    overlay.write_text(json.dumps(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += ["--configfile", overlay, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    # a process of its own measures, because the figures are those of all children that have ended
    code = (
        "import json, resource, subprocess, sys;"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True);"
        "use = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([done.returncode, done.stdout + done.stderr, use.ru_utime + use.ru_stime, use.ru_maxrss]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, command)], env=environment, capture_output=True, text=True, check=True
    )
    status, said, cpu, kilobytes = json.loads(done.stdout)
    if status:
        raise SystemExit(said[-4000:])
    total = [line.split()[1] for line in said.splitlines() if line.split()[:1] == ["total"]]
    return {"cpu": cpu, "megabytes": kilobytes / 1024, "jobs": int(total[0]) if total else 0}


def smoke(pictures: int) -> tuple[dict[str, list[float]], dict]:
    """CPU seconds of the jobs of a smoke run, by rule, and the figures of the whole."""
    config = {"run": "smoke", "limit": pictures, "device": "cpu", "dtype": "float32", "torch_threads": 1}
    config["methods"] = {"spic": {"coarse_qp": [35]}, "upsampled": {"coarse_qp": [35]}}
    config["methods"] |= {"bpg": {"qp": [44]}, "jpeg2000": {"bpp": [0.2]}}
    with tempfile.TemporaryDirectory() as folder:
        target = "results/smoke/tables/claims.md"
        whole = snakemake(Path(folder), config, "--cores", 1, "--resources", "gpu=1", "--", target)
        seconds = defaultdict(list)
        for path in Path(folder).rglob("*.provenance.json"):
            record = json.loads(path.read_text())
            seconds[record["rule"]].append(record["cpu_seconds"])
    return seconds, whole


def overhead() -> None:
    """Print the table of start-up by rule."""
    smoke(1)  # compiles what is compiled once an installation
    (one, _), (eight, whole) = smoke(1), smoke(8)
    jobs = sum(map(len, eight.values()))
    own = (whole["cpu"] - sum(map(sum, eight.values()))) / jobs
    print("| rule | CPU s, 1 picture | 8 pictures | no picture, with Snakemake's share |\n| --- | --- | --- | --- |")
    for rule in eight:
        a, b = max(one[rule]), max(eight[rule])
        print(f"| {rule} | {a:.2f} | {b:.2f} | {max(0, a - (b - a) / 7) + own:.2f} |")
    print(f"\nSnakemake itself: {own:.2f} CPU s per job ({jobs} jobs)\n")


def plan() -> None:
    """Print the table of dry runs."""
    print("| pictures | points | chunks | jobs | CPU s | peak MB |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "city").mkdir()
        for kind, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
            place = folder / "city" / kind / "val" / "frankfurt"
            place.mkdir(parents=True)
            for i in range(500):
                (place / f"frankfurt_{i:06d}_000019_{suffix}.png").write_bytes(TINY_PNG)
        (folder / "many").mkdir()
        for i in range(100_000):
            (folder / "many" / f"{i:06d}.png").write_bytes(TINY_PNG)
        common = {"run": "plan", "limit": None, "keep": "scores", "device": "cpu"}
        city = common | {"dataset": "cityscapes", "dataset_root": str(folder / "city"), "chunk_size": 50}
        many = common | {"dataset": "folder", "dataset_root": str(folder / "many"), "chunk_size": 1000}
        for pictures, points, config in (
            (500, 48, city | {"methods": CITY_POINTS}),
            (100_000, 16, many),
            (100_000, 48, many | {"methods": CITY_POINTS, "chunk_size": 2000}),
        ):
            found = snakemake(folder, config, "--cores", 1, "--dry-run", "--quiet", "rules")
            chunks = pictures // config["chunk_size"]
            row = (pictures, points, chunks, found["jobs"], f"{found['cpu']:.1f}", f"{found['megabytes']:.0f}")
            print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["overhead", "plan"]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in wanted:
        {"overhead": overhead, "plan": plan}[name]()
