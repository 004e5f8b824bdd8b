"""What goes wrong on real machines: after each fault the right table, or a clear stop; never a wrong table."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spic.pictures.reading import write_png

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).resolve().parents[2]
CLAIMS = "results/smoke/tables/claims.md"
POINT = Path("jpeg2000", "bpp0.2", "0000")


def forget(run, *names):
    """Remove artefacts of one point and the tables, so that the next run makes them again."""
    for path in [run.results / "tables", *(run.results / POINT / name for name in names)]:
        shutil.rmtree(path)


def test_a_corrupted_artefact_stops_the_job_that_would_read_it(spare, smoke):
    coded = next((spare.results / POINT / "coded").glob("[!.]*"))
    data = bytearray(coded.read_bytes())
    data[-20] ^= 4
    coded.write_bytes(data)
    forget(spare, "decoded")
    done = spare("--cores", 1, "--forcerun", "tables", "--until", "decode", CLAIMS, check=False)
    log = (spare.results / "logs" / "decode" / "jpeg2000_bpp0.2_0000.log").read_text()
    assert done.returncode == 1 and len(log.splitlines()) == 1
    assert f"{coded.name}: changed since job encode wrote" in log
    assert not (spare.results / "tables").exists()
    shutil.rmtree(coded.parent)  # as the message says
    # what jobs killed while they wrote leave behind
    (coded.parents[1] / ".coded.0abc1234.tmp").mkdir()
    (coded.parents[1] / ".timing_encode.csv.0123cdef.tmp").write_bytes(b"half")
    spare("--cores", 1, CLAIMS)
    assert spare.tables() == smoke.tables()
    assert not list(spare.results.rglob(".*.tmp"))


def test_a_table_that_was_edited_is_not_read(spare):
    points = spare.results / "tables" / "points.csv"
    points.write_text(points.read_text().replace("spic", "epic"))
    done = spare("--cores", 1, CLAIMS, check=False)
    log = (spare.results / "logs" / "compare.log").read_text()
    assert done.returncode == 1 and "points.csv: changed since job tables wrote it" in log
    assert not (spare.results / "tables" / "claims.md").exists()


def test_an_unreadable_picture_in_the_middle_stops_its_chunk_only(empty_run, tmp_path):
    pictures = tmp_path / "pictures"
    for i in range(3):
        write_png(pictures / f"{i}.png", np.full((64, 128, 3), 40 * i, np.uint8))
    whole = (pictures / "1.png").read_bytes()
    (pictures / "1.png").write_bytes(whole[:60])
    (tmp_path / "folder.yaml").write_text(f"{{dataset: folder, dataset_root: {pictures}, limit: null, chunk_size: 1}}")
    folders = [f"results/smoke/originals/000{i}/pictures" for i in range(3)]

    def run(**options):
        return empty_run("--cores", 2, "--keep-going", *folders, overlay=tmp_path / "folder.yaml", **options)

    done = run(check=False)
    assert done.returncode == 1
    assert f"{pictures / '1.png'}: not a readable picture" in (empty_run.results / "logs/prepare/0001.log").read_text()
    assert [(empty_run.folder / folder).exists() for folder in folders] == [True, False, True]
    (pictures / "1.png").write_bytes(whole)
    run()
    assert [(empty_run.folder / folder).exists() for folder in folders] == [True, True, True]
    (pictures / "2.png").write_bytes(whole)  # another picture under the same name
    done = empty_run("--dry-run", *folders, overlay=tmp_path / "folder.yaml")
    assert "chunk=0002" in done.stdout + done.stderr and "chunk=0001" not in done.stdout + done.stderr


ORPHAN = """
rule all:
    output: "done"
    log: "job.log"
    script: "job.py"
"""
JOB = """
import time
from pathlib import Path
from spic.run.job import job
with job(snakemake):
    Path("begun").touch()
    while not Path("go").exists():
        time.sleep(0.1)
    Path("order").open("a").write("job ended\\n")
    Path("done").touch()
"""


def test_a_job_that_outlives_a_killed_workflow_is_waited_for(tmp_path, monkeypatch):
    (tmp_path / "Snakefile").write_text(ORPHAN)
    (tmp_path / "job.py").write_text(JOB)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()  # Snakemake alone; its job goes on
    process.wait()
    release = "import pathlib, time; time.sleep(2); pathlib.Path('go').touch()"
    helper = subprocess.Popen([sys.executable, "-c", release], cwd=tmp_path)
    door = [sys.executable, "-m", "spic.cli", "run", "--cores", "1"]
    done = subprocess.run(door, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    helper.wait()
    assert "Waiting for a job that a killed run left behind" in done.stderr
    assert (tmp_path / "order").read_text() == "job ended\n" * 2  # one after the other


@pytest.mark.slow
def test_dates_in_the_past_cost_time_alone(spare, smoke):
    dice, now = random.Random(1), time.time()
    for path in sorted(spare.results.rglob("*")):
        when = now - dice.uniform(0, 10) * 3e7
        os.utime(path, (when, when))
    forget(spare)
    spare("--cores", 2, "--resources", "gpu=1", "--rerun-incomplete", CLAIMS)
    assert spare.tables() == smoke.tables()


@pytest.mark.slow
def test_a_date_to_come_stops_the_job_whose_result_would_look_outdated(spare, smoke):
    stamp = spare.results / POINT / "coded" / ".snakemake_timestamp"  # what Snakemake takes for a folder's date
    os.utime(stamp, (time.time() + 3e7,) * 2)
    forget(spare, "decoded")
    arguments = ("--cores", 1, "--rerun-incomplete", "--forcerun", "tables", CLAIMS)
    done = spare(*arguments, check=False)
    assert done.returncode == 1 and "older modification time" in done.stdout + done.stderr
    assert not (spare.results / "tables").exists()
    os.utime(stamp)
    spare(*arguments)
    assert spare.tables() == smoke.tables()


@pytest.mark.slow
def test_a_full_disk(smoke, tmp_path_factory):
    folder = tmp_path_factory.mktemp("disk")
    size = sum(path.stat().st_blocks * 512 for path in smoke.folder.rglob("*"))

    def mount(*options):
        return subprocess.run(["mount", *options, str(folder)], capture_output=True).returncode

    if os.getuid() != 0 or mount("-t", "tmpfs", "-o", f"size={size + 200_000}", "tmpfs"):
        pytest.skip("only root mounts a small disk")
    try:
        shutil.copytree(smoke.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("cache", "jpeg2000"))
        run = type(smoke)(folder)
        shutil.rmtree(run.results / "tables")
        filler = folder / "filler"
        free = shutil.disk_usage(folder).free
        filler.write_bytes(bytes(free - 250_000))
        done = run("--cores", 1, CLAIMS, check=False)
        said = done.stdout + done.stderr + "".join(path.read_text() for path in run.results.glob("logs/*/*.log"))
        assert done.returncode == 1 and "No space left on device" in said
        assert not (run.results / "tables").exists()
        filler.unlink()
        mount("-o", f"remount,size={size + 50_000_000}")
        run("--unlock", check=False)
        run("--cores", 1, "--rerun-incomplete", CLAIMS)
        assert run.tables() == smoke.tables()
        assert not list(folder.glob("results/**/.*.tmp"))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_killed_jobs_and_workflows_leave_the_same_tables(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "soak.py"), "2", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "2 kills, 2 identical tables" in done.stdout
