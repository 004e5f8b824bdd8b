"""Jobs that a killed run left in a Slurm queue, with programs in place of Slurm's."""

import os

import pytest

from spic.errors import ConfigError
from spic.run.slurm import cancel_left_jobs

RUN = "spic_0204ec6b-c84a-495a-9ed9-b76aa40b173c"


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A queue that scancel empties; call it with (number, name, working folder) of its jobs."""
    programs, rows = tmp_path / "bin", tmp_path / "rows"
    programs.mkdir()
    (programs / "squeue").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {rows}\n')
    (programs / "scancel").write_text(f'#!/bin/sh\nfor job; do sed -i "/^$job|/d" {rows}; done\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)

    def fill(*jobs):
        rows.write_text("".join(f"{number}|{name}|{folder}\n" for number, name, folder in jobs))
        return rows

    return fill


def test_only_jobs_of_a_run_in_this_folder_are_cancelled(queue, tmp_path, capsys):
    here, link = tmp_path / "here", tmp_path / "link"
    here.mkdir()
    link.symlink_to(here)
    uuid = RUN.removeprefix("spic_")
    rows = queue((7, RUN, here), (7, RUN, here), (12, uuid, link), (8, RUN, tmp_path), (9, "mine", here))
    assert cancel_left_jobs(here) == ["12", "7"]
    assert rows.read_text() == f"8|{RUN}|{tmp_path}\n9|mine|{here}\n"
    assert "12, 7" in capsys.readouterr().err
    assert f"--user {os.getuid()} " in (tmp_path / "asked").read_text()
    assert cancel_left_jobs(here) == []


def test_jobs_that_do_not_end_stop_the_next_run(queue, tmp_path):
    queue((7, RUN, tmp_path))
    (tmp_path / "bin" / "scancel").write_text("#!/bin/sh\n")
    with pytest.raises(ConfigError, match="Slurm jobs 7 of an earlier run"):
        cancel_left_jobs(tmp_path, patience=0.1)


def test_without_slurm_or_where_it_does_not_answer_nothing_happens(queue, tmp_path, monkeypatch):
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\necho 'squeue: error' >&2\nexit 1\n")
    assert cancel_left_jobs(tmp_path) == []
    monkeypatch.setenv("PATH", "")
    assert cancel_left_jobs(tmp_path) == []
