"""What `spic run` shows: how far it is, what failed and why, and nothing of Snakemake's own lines."""

import io
import logging
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent

from spic.run import progress

SETTINGS = {"verbose": False, "quiet": None, "logger": [], "debug_dag": False, "printshellcmds": False}


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.seconds)
    return now


@pytest.fixture
def handler(clock):
    made = progress.LogHandler(None, None)
    made.console = Console(record=True, width=300, file=io.StringIO(), markup=False, soft_wrap=True)
    yield made
    made.close()


def say(handler, message=None, level=logging.INFO, **facts):
    record = logging.makeLogRecord({"msg": message, "levelno": level, **facts})
    handler.handle(record)


def lines(handler) -> list[str]:
    return handler.console.export_text().splitlines()


def test_without_a_terminal_there_is_a_line_for_each_tenth(handler, clock):
    say(handler, "Building DAG of jobs...")
    say(handler, "Job stats: ...", event=LogEvent.RUN_INFO, stats={"total": 200, "decode": 199})
    for done in range(1, 201):
        say(handler, event=LogEvent.JOB_INFO, jobid=done, rule_name="decode", wildcards={"point": done})
        clock.seconds += 6
        say(handler, event=LogEvent.JOB_FINISHED, job_id=done)
        say(handler, event=LogEvent.PROGRESS, done=done, total=200)
    found = lines(handler)
    assert found[0] == "20 of 200 jobs, about 18 min left" and found[9:] == [
        "200 of 200 jobs, done",
        "200 jobs in 20 min",
    ]
    assert len(found) == 11 and not handler.running


def test_on_a_terminal_there_is_one_bar(handler, clock):
    handler.console = Console(file=handler.console.file, force_terminal=True, record=True, width=200)
    say(handler, event=LogEvent.RUN_INFO, stats={"total": 4})
    for job in (1, 2, 3):
        say(
            handler,
            event=LogEvent.JOB_INFO,
            jobid=job,
            rule_name="look",
            wildcards={"coder": "bpg", "point": f"qp{job}"},
        )
    clock.seconds += 30
    say(handler, event=LogEvent.JOB_FINISHED, job_id=1)
    say(handler, event=LogEvent.PROGRESS, done=1, total=4)
    (task,) = handler.bar.tasks
    assert (task.completed, task.total) == (1, 4)
    assert task.description == "about 90 s left: look bpg qp2, look bpg qp3" or "2 min left" in task.description
    say(handler, event=LogEvent.PROGRESS, done=4, total=4)
    assert handler.bar is None and "4 jobs in 30 s" in handler.console.export_text()


def test_a_failed_job_is_named_with_its_log(handler, tmp_path):
    log = tmp_path / "decode.log"
    log.write_text("".join(f"line {i}\n" for i in range(30)) + "spic: [broken] file\n")
    say(handler, event=LogEvent.RUN_INFO, stats={"total": 3})
    say(handler, event=LogEvent.JOB_INFO, jobid=1, rule_name="decode", wildcards={"coder": "spic", "chunk": "0001"})
    say(handler, level=logging.ERROR, event=LogEvent.JOB_ERROR, jobid=1, rule_name="decode", log=[str(log)])
    say(handler, level=logging.ERROR, event=LogEvent.JOB_ERROR, jobid=2, rule_name="look", log=["none.log"])
    say(handler, "Complete log(s): /x/y.snakemake.log")
    found = lines(handler)
    assert found[0] == f"decode spic 0001 failed. The last lines of {log}:"
    assert found[1] == "    line 21" and found[10] == "    spic: [broken] file"
    assert found[11:] == ["look failed, and wrote no log", "Complete log(s): /x/y.snakemake.log"]


def test_warnings_and_errors_are_told_and_other_lines_are_not(handler):
    say(handler, "Select jobs to execute...")
    say(handler, "Complete log(s): of a run that went well")
    say(handler, "Nothing to be done (all requested files are present and up to date).")
    say(handler, "MissingInputException", level=logging.ERROR)
    say(handler, "careful", level=logging.WARNING)
    assert [line.split()[0] for line in lines(handler)] == ["Nothing", "MissingInputException", "careful"]


@pytest.mark.parametrize(
    "option", [{"verbose": True}, {"quiet": {"all"}}, {"logger": ["rich"]}, {"printshellcmds": True}]
)
def test_whoever_asks_for_other_lines_gets_them(option):
    args = SimpleNamespace(**SETTINGS | option)
    progress.use(args)
    assert progress.NAME not in args.logger


SNAKEFILE = """
rule all:
    input: expand("out/{n}", n=range(4))
rule one:
    output: "out/{n}"
    log: "logs/{n}.log"
    shell: "echo boom {wildcards.n} >{log}; test {wildcards.n} != 2 || test -e go; touch {output}"
"""


@pytest.mark.workflow
def test_a_run_says_little_and_its_log_has_all(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)

    def run(*options):
        command = [sys.executable, "-m", "spic.cli", "run", "--cores", "1", *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    failed = run()
    assert failed.returncode == 1 and "one 2 failed. The last lines of logs/2.log:\n    boom 2\n" in failed.stderr
    (log,) = (tmp_path / ".snakemake" / "log").iterdir()
    assert str(log) in failed.stderr and "rule one:" in log.read_text() and "rule one" not in failed.stderr
    (tmp_path / "go").touch()
    done = run("--verbose")
    assert done.returncode == 0 and "rule one:" in done.stderr
