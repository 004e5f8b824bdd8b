"""Cores that a run may use, and a path of Python that a shell reads as one word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spic.errors import ConfigError
from spic.run import host as machine
from spic.run.host import is_plain, plain_executable, usable_cores


@pytest.fixture
def sixteen_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)


def tree(root: Path, files: dict) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 16),
        ({"proc/self/cgroup": "0::/\n"}, 16),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 16),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),  # docker run --cpus 2
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "10000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 16),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000",
                "sys/fs/cgroup/a/cpu.max": "3 1",
            },
            3,
        ),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "4 1", "sys/fs/cgroup/a/cpu.max": "7 1"}, 4),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, 16),
        (
            {
                "proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/docker/x\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "500000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            5,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            16,
        ),
    ],
)
def test_a_containers_quota_counts(sixteen_cores, tmp_path, files, cores):
    assert usable_cores(tree(tmp_path, files)) == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_the_affinity_counts():
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
    code += "from spic.run.host import usable_cores; print(usable_cores())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"


def test_a_system_without_affinity(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert usable_cores(tmp_path) == 7


def test_a_plain_path_stays(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/usr/local/bin/python3.11")
    assert plain_executable() == "/usr/local/bin/python3.11"


@pytest.mark.parametrize("name", ["my dir", "it's", 'a"b', "a$b", "a;b", "a&b", "(a)", "a\nb"])
def test_a_python_in_an_odd_path_is_reached_by_a_link(tmp_path, monkeypatch, name):
    environment = tmp_path / name / ".venv"
    environment.parent.mkdir()
    environment.symlink_to(sys.prefix)
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.setattr(sys, "executable", str(environment / Path(sys.executable).relative_to(sys.exec_prefix)))
    ended = []
    monkeypatch.setattr(machine.atexit, "register", lambda *call, **options: ended.append((call, options)))
    path = plain_executable()
    assert not is_plain(sys.executable) and is_plain(path)
    code = "import sys, yaml; print(sys.prefix)"  # the environment's packages are there
    said = subprocess.run(f"{path} -c '{code}'", shell=True, capture_output=True, text=True, check=True).stdout
    assert Path(said.strip()).resolve() == environment.resolve()
    ((remove, folder), options) = ended[0]
    remove(folder, **options)
    assert not Path(path).exists() and environment.exists()


def test_where_no_link_can_help_it_is_said(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/my dir/python")
    monkeypatch.setattr(sys, "prefix", "/usr")
    with pytest.raises(ConfigError, match="/my dir/python: jobs can not be started"):
        plain_executable()
