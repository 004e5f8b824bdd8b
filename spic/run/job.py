"""Run one job: its output goes into its log, a user's mistake is one clear line there, and a record is written."""

import fcntl
import json
import logging
import os
import shutil
import sys
import time
import traceback
from contextlib import contextmanager, nullcontext, redirect_stderr, suppress
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
    of_snakemake = hasattr(about, "log")
    path = Path(about.log[0] if of_snakemake else about)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file, redirect_stderr(file):
        logging.basicConfig(stream=file, format="spic: %(message)s", force=True)
        logging.getLogger("spic").setLevel(logging.INFO)
        try:
            with _recorded(about) if of_snakemake else nullcontext():
                yield
        except Exception as error:
            known = memory_shortage(error) or (isinstance(error, (SpicError, OSError)) and str(error))
            print(f"spic: {known}\n" if known else traceback.format_exc(), file=file, end="")
            sys.exit(1)
    if of_snakemake:
        # All is written. Python's own way out takes 0.7 CPU seconds where torch is loaded.
        sys.stdout.flush()
        os._exit(0)


@contextmanager
def _recorded(snakemake):
    from spic.provenance.records import check_inputs, write_record

    began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    with suppress(OSError):  # in another folder, or on a file system without locks
        # held for as long as this process lives: the door waits for jobs that outlive a killed run
        lock = JOBS_LOCK.open("a")
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    for path in (path for output in snakemake.output for path in left_overs(output)):  # of an attempt that was killed
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
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
            cpu_seconds=round(sum(os.times()[:4]), 3),  # of this process and its children since its start
        )
