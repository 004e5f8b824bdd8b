"""Run one job: its output goes into its log, a user's mistake is one clear line there, and a record is written."""

import fcntl
import json
import logging
import os
import shutil
import sys
import time
import traceback
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime
from pathlib import Path

from spic.errors import SpicError, memory_shortage
from spic.files import left_overs

JOBS_LOCK = Path(".snakemake", "spic.run.job.lock")  # shared by all jobs; see `spic.run.launch`


@contextmanager
def job(about):
    """Send stderr to the job's log while it runs; end with exit status 1 on any error.

    A `SpicError`, an error of the file system or lack of memory becomes one line, anything else (a bug) its traceback.

    Parameters
    ----------
    about : path-like or Snakemake's object `snakemake`
        The log alone; or the job, whose inputs are then checked against the records of the jobs that wrote them, and
        whose own record is written to the output called `record` (see `spic.provenance.records`). With the job's end
        the process
        ends: nothing after the `with` block runs.
    """
    log = getattr(about, "log", [about])[0]
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file, redirect_stderr(file):
        logging.basicConfig(stream=file, format="spic: %(message)s", force=True)
        logging.getLogger("spic").setLevel(logging.INFO)
        try:
            if hasattr(about, "log"):
                with _recorded(about):
                    yield
            else:
                yield
        except Exception as error:
            said = memory_shortage(error) or (isinstance(error, (SpicError, OSError)) and str(error))
            if said:
                print(f"spic: {said}", file=file)
            else:
                traceback.print_exc(file=file)
            code = 1
        else:
            code = 0
    if code:
        sys.exit(code)
    if hasattr(about, "log"):
        # All is written. Python's own way out takes 0.7 CPU seconds where torch is loaded.
        sys.stdout.flush()
        os._exit(0)


@contextmanager
def _recorded(snakemake):
    from spic.provenance.records import check_inputs, write_record

    began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    lock = _hold()
    _remove_left_overs(snakemake.output)
    inputs = check_inputs(snakemake.input)
    yield
    record, resolved = snakemake.output.get("record"), snakemake.input.get("resolved")
    if record is not None:
        write_record(
            record,
            rule=snakemake.rule,
            wildcards=dict(snakemake.wildcards.items()),
            params={key: value for key, value in snakemake.params.items() if key != "timing"},
            machine=resolved and json.loads(Path(resolved).read_text()),
            inputs=inputs,
            outputs=[path for path in snakemake.output if path != record],
            started=started,
            seconds=round(time.perf_counter() - began, 3),
            cpu_seconds=_cpu_seconds(),
        )
    if lock is not None:
        lock.close()


def _hold():
    """A shared lock, for as long as this process lives: the door waits for jobs that outlive a killed run."""
    try:
        file = JOBS_LOCK.open("a")
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # another folder, or a file system without locks
        return None
    return file


def _remove_left_overs(outputs) -> None:
    """Remove what an earlier attempt at these outputs, killed while it wrote, left half-written."""
    for output in map(Path, outputs):
        for path in left_overs(output):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _cpu_seconds() -> float:
    """CPU seconds of this process and its children since it started, imports included."""
    import resource

    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(one.ru_utime + one.ru_stime for one in used), 3)
