"""One card for each job, where a machine has several and no scheduler."""

import subprocess
import sys

import pytest

from spic.run import host as gpus

CODE = """
import os, sys
from spic.run.host import take_card
print(take_card("cuda", sys.argv[1]), os.environ.get("CUDA_VISIBLE_DEVICES"), "torch" in sys.modules, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a process that takes a card and keeps it; returns the process and what it says."""
    processes = []

    def start(visible):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(tmp_path / "locks")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, process.stdout.readline().split()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_two_jobs_have_a_card_each_and_a_killed_one_gives_its_back(start):
    first, said = start("0,1")
    assert said == ["0", "0", "False"]
    _, said = start("0,1")
    assert said == ["1", "1", "False"]
    first.kill()
    first.wait()
    assert start("0,1")[1] == ["0", "0", "False"]


def test_more_jobs_than_cards_share_evenly(start):
    assert [start("3,GPU-ab/c")[1][0] for _ in range(4)] == ["3", "GPU-ab/c"] * 2


@pytest.mark.parametrize("visible", ["", "1", "GPU-5a"])
def test_one_card_of_a_scheduler_is_kept(start, visible, tmp_path):
    _, said = start(visible)
    assert said[0] == "None" and said[1:-1] == ([visible] if visible else [])
    assert not (tmp_path / "locks").exists()


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_without_a_choice_nothing_is_looked_at(device, monkeypatch):
    monkeypatch.setattr(gpus, "visible_cards", lambda: pytest.fail("looked for cards"))
    assert gpus.take_card(device) is None


def test_cards_are_counted_by_their_device_files(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(gpus, "Path", lambda path: tmp_path if path == "/dev" else pytest.fail(path))
    assert gpus.visible_cards() == ["0", "1"]


@pytest.mark.parametrize(
    ("device", "visible", "jobs"),
    [
        ("auto", "", 6),
        ("auto", "0", 1),
        ("auto", "0,1,2", 3),
        ("cuda", "2,3", 2),
        ("cuda:1", "0,1,2", 1),
        ("cpu", "0,1,2", 6),
        ("cpu", "", 6),
    ],
)
def test_jobs_of_networks_are_as_many_as_cards_or_else_cores(device, visible, jobs, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus.network_jobs(device, 6) == jobs
