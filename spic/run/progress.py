"""What `spic run` shows: one bar with what is being done and the time left, in place of Snakemake's own lines.

It is a logger plugin of Snakemake's; `use` registers it, since Snakemake looks for plugins only in packages of a
certain name. All of Snakemake's lines are in its own log, `.snakemake/log/`, and on the terminal with `--verbose`.
"""

import logging
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

NAME = "spic"
_LAST_LINES = 10  # of a failed job's log
_LINES = 10  # about the whole run, where there is no terminal to draw a bar on
_TOLD = ("Nothing to be done",)  # of Snakemake's messages, beside warnings and errors
_SHOWN_JOBS = 2


def use(args) -> None:
    """Make the bar the way in which a run by these arguments of Snakemake's speaks, unless they ask for another."""
    if args.verbose or args.quiet or args.logger or args.debug_dag or args.printshellcmds:
        return
    LoggerPluginRegistry().register_plugin(NAME, sys.modules[__name__])
    args.logger = [NAME]


class LogHandler(LogHandlerBase):
    """The bar on a terminal, else a line for each tenth of the jobs; failed jobs with the last lines of their logs."""

    writes_to_stream, writes_to_file, has_filter, has_formatter, needs_rulegraph = True, False, True, True, False

    def __post_init__(self) -> None:
        self.console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        self.bar = self.task = self.started = None
        self.running: dict[int, str] = {}  # jobs at work
        self.said = self.failed = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take one of Snakemake's messages; what goes wrong here stops no run."""
        try:
            self._take(record)
        except Exception:
            self.handleError(record)

    def _take(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self._show(0, record.stats["total"])
        elif event == LogEvent.JOB_INFO:
            self.running[record.jobid] = " ".join([record.rule_name, *map(str, record.wildcards.values())])
            self._describe()
        elif event == LogEvent.JOB_FINISHED:
            self.running.pop(record.job_id, None)
        elif event == LogEvent.PROGRESS:
            self._show(record.done, record.total)
        elif event == LogEvent.JOB_ERROR:
            self._tell_failure(self.running.pop(record.jobid, record.rule_name), record.log)
        elif event == LogEvent.GROUP_ERROR:
            for info in record.job_error_info:
                self._tell_failure(info["rule_name"], [*record.aux_logs, *info["log"]])
        elif event is None and self._is_told(record):
            self.console.print(record.getMessage())

    def _is_told(self, record: logging.LogRecord) -> bool:
        log = self.failed and record.getMessage().startswith("Complete log")
        return record.levelno >= logging.WARNING or record.getMessage().startswith(_TOLD) or bool(log)

    def _show(self, done: int, total: int) -> None:
        self.started = self.started or time.monotonic()
        if self.console.is_terminal and self.bar is None:
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.task = self.bar.add_task("", total=total)
            self.bar.start()
        self.done, self.total = done, total
        if self.bar is not None:
            self.bar.update(self.task, completed=done, total=total)
            self._describe()
        elif done * _LINES // total > self.said:
            self.said = done * _LINES // total
            self.console.print(f"{done} of {total} jobs, {self._left()}")
        if done == total:
            self._stop()
            self.console.print(f"{total} jobs in {_spoken(time.monotonic() - self.started)}")

    def _describe(self) -> None:
        if self.bar is not None and self.running:
            names = list(self.running.values())
            more = f" and {len(names) - _SHOWN_JOBS} more" if len(names) > _SHOWN_JOBS else ""
            self.bar.update(self.task, description=f"{self._left()}: {', '.join(names[:_SHOWN_JOBS])}{more}")

    def _left(self) -> str:
        """The time left, as if the jobs to come took as long as those that are done."""
        if not self.done:
            return "starting"
        seconds = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        return f"about {_spoken(seconds)} left" if seconds else "done"

    def _tell_failure(self, what: str, logs: list[str]) -> None:
        self.failed += 1
        log = next((path for path in map(Path, logs) if path.is_file()), None)
        if log is None:
            self.console.print(f"{what} failed, and wrote no log")
            return
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        self.console.print(f"{what} failed. The last lines of {log}:")
        for line in lines:
            self.console.print(f"    {line}")

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def close(self) -> None:
        self._stop()
        super().close()


def _spoken(seconds: float) -> str:
    """Seconds, minutes or hours, as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
