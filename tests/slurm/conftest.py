"""A real Slurm of one node on this machine: no systemd, no cgroups, no database, everything below one folder."""

import contextlib
import getpass
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun")
CARDS = {0: "/dev/null", 1: "/dev/zero"}  # two GPUs, as far as Slurm can tell

CONFIG = """
ClusterName=spic
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.sock
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0,bf_interval=1
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
MinJobAge=3600
KillWait=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES DefMemPerCPU=100 State=UP
PartitionName=gpu Nodes={host} DefMemPerCPU=100 State=UP
"""


def missing() -> str:
    """Why Slurm cannot run here; empty if it can."""
    if os.geteuid() != 0:
        return "Slurm's daemons need root here"
    # Debian has the daemons in /usr/sbin.
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    absent = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if absent:
        return f"no {', '.join(absent)}: apt-get install --no-install-recommends slurm-wlm munge"
    if not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        return "no snakemake-executor-plugin-slurm: pip install 'semantic-image-coding[slurm]'"
    return ""


class Slurm:
    """The daemons, and what the queue says."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = os.environ | {
            "SLURM_CONF": str(folder / "etc" / "slurm.conf"),
            "PATH": os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"]),
        }
        for name in ("SNAKEMAKE_PROFILE", "SLURM_JOB_ID"):
            self.env.pop(name, None)

    def run(self, *command, check=True) -> str:
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        for name in ("etc", "log", "munge", "run", "spool", "state"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge" / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        host = socket.gethostname().split(".")[0]
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            ports = [one.getsockname()[1] for one in sockets]
        conf = self.folder / "etc" / "slurm.conf"
        conf.write_text(CONFIG.format(host=host, folder=self.folder, ports=ports))
        cards = [f"NodeName={host} Name=gpu Type=fake File={file}\n" for file in CARDS.values()]
        conf.with_name("gres.conf").write_text("".join(cards))
        munge = {"key-file": key, "socket": self.folder / "munge" / "munge.sock"}
        munge |= {"pid-file": self.folder / "run" / "munged.pid", "log-file": self.folder / "log" / "munged.log"}
        munge |= {"seed-file": self.folder / "munge" / "munged.seed"}
        self.run("munged", "--force", *(f"--{name}={value}" for name, value in munge.items()))
        self.run("slurmctld", "-c")
        self.run("slurmd")
        self.wait(lambda: self.run("sinfo", "-h", "-o", "%t", check=False).split()[:1] == ["idle"], 20, self.logs)

    def stop(self) -> None:
        """End the daemons and all jobs, whatever state they are in."""
        for command in (["scancel", "-u", getpass.getuser()], ["scontrol", "shutdown"]):
            with contextlib.suppress(Exception):
                self.run(*command, check=False)
        deadline = time.monotonic() + 15
        while pids := [pid for file in (self.folder / "run").glob("*.pid") if (pid := _alive(file))]:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
            time.sleep(0.2)

    def jobs(self) -> dict[str, dict[str, str]]:
        """All jobs, the finished ones too: {number: {field of `scontrol show job`: value}}."""
        rows = self.run("scontrol", "--details", "--oneliner", "show", "job").splitlines()
        fields = [dict(word.split("=", 1) for word in row.split() if "=" in word) for row in rows]
        return {one["JobId"]: one for one in fields if "JobId" in one}

    def logs(self) -> str:
        return "".join(path.read_text()[-3000:] for path in (self.folder / "log").glob("*.log"))

    @staticmethod
    def wait(condition, seconds: float, why=lambda: "") -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, why()
            time.sleep(0.3)


def _alive(pid_file: Path) -> int | None:
    """The process a daemon's file names, if it is that daemon and lives."""
    try:
        pid = int(pid_file.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return pid if name == pid_file.stem else None


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A running Slurm; the test skips where there is none, or fails if SPIC_REQUIRE_SLURM is set."""
    if reason := missing():
        if os.environ.get("SPIC_REQUIRE_SLURM"):
            pytest.fail(f"SPIC_REQUIRE_SLURM is set: {reason}")
        pytest.skip(reason)
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    cluster.folder.parent.chmod(0o755)  # munge wants its socket reachable
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def new_tree(tmp_path_factory):
    """Factory of working copies of the project, each for runs of its own; the package itself is shared."""

    def make(name: str) -> Path:
        tree = tmp_path_factory.mktemp(name)
        for folder in ("config", "envs", "profiles", "rules", "scripts", "report"):
            if (ROOT / folder).exists():
                shutil.copytree(ROOT / folder, tree / folder)
        for file in ("Snakefile", "config.yaml", "pyproject.toml"):
            shutil.copy(ROOT / file, tree)
        (tree / "spic").symlink_to(ROOT / "spic")
        return tree

    return make


@pytest.fixture(scope="session")
def start_run():
    """Start `spic run` in a folder, its words in `name`.log there."""

    def start(tree: Path, name: str, *arguments, env=None) -> subprocess.Popen:
        code = "import sys; from spic.run.launch import run_workflow; sys.exit(run_workflow(sys.argv[1:]))"
        with (tree / f"{name}.log").open("w") as log:
            command = [
                sys.executable,
                "-c",
                code,
                *map(str, arguments),
                "--configfile",
                "config/smoke.yaml",
                "--nocolor",
            ]
            return subprocess.Popen(
                command, cwd=tree, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    return start
