"""The workflow as a user runs it: complete, repeatable, resumable, honest about what it decodes from."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from spic.benchmark.summary import point_columns
from spic.pictures.reading import read_picture
from spic.report.figures.style import styles_of

pytestmark = pytest.mark.workflow
METHODS = {"spic", "upsampled", "bpg", "jpeg2000"}
TABLES = ["points", "per_class", "recall", "intervals", "judge", "matched", "margins", "bd", "claims"]


AFTER = {"tables": 1, "compare": 1, "figures": 1, "figure_pictures": 1, "gallery": 1, "overview": 1, "all": 1}


def planned(run, overlay) -> dict[str, int]:
    """Jobs that a run with an overlay would start, by rule."""
    done = run("--dry-run", overlay=overlay)
    lines = [line.split() for line in (done.stdout + done.stderr).splitlines()]
    return dict(Counter(line[1].rstrip(":") for line in lines if line and line[0] in ("rule", "localrule")))


def test_smoke_makes_every_table_and_figure(smoke):
    points = pd.read_csv(smoke.results / "tables" / "points.csv")
    assert list(points.columns) == point_columns()
    assert set(points["method"]) == METHODS and (points["n"] == 2).all()
    judged = ["miou_independent", "small_recall"]
    assert points[["bpp", "miou", "miou_gt", "fd_lite0", "fd_patch", "psnr", "ms_ssim", *judged]].notna().all().all()
    assert points["fid"].isna().all() and points["lpips"].isna().all()
    assert points.set_index("method")["ssm_source"].dropna().to_dict() == {"spic": "segmenter"}
    assert set(smoke.tables()) == {f"{name}.csv" for name in TABLES} | {"pictures.parquet", "claims.md"}
    pictures = pd.read_parquet(smoke.results / "tables" / "pictures.parquet")
    assert len(pictures) == 2 * len(METHODS) and pictures["name"].nunique() == 2
    claims = pd.read_csv(smoke.results / "tables" / "claims.csv")
    assert list(claims["claim"]) == list(range(1, 10)) and claims["verdict"].notna().all()
    for method in METHODS:
        file = json.loads((smoke.results / "tables" / "compressai" / "corrected" / f"{method}.json").read_text())
        assert len(file["results"]["bpp"]) == 1 and file["results"]["decoding_time"][0] > 0
    shown = pd.read_csv(smoke.results / "figures" / "pictures.csv")
    shown = shown[(shown["figure"] == "figure2") & (shown["method"] != "original")]
    assert list(shown["method"]) == ["bpg", "spic"]
    same = shown.merge(pictures, on=["method", "point", "name"])
    assert len(same) == 2 and np.allclose(same["bpp_x"], same["bpp_y"], rtol=1e-5)
    assert same["miou_x"].to_numpy() == pytest.approx(same["miou_y"].to_numpy(), abs=1e-6)  # the very pictures


SAID = {  # in each figure
    "figure2": ["BPG, QP 44", "SPIC, QP 35", "mIoU {miou}"],
    "figure3": ["whole picture", "SPIC", "mIoU", "method sr"],  # which is left out
    "figure4a": ["mIoU to the segmented original", "smoke: 2 pictures"],
    "figure4b": ["EfficientNet-Lite0", "smoke: 2 pictures"],
    "rate_split": ["coarse image", "{bpp}, {share} % SSM"],
    "iou_per_class": ["IoU to the segmented original", "road"],
    "recall_by_size": ["share still there", "pedestrian"],
}


@pytest.mark.parametrize("name", SAID)
def test_every_figure_shows_what_it_should(smoke, name):
    row = pd.read_csv(smoke.results / "tables" / "points.csv").set_index("method").loc["spic"]
    shown = pd.read_csv(smoke.results / "figures" / "pictures.csv").query("figure == 'figure2' and method == 'spic'")
    numbers = {"bpp": f"{row['bpp']:.3f}", "share": f"{100 * row['bpp_ssm'] / row['bpp']:.0f}"}
    numbers["miou"] = f"{shown['miou'].iloc[0]:.3f}"
    text = (smoke.results / "figures" / f"{name}.svg").read_text()
    for words in SAID[name]:
        assert words.format(**numbers) in text
    pixels = read_picture(smoke.results / "figures" / f"{name}.png")
    if name.startswith("figure4"):
        methods = styles_of(METHODS)
        assert all(f">{style.label}<" in text and _has(pixels, style.color) for style in methods.values())
    elif name.startswith("figure"):
        original = read_picture(next((smoke.results / "figures" / "pictures").glob(f"{name}_*_original.png")))
        assert _contains(pixels, original[:100, :100])  # pixel for pixel
    else:
        assert _has(pixels, styles_of(["spic"])["spic"].color)


def _has(pixels, color: str) -> bool:
    return bool((pixels == np.array(list(bytes.fromhex(color[1:])), np.uint8)).all(axis=2).any())


def _contains(pixels, part) -> bool:
    height, width = part.shape[:2]
    corners = np.argwhere((pixels[: 1 - height, : 1 - width] == part[0, 0]).all(axis=2))
    return any(np.array_equal(pixels[y : y + height, x : x + width], part) for y, x in corners)


def test_rates_are_the_sizes_of_the_coded_files(smoke):
    points = pd.read_csv(smoke.results / "tables" / "points.csv").set_index("method")
    for method in METHODS:
        (folder,) = (smoke.results / method).glob("*/0000/coded")
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
        total = sum(path.stat().st_size for path in files)
        assert points.loc[method, "bpp_file"] == pytest.approx(8 * total / (2 * 256 * 512), rel=1e-5)
        assert method == "spic" or points.loc[method, "bpp"] == points.loc[method, "bpp_file"]
    spic = points.loc["spic"]
    assert spic["bpp"] == pytest.approx(spic["bpp_ssm"] + spic["bpp_coarse"], rel=1e-5)
    assert spic["bpp"] < spic["bpp_file"] < spic["bpp"] + 8 * 64 / (256 * 512)  # a header of less than 64 bytes
    suffixes = {path.suffix for path in (smoke.results / "spic" / "coarse_qp35" / "0000" / "coded").glob("[!.]*")}
    assert suffixes == {".spic"}


def test_per_class_table_holds_the_segmenter_itself(smoke):
    table = pd.read_csv(smoke.results / "tables" / "per_class.csv")
    original = table[table["method"] == "original"]
    assert (original["iou"].dropna() == 1).all() and original["iou_gt"].between(0, 1).any()


def test_logs_and_benchmarks_of_every_job(smoke):
    def jobs(folder, suffix):
        return {path.relative_to(folder).with_suffix("") for path in folder.rglob(f"*{suffix}")}

    logs = jobs(smoke.results / "logs", ".log")
    assert logs == jobs(smoke.results / "benchmarks", ".tsv") and len(logs) >= 17


def decoding(run) -> list[tuple[float, float]]:
    """Begin and end of each job that decodes."""
    spans = []
    for path in (run.folder / ".snakemake" / "metadata").iterdir():
        record = json.loads(path.read_text())
        if record["rule"] == "decode" and base64.b64decode(path.name).endswith(b"decode.provenance.json"):
            spans.append((record["starttime"], record["endtime"]))
    return sorted(spans)


def test_second_run_computes_nothing(smoke):
    before = smoke.tables()
    done = smoke("--cores", 2, "--resources", "gpu=1")
    assert "Nothing to be done" in done.stdout + done.stderr
    assert smoke.tables() == before


def test_a_new_point_computes_that_point_only(smoke, tmp_path):
    overlay = tmp_path / "more.yaml"
    overlay.write_text("methods: {upsampled: {coarse_qp: [35, 40]}}")
    point = {"encode": 1, "decode": 1, "look": 1, "score": 1, "summarize": 1}
    assert planned(smoke, overlay) == point | AFTER


@pytest.mark.parametrize("change", ["interval_block: 2", "classes_of_interest: [car, pedestrian]"])
def test_a_metric_without_a_network_runs_no_network(smoke, tmp_path, change):
    overlay = tmp_path / "change.yaml"
    overlay.write_text(change)
    assert planned(smoke, overlay) == {"summarize": len(METHODS)} | AFTER


def test_another_judge_looks_again_and_nothing_is_decoded(smoke, tmp_path):
    overlay = tmp_path / "judge.yaml"
    overlay.write_text("judge: null")
    evaluation = {"look_at_originals": 1, "score_originals": 1, **dict.fromkeys(["look", "score", "summarize"], 4)}
    assert planned(smoke, overlay) == evaluation | AFTER


def test_a_second_protocol_computes_what_it_does_otherwise(smoke, tmp_path):
    overlay = tmp_path / "both.yaml"
    overlay.write_text("protocols: [corrected, official]")
    otherwise = {"encode": 1, "decode": 1, "look": 1, "count_official": 2}  # spic's; upsampled is counted otherwise
    assert planned(smoke, overlay) == otherwise | {"score": 4, "summarize": 4} | AFTER


def test_the_protocols_differ_and_pictures_are_dropped_on_request(empty_run, tmp_path):
    (tmp_path / "both.yaml").write_text(
        "{protocols: [official, corrected], keep: scores, judge: null, frame_rate: 15, "
        "methods: {spic: null, bpg: null, jpeg2000: {bpp: [0.2]}}}"
    )
    empty_run("--cores", 2, "--resources", "gpu=1", overlay=tmp_path / "both.yaml")
    points = pd.read_csv(empty_run.results / "tables" / "points.csv").set_index(["method", "protocol"])
    assert set(points.index.get_level_values(1)) == {"official", "corrected"}
    official, corrected = points.loc[("upsampled", "official")], points.loc[("upsampled", "corrected")]
    assert official["bpp"] > corrected["bpp"] and official["psnr"] == corrected["psnr"]
    assert points.loc[("jpeg2000", "official"), "bpp"] == points.loc[("jpeg2000", "corrected"), "bpp"]
    assert points["miou_independent"].isna().all()
    assert points["kbps"].tolist() == pytest.approx((points["bpp"] * 256 * 512 * 15 / 1000).tolist(), rel=1e-5)
    assert 'id="clip"' not in (empty_run.results / "gallery" / "index.html").read_text()  # it would find no images
    assert len(list(empty_run.results.glob("*/*/0000/shown/*.png"))) == 2 * 2  # the gallery's pictures stay
    assert not list(empty_run.results.glob("*/*/*/decoded")) and list(empty_run.results.glob("*/*/*/coded"))
    counted = empty_run.results / "upsampled" / "coarse_qp35" / "0000" / "counted_official"
    total = sum(path.stat().st_size for path in counted.glob("[!.]*"))
    assert official["bpp"] == pytest.approx(8 * total / (2 * 256 * 512), rel=1e-5)
    done = empty_run("--dry-run", overlay=tmp_path / "both.yaml")
    assert "Nothing to be done" in done.stdout + done.stderr
    spans = decoding(empty_run)  # the limit that was given: one at a time on two cores
    assert len(spans) == 2 and all(first[1] <= second[0] for first, second in pairwise(spans))


def test_one_core_and_a_killed_run_give_the_same_tables(smoke, empty_run):
    process = subprocess.Popen(
        empty_run.command("--cores", 1, "--resources", "gpu=1"),
        cwd=empty_run.clone,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    coded = empty_run.results / "spic" / "coarse_qp35" / "0000" / "coded"
    deadline = time.monotonic() + 300
    while not coded.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert any((empty_run.folder / ".snakemake" / "locks").iterdir())
    assert not (empty_run.results / "tables" / "points.csv").exists()
    empty_run("--unlock", "--cores", 1)
    empty_run("--cores", 1, "--resources", "gpu=1", "--rerun-incomplete")
    assert empty_run.tables() == smoke.tables()
    assert empty_run.figures() == smoke.figures()


def test_decoding_needs_the_coded_bytes_alone(smoke, tmp_path):
    source = smoke.results / "spic" / "coarse_qp35" / "0000"
    shutil.copytree(source / "coded", tmp_path / "coded")
    code = (
        "from spic.benchmark.methods import Settings; from spic.benchmark.coding import decode;"
        "from spic.machine import Machine;"
        "decode('spic', Settings(machine=Machine(dtype='float32', threads=1)), 'coded', 'decoded', 'timing.csv')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=300)
    names = sorted(path.name for path in (source / "decoded").glob("*.png"))
    assert len(names) == 2
    for name in names:
        again, first = read_picture(tmp_path / "decoded" / name), read_picture(source / "decoded" / name)
        assert np.array_equal(again, first)


def test_fid_is_filled_and_named_where_its_weights_are_given(smoke, inception_weights):
    smoke("--cores", 2, "--resources", "gpu=1", "--config", f"fid_weights={inception_weights}")
    points = pd.read_csv(smoke.results / "tables" / "points.csv")
    assert points["fid"].notna().all() and (points["fid"] > 0).all()
    assert "FID" in (smoke.results / "figures" / "figure4b.svg").read_text()
