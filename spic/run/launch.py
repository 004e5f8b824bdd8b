"""`spic run`: start Snakemake next to its Snakefile, in this process, with what a run on this machine needs.

A run that was killed leaves Snakemake's lock behind. Here a second lock, which the operating system drops with the
process that holds it, tells such a folder from one that is in use: only an abandoned folder is unlocked. A bare
`snakemake`, the other door, takes that lock too where it runs this project's Snakefile; any other is known by its
process. The folder is the one that `--directory` names, else the present one.
"""

import fcntl
import logging
import os
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from spic.benchmark.config import load
from spic.errors import ConfigError
from spic.files import private_folder
from spic.run.host import is_plain, usable_cores
from spic.run.job import JOBS_LOCK
from spic.run.slurm import cancel_left_jobs

LOCK = Path(".snakemake", "spic.lock")
_held = []  # the open lock file of this process
# Options that only print: Snakemake starts no job, and there is nothing to take up or to guard.
_TELLING = (
    "dryrun lint list_rules list_target_rules print_compilation dag rulegraph filegraph d3dag summary detailed_summary "
    "list_changes list_input_changes list_params_changes list_untracked list_conda_envs containerize "
    "generate_unit_tests archive"
).split()

_LISTS = "--configfile", "--configfiles", "--config", "--resources"


def run_workflow(arguments: list[str]) -> int:
    """Run Snakemake with `arguments` and return its exit status; `SystemExit` for those that it can not read.

    Half-made files of a killed run are made again, and its jobs that are still in Slurm's queue are cancelled first.
    All cores of this machine are used unless an option says otherwise. Options that only print, `--dry-run` and the
    like, change nothing.

    Raises
    ------
    ConfigError
        There is no Snakefile, a config file can not be read, or another run is going on in the folder.
    """
    os.environ.update(_cache_home())
    from snakemake.cli import args_to_api, parse_args, parse_config, print_exception
    from snakemake.exceptions import CliException

    logging.getLogger("snakemake").propagate = False  # it prints by itself
    for option in _LISTS:
        if sum(argument.partition("=")[0] == option for argument in arguments) > 1:
            raise ConfigError(f"{option} is given twice, and the first would be forgotten: name all values after one")
    try:
        _, args = parse_args(arguments)
        parse_config(args.config)
    except (CliException, ValueError) as error:
        raise ConfigError(str(error)) from None
    if args.snakefile is None and not Path("Snakefile").exists():
        raise ConfigError(f"{Path.cwd()}: no Snakefile here; run this in a clone of the project")
    for overlay in args.configfile or []:
        load(overlay)
    args.rerun_incomplete = args.show_failed_logs = True
    if args.executor in (None, "local") and args.cores is None and args.jobs is None:
        args.cores = usable_cores()
    folder = Path(args.directory or ".")
    with ExitStack() as stack:
        if not _only_tells(args):
            _held.append(stack.enter_context(_take(folder)))
            stack.callback(_held.clear)
            _take_up(folder)
            from spic.run import progress

            progress.use(args)
        elif _locks(folder) and _at_work(folder) is None:  # Snakemake speaks of another one that is running
            print("An earlier run was killed; the next one will go on where it stopped.", file=sys.stderr)
        try:
            return 0 if args_to_api(args, None) else 1
        except Exception as error:  # as Snakemake's own command does
            print_exception(error)
            return 1


def _cache_home() -> dict[str, str]:
    """XDG_CACHE_HOME in the temporary folder where this user has no cache: Snakemake does not start without one."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(cache):
        with suppress(OSError):
            os.makedirs(cache, exist_ok=True)
            if os.access(cache, os.W_OK):
                return {}
    folder = private_folder("spic-cache")
    if folder is None:
        raise ConfigError(f"{cache}: not writable, and Snakemake needs a cache; XDG_CACHE_HOME can name a folder")
    print(f"{cache} is not writable; the cache is in {folder}. XDG_CACHE_HOME can name a folder.", file=sys.stderr)
    return {"XDG_CACHE_HOME": str(folder)}


def hold_folder() -> None:
    """Take the present folder for this Snakemake until it ends, unless `spic run` has; `ConfigError` if it is taken."""
    if not _held:
        _held.append(_take(Path(".")))


def _only_tells(args) -> bool:
    makes_report = getattr(args, "reporter", None) or args.report
    return any(getattr(args, name, None) for name in _TELLING) or bool(makes_report and not args.report_after_run)


def _take_up(folder: Path) -> None:
    """Go on where a killed run stopped: nothing of it may still write, and its lock goes."""
    locks = _locks(folder)
    process = _at_work(folder)
    if process is not None and locks:
        raise ConfigError(f"{folder.resolve()}: a Snakemake is at work in this folder (process {process})")
    if process is not None:
        return  # it is about to start, or only tells something; should it start first, its lock will stop this run
    cancel_left_jobs(folder)
    with (folder / JOBS_LOCK).open("a") as file:  # of jobs that outlive a killed run: two would write one file
        if not _lock(file):
            print("Waiting for a job that a killed run left behind.", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
    if locks:
        print("An earlier run was killed; going on where it stopped.", file=sys.stderr)
    for lock in locks:
        lock.unlink(missing_ok=True)


def _locks(folder: Path) -> list[Path]:
    return list((folder / ".snakemake" / "locks").glob("*"))


def _at_work(folder: Path) -> int | None:
    """Number of a process that is a bare `snakemake` in `folder`, as far as this user may see.

    One that is itself a job (`--mode`) or a dry run is none.
    """
    folder = str(folder.resolve())
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        named = "snakemake" in (Path(word).name for word in command[:4])  # python -u -m snakemake, bin/snakemake
        other = {"--mode", "-n", "--dry-run", "--dryrun"} & set(command)
        if named and not other and process.info["cwd"] == folder and process.pid != os.getpid():
            return process.pid
    return None


def _take(folder: Path):
    """The open lock file of a folder, locked; it names who holds it."""
    path = folder / LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise ConfigError(f"{path.absolute()}: {error.strerror}; --directory names another folder for a run") from None
    if not _lock(file):
        file.close()
        raise ConfigError(f"{folder.resolve()}: another run is going on in this folder ({path.read_text().strip()})")
    file.truncate(0)
    print(f"process {os.getpid()} on {socket.gethostname()}", file=file, end="", flush=True)
    return file


def _lock(file) -> bool:
    """Lock an open file for this process alone; False if another has it. True where the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True


def check_cluster(workflow) -> None:
    """`ConfigError` if jobs on other machines are to be started by a path that they can not read (`spic.run.host`)."""
    if not workflow.local_exec and not is_plain(sys.prefix):
        raise ConfigError(f"{sys.prefix}: a path with a space or a quote works on one machine only")


def write_report(workflow, path) -> None:
    """Write Snakemake's report of a run that has just ended well.

    It is a call of `snakemake` with what the run was called with, so it sees the same settings. A report that can not
    be made is reported on stderr and fails nothing: the results are there.

    workflow : Snakemake's object of that name; the present folder is the run's.
    """
    given = workflow.config_settings
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(workflow.main_snakefile)]
    command += ["--nolock", "--cores", "1", "--report", str(path), *map(str, workflow.dag_settings.targets or [])]
    for option, values in (("--configfile", given.configfiles), ("--config", given.config_args)):
        command += [option, *map(str, values)] if values else []
    command += ["--replace-workflow-config"] if given.replace_workflow_config else []
    done = subprocess.run(command, capture_output=True, text=True)
    problem = f"{path} could not be written: {(done.stdout + done.stderr).strip()[-2000:]}"
    print(problem if done.returncode else f"{path}: the run in one file", file=sys.stderr)
