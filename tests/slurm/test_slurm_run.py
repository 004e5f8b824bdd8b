"""The smoke run through a real Slurm: a job is cancelled, the workflow killed, a second one ends what it began."""

import contextlib
import os
import signal
from datetime import datetime
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.workflow]
QUICK = ["--cores", 2, "--slurm-init-seconds-before-status-checks", 4]
SLOW = 900  # seconds on a busy machine


def finish(process, tree, name):
    code = process.wait(SLOW)
    text = (tree / f"{name}.log").read_text()
    assert code == 0, text[-6000:]
    return text


def kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def story(slurm, new_tree, start_run):
    """What happened: tables by Slurm and by a local run, jobs of the killed and of the second run, what was said."""
    tree, local = new_tree("through_slurm"), new_tree("local")

    def rebuilding(state=""):
        return [
            number
            for number, one in slurm.jobs().items()
            if "rebuild" in one.get("Comment", "") and one["JobState"].startswith(state)
        ]

    first = start_run(tree, "first", "--workflow-profile", "profiles/slurm", *QUICK, env=slurm.env)
    try:

        def until(condition):
            def met():
                assert first.poll() is None, (tree / "first.log").read_text()[-6000:]
                return condition()

            slurm.wait(met, SLOW, slurm.logs)

        until(lambda: len(rebuilding()) == 4)
        cancelled = rebuilding("PENDING")[0]  # two cards, four jobs
        slurm.run("scancel", cancelled)
        until(lambda: len(rebuilding()) == 5 and rebuilding("RUNNING"))
    finally:
        kill(first)
    left = rebuilding("RUNNING") + rebuilding("PENDING")
    killed = set(slurm.jobs())
    processes = [
        start_run(local, "local", "--cores", 2, env=slurm.env),
        start_run(tree, "second", "--profile", "profiles/slurm", *QUICK, env=slurm.env),
    ]
    try:
        finish(processes[0], local, "local")
        said = finish(processes[1], tree, "second")
    finally:
        for process in processes:
            kill(process)
    jobs = slurm.jobs()
    return SimpleNamespace(
        tree=tree,
        local=local,
        said=said,
        cancelled=cancelled,
        left=left,
        first={number: one for number, one in jobs.items() if number in killed},
        second={number: one for number, one in jobs.items() if number not in killed},
    )


def when(job, event):
    return datetime.fromisoformat(job[event])


def of(jobs, comment):
    return [one for one in jobs.values() if one["Comment"].startswith(f"rule_{comment}")]


def test_every_job_went_through_slurm(story):
    logs = [path.read_text() for path in (story.tree / ".snakemake" / "log").glob("*.log")]  # `spic run` prints less
    locally = [line for text in logs for line in text.splitlines() if line.startswith("localrule")]
    assert locally == ["localrule all:"]
    assert {one["JobState"] for one in story.second.values()} == {"COMPLETED"}
    first = {one["Comment"].removeprefix("rule_") for one in story.first.values()}
    assert {"resolve", "prepare_prepare", "segment_wildcards_0000", "look_at_originals_wildcards_0000"} <= first
    assert {one["WorkDir"] for one in (story.first | story.second).values()} == {str(story.tree)}


@pytest.mark.parametrize(
    ("comment", "partition", "gpus", "cpus", "megabytes", "limit"),
    [
        ("resolve", "cpu", 0, 1, 8000, "01:00:00"),
        ("segment", "cpu", 0, 1, 8000, "01:00:00"),
        ("encode_encode", "cpu", 0, 2, 2000, "01:00:00"),  # four jobs, two by two, in one submission
        ("rebuild", "gpu", 1, 1, 8000, "05:30:00"),  # decode, look and score one after the other, one card for all
        ("tables", "cpu", 0, 2, 8000, "03:00:00"),  # all that follows the scores
    ],
)
def test_resources_are_those_of_rules_and_profile(story, comment, partition, gpus, cpus, megabytes, limit):
    done = [one for one in of(story.first | story.second, comment) if one["JobState"] == "COMPLETED"]
    # Where the workflow was killed after a decode, what is left of its group asks for no card.
    job = next(one for one in done if bool(one.get("TresPerJob")) == bool(gpus))
    assert job["Partition"] == partition
    assert int(job["CPUs/Task"]) == cpus
    assert job["MinMemoryNode"] in (f"{megabytes}M", f"{megabytes / 1024:g}G")
    assert job["TimeLimit"] == limit
    assert job.get("TresPerJob") == (f"gres:gpu:{gpus}" if gpus else None)
    assert ("gpu:fake:1" in job.get("JOB_GRES", "")) == bool(gpus)
    assert job["JobName"].startswith("spic_")


def test_a_cancelled_job_is_tried_again_with_more(story):
    assert story.first[story.cancelled]["JobState"] == "CANCELLED"
    again = of(story.first, "rebuild")[-1]
    assert again["MinMemoryNode"] in ("16000M", "15.625G") and again["TimeLimit"] == "11:00:00"


def test_a_killed_workflow_goes_on_without_a_second_writer(story):
    assert story.left  # jobs live on when the workflow is killed
    assert "Cancelling Slurm jobs that a killed run left behind" in story.said
    assert "going on where it stopped" in story.said
    begin = min(when(one, "SubmitTime") for one in story.second.values())
    assert all(when(one, "EndTime") <= begin for one in story.first.values())
    assert {story.first[number]["JobState"] for number in story.left} <= {"CANCELLED", "COMPLETED"}
    assert not of(story.second, "encode") and not of(story.second, "prepare")  # what was done is not done again


def test_the_limit_of_cards_of_one_machine_does_not_throttle_the_cluster(story):
    jobs = of(story.second, "rebuild")
    assert len(jobs) >= 2
    submitted = [when(one, "SubmitTime") for one in jobs]
    ended = min(when(one, "EndTime") for one in jobs)
    assert max(submitted) < ended


TIMES = ("timing.csv", "tables.provenance.json", "compare.provenance.json")


def test_tables_are_those_of_a_local_run(story):
    def tables(tree):
        files = (tree / "results" / "smoke" / "tables").iterdir()
        kept = (path for path in files if path.is_file() and path.name not in TIMES)
        return {path.name: path.read_bytes() for path in kept}

    assert tables(story.tree) == tables(story.local)
    assert {"points.csv", "intervals.csv", "pictures.parquet", "claims.csv"} <= set(tables(story.tree))


def test_array_jobs_and_another_partition_from_the_command_line(slurm, new_tree, start_run):
    tree = new_tree("arrays")
    options = ["--until", "prepare", "--config", "chunk_size=1", "--groups", "encode=encode"]
    options += ["--slurm-array-jobs", "prepare", "--default-resources", "slurm_partition=gpu"]
    process = start_run(tree, "arrays", "--profile", "profiles/slurm", *QUICK, *options, env=slurm.env)
    try:
        finish(process, tree, "arrays")
    finally:
        kill(process)
    jobs = [one for one in slurm.jobs().values() if one["WorkDir"] == str(tree)]
    assert sorted(one["ArrayTaskId"] for one in jobs) == ["1", "2"]
    assert {one["Partition"] for one in jobs} == {"gpu"}
    assert {one["MinMemoryNode"] for one in jobs} == {
        "1001M"
    }  # the profile's, and one for the array's list of commands
