"""Large runs: the plan grows with chunks, not with pictures, and what is not to be kept goes."""

import json

import pytest

from spic.datasets import get_dataset
from spic.provenance.fingerprints import pictures_signature

pytestmark = pytest.mark.workflow


def plan(run, tmp_path, pictures, **settings):
    """Jobs by rule that a dry run over so many (empty) files announces."""
    folder = tmp_path / f"pictures{pictures}"
    folder.mkdir()
    for i in range(pictures):
        (folder / f"{i:05d}.png").touch()
    config = {"dataset": "folder", "dataset_root": str(folder), "limit": None, **settings}
    (tmp_path / "many.yaml").write_text(json.dumps(config))
    done = run("--dry-run", "--quiet", "rules", overlay=tmp_path / "many.yaml")
    rows = [line.split() for line in (done.stdout + done.stderr).splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def test_jobs_grow_with_chunks_and_not_with_pictures(empty_run, tmp_path):
    few = plan(empty_run, tmp_path, 40, chunk_size=10)
    many = plan(empty_run, tmp_path, 4000, chunk_size=1000)
    assert many == few and few["decode"] == 4 * 4 and few["summarize"] == 4


def test_the_signature_of_a_chunk_reads_no_picture(tmp_path):
    for i in range(3000):
        (tmp_path / f"{i}.png").touch()  # no picture could be read from these
    dataset = get_dataset("folder", tmp_path)
    signatures = [pictures_signature(dataset, first, 1000) for first in range(0, 3000, 1000)]
    assert len(set(signatures)) == 3


@pytest.mark.slow
def test_only_scores_are_kept_on_request(empty_run, tmp_path):
    """Chunks of one picture; what was decoded goes as soon as it was seen, and is not made again."""
    (tmp_path / "scores.yaml").write_text(
        "{keep: scores, chunk_size: 1, judge: null, methods: {spic: null, upsampled: null, bpg: null}}"
    )
    target = "results/smoke/tables/claims.md"
    empty_run(target, "--cores", 2, "--resources", "gpu=1", overlay=tmp_path / "scores.yaml")
    assert len(list(empty_run.results.glob("jpeg2000/bpp0.2/*/looks"))) == 2
    assert not list(empty_run.results.glob("*/*/*/decoded"))
    done = empty_run("--dry-run", target, overlay=tmp_path / "scores.yaml")
    assert "Nothing to be done" in done.stdout + done.stderr
