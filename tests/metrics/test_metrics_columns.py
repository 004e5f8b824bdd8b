"""A metric is said once: the registry, metrics of other packages, and all rooms that show a metric."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import spic.metrics
import spic.plugins
from spic.benchmark.observations import Maps, look, plan_looks, read_look, save_arrays
from spic.benchmark.protocols import CORRECTED
from spic.benchmark.scores import read_features, read_scores, score
from spic.benchmark.summary import point_columns, summarize, write_summary
from spic.errors import ConfigError, DataError
from spic.files import write_bytes
from spic.metrics import Metric, Observation, columns, statistics
from spic.metrics.columns import column, columns_in, columns_of, observations, registered
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.pictures.reading import write_png
from spic.provenance.fingerprints import metrics_version, observations_version
from spic.report.pages.gallery import under
from spic.report.pages.overview import Run, overview_html, write_table_page
from spic.report.tables import bd_table, matched_table, read_summaries, with_intervals, write_csv

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["a", "b", "c"]


@pytest.fixture(autouse=True)
def fresh():
    """Every test reads the registry anew, and leaves it as it was."""
    columns._registered.cache_clear()
    yield
    columns._registered.cache_clear()


@pytest.fixture
def offer(monkeypatch):
    """Let a package offer things by entry points, {name: what `load` returns or raises}."""

    class Point:
        def __init__(self, name, thing):
            self.name, self.thing = name, thing

        def load(self):
            if isinstance(self.thing, Exception):
                raise self.thing
            return self.thing

    def offering(**things):
        points = [Point(name, thing) for name, thing in things.items()]
        monkeypatch.setattr(spic.plugins, "entry_points", lambda group: points if group == "spic.metrics" else [])

    return offering


@pytest.fixture
def installed(extras, tmp_path, monkeypatch):
    """The package of docs/extending.md, in a folder of its own that a test may change."""
    site = shutil.copytree(extras, tmp_path / "site")
    monkeypatch.syspath_prepend(site)
    yield site
    sys.modules.pop("spic_colourfulness", None)


class Chunk:
    """Folders of one chunk of three images of 32x64, as the stages write them."""

    def __init__(self, folder):
        self.folder, self.random = folder, np.random.default_rng(5)
        self.originals = self.random.integers(0, 256, (3, 32, 64, 3), np.uint8)
        self.ssm = self.random.integers(0, 4, (3, 32, 64), np.uint8)
        for name, image, labels in zip(NAMES, self.originals, self.ssm, strict=True):
            write_png(folder / "originals" / f"{name}.png", image)
            write_png(folder / "ssm" / f"{name}.png", labels)
            write_png(folder / "labels" / f"{name}.png", (labels + 1) % 4)
        self.space = json.dumps(asdict(CAMVID11))
        write_bytes(folder / "space.json", self.space.encode())
        self.maps = Maps(folder / "ssm", folder / "space.json", folder / "labels", "camvid11")
        self.see("original_looks", folder / "originals", paired=False)

    def see(self, where, pictures, paired=True, maps="own"):
        """Look at a folder: the observations of other packages in earnest, networks made up."""
        plan = {name: one for name, one in plan_looks(paired=paired).items() if name not in ("lite0", "distortion")}
        with_maps = {"originals": self.folder / "originals", "maps": self.maps if maps == "own" else maps}
        look(pictures, self.folder / where, plan, **with_maps if paired else {}, cache=self.folder / "cache")
        features = {"features": self.random.standard_normal((3, 4)), "patches": self.random.standard_normal((3, 2, 4))}
        made_up = {"lite0": features, "segmenter": {"labels": self.ssm, "space": np.array(self.space)}}
        for name, arrays in made_up.items():
            save_arrays(self.folder / where / f"{name}.npz", {"names": np.array(NAMES), **arrays})
        return self.folder / where

    def decode(self, method, noise, maps="own"):
        """A folder of looks at the originals with noise."""
        folder = self.folder / method / str(noise)
        for name, image in zip(NAMES, self.originals, strict=True):
            noisy = image + self.random.normal(0, noise, image.shape) if noise else image
            write_png(folder / "decoded" / f"{name}.png", np.clip(noisy, 0, 255).astype(np.uint8))
        return self.see(f"{method}/{noise}/looks", folder / "decoded", maps=maps)

    def summary(self, method, noise, size=100):
        looks = self.decode(method, noise)
        for name in NAMES:
            write_bytes(looks.parent / "coded" / f"{name}.picture.bpg", b"x" * size)
        originals = replace(self.maps, looks=self.folder / "original_looks")
        score(originals, looks.parent / "scores.npz", looks=looks, counted=looks.parent / "coded", method="bpg")
        identity = {"run": "r", "protocol": "corrected", "method": method, "point": f"qp{size}", "ssm_source": ""}
        features = [read_features([where]) for where in (looks, originals.looks)]
        found = summarize(identity, read_scores([looks.parent / "scores.npz"]), *features, CORRECTED)
        write_summary(found, looks.parent / "summary.json", looks.parent / "pictures.parquet")
        return looks.parent / "summary.json"


def test_the_example_is_short(extending):
    assert len(extending["spic_colourfulness.py"].splitlines()) <= 30


def test_a_metric_of_another_package_is_in_all_tables_and_pages(installed, tmp_path):
    chunk = Chunk(tmp_path)
    runs = [("spic", 9, 60), ("spic", 6, 120), ("bpg", 40, 40), ("bpg", 20, 150)]
    summaries = [chunk.summary(method, noise, size) for method, noise, size in runs]
    tables = read_summaries(summaries)
    write_csv(tables["points"], tmp_path / "points.csv")
    points = pd.read_csv(tmp_path / "points.csv")
    assert list(points.columns)[-2:] == ["colourfulness", "ssm_source"] and (points["colourfulness"] > 0.5).all()

    import spic_colourfulness

    folder = summaries[0].parent
    decoded = [spic.pictures.reading.read_picture(folder / "decoded" / f"{name}.png") for name in NAMES]
    pairs = zip(decoded, chunk.originals, strict=True)
    shares = [spic_colourfulness.colourfulness(a) / spic_colourfulness.colourfulness(b) for a, b in pairs]
    assert points["colourfulness"][0] == pytest.approx(np.mean(shares), rel=1e-5)
    pictures = pd.read_parquet(folder / "pictures.parquet")
    assert pictures["colourfulness"].tolist() == pytest.approx(shares)
    intervals = tables["intervals"].set_index(["method", "point", "metric"])
    low, high = intervals.loc[("spic", "qp60", "colourfulness"), ["low", "high"]]
    assert low < points["colourfulness"][0] < high
    assert matched_table(points)["colourfulness"].notna().any() and "colourfulness" in set(bd_table(points)["metric"])
    page = overview_html(Run(with_intervals(points, tables["intervals"]), pd.DataFrame()))
    assert "<b>colourfulness kept</b>: BPG beats SPIC at all 2 rates" in page
    write_table_page(tmp_path / "tables.html", "r", {"Points": points})
    assert "colourfulness" in (tmp_path / "tables.html").read_text()
    assert under(pictures.iloc[0])["colourfulness kept"] == f"{shares[0]:.2f}"


def test_without_the_package_there_is_no_such_column():
    assert "colourfulness" not in point_columns()
    with pytest.raises(DataError, match="'colourfulness'"):
        column("colourfulness")


def test_a_change_of_a_package_makes_its_numbers_anew(installed, offer):
    before = observations_version(paired=True), metrics_version(), plan_looks()["colourfulness"].identity
    spic.provenance.fingerprints.module_version.cache_clear()
    file = installed / "spic_colourfulness.py"
    file.write_text(file.read_text().replace("0.3", "0.4"))
    after = observations_version(paired=True), metrics_version(), plan_looks()["colourfulness"].identity
    assert before[0]["colourfulness"] != after[0]["colourfulness"] and before[2] != after[2]
    assert before[0]["lite0"] == after[0]["lite0"] and "colourfulness" not in observations_version(paired=False)
    label = column("colourfulness").label
    columns._registered.cache_clear()
    offer(colourfulness=Metric("colourfulness", f"{label}, renamed", compute=lambda sample: 0.0))
    assert metrics_version() != before[1]


def test_a_number_may_be_taken_from_the_maps_and_is_known_by_them(offer, tmp_path):
    seen = []

    def road(sample):
        seen.append(sample)
        return float((sample.ssm == sample.space.id("road")).mean())

    offer(road=Metric("road", "road", compute=road))
    chunk = Chunk(tmp_path)
    looks = chunk.decode("bpg", 9)
    assert read_look(looks, "road")["road"].tolist() == [(labels == 3).mean() for labels in chunk.ssm]
    assert np.array_equal(seen[1].truth, (chunk.ssm[1] + 1) % 4) and seen[1].truth_space == CAMVID11
    chunk.see("again", looks.parent / "decoded")
    assert len(seen) == 3
    write_png(tmp_path / "ssm" / "c.png", np.zeros((32, 64), np.uint8))
    chunk.see("other maps", looks.parent / "decoded")
    assert len(seen) == 6 and read_look(tmp_path / "other maps", "road")["road"][2] == 0
    for name in NAMES:
        (tmp_path / "labels" / f"{name}.png").unlink()
    chunk.see("no truth", looks.parent / "decoded")
    assert seen[-1].truth is None and seen[-1].truth_space is None and len(seen) == 9
    with pytest.raises(ConfigError, match="label maps"):
        chunk.decode("bpg", 8, maps=None)
    (tmp_path / "ssm" / "b.png").unlink()
    with pytest.raises(DataError, match=r"b\.png"):
        chunk.decode("bpg", 7)


def test_a_further_judge_has_its_columns(offer, tmp_path):
    def build(weights, device):
        def see(sample):
            return {"labels": (sample.decoded[..., 0] // 64).astype(np.uint8)}

        see.constants = {"space": np.array(json.dumps(asdict(CAMVID11)))}
        return see

    offer(espnet=Observation("judge_esp-net", build))
    chunk = Chunk(tmp_path)
    summaries = [chunk.summary("bpg", 0), chunk.summary("bpg", 30, 50)]
    tables = read_summaries(summaries)
    points = tables["points"]
    further = ["miou_judge_esp-net", "miou_gt_esp-net", "miou_small_gt_esp-net"]
    assert [name for name in points.columns if name not in point_columns()] == further
    assert [name for name in points.columns if name not in further] == point_columns()
    assert points["miou_judge_esp-net"][0] == 1 > points["miou_judge_esp-net"][1]
    truth, found = (chunk.ssm + 1) % 4, chunk.originals[..., 0] // 64
    ious = [((truth == k) & (found == k)).sum() / ((truth == k) | (found == k)).sum() for k in range(4)]
    assert points["miou_gt_esp-net"][0] == pytest.approx(np.mean(ious))
    assert {"miou_judge_esp-net", "miou_gt_esp-net"} <= set(tables["intervals"]["metric"])
    assert "miou_judge_esp-net" in pd.read_parquet(summaries[0].parent / "pictures.parquet")
    with_ends = with_intervals(points, tables["intervals"])
    assert [row.name for row in columns_in(with_ends) if row.name in further] == further
    assert column("miou_judge_esp-net").label == "mIoU by esp-net" and not column("miou_gt_esp-net").lower_is_better


def test_a_family_has_one_column_per_array(offer, tmp_path):
    def build(weights, device):
        return lambda sample: {"weave_road": 1.0, "weave_sky": np.nan}

    offer(texture=(Metric("weave_*", "weave of *", observation=Observation("weave", build, paired=True)),))
    points = read_summaries([Chunk(tmp_path).summary("bpg", 9)])["points"]
    assert points["weave_road"][0] == 1 and np.isnan(points["weave_sky"][0])
    assert column("weave_road").label == "weave of road"


def test_features_of_another_network_are_one_row(offer, tmp_path):
    def build(weights, device):
        return lambda sample: {"features": sample.decoded.mean((0, 1))}

    network = Observation("means", build)
    distance = Metric("fd_means", "distance", "means", **columns.FRECHET, observation=network)
    far = Observation("far", build, weights=lambda settings: settings["fid_weights"])
    offer(own=(distance, Metric("fd_far", "distance", "far", **columns.FRECHET, observation=far)))
    points = read_summaries([Chunk(tmp_path).summary("bpg", 0)])["points"]
    assert points["fd_means"][0] == pytest.approx(0, abs=1e-6) and np.isnan(points["fd_far"][0])


def test_weights_are_found_hashed_and_handed_over(offer, tmp_path):
    loaded = []

    def build(weights, device):
        loaded.append((weights, device))
        return lambda sample: {"mean": 1.0}

    file = tmp_path / "own.bin"
    own = Observation("own", build, paired=True, weights=lambda settings: file if file.exists() else None)
    offer(own=Metric("mean", "mean", observation=own))
    assert "own" not in plan_looks()
    file.write_bytes(b"1")
    chunk = Chunk(tmp_path)
    assert read_look(chunk.decode("bpg", 9), "own")["mean"].tolist() == [1, 1, 1] and loaded == [(file, "cpu")]
    before = plan_looks()["own"].identity
    file.write_bytes(b"2")
    assert plan_looks()["own"].identity != before


def test_a_new_module_of_the_package_is_found(tmp_path, monkeypatch):
    text = "from spic.metrics import Metric\nCOLUMNS = (Metric('weave2', 'weave', compute=len),)\n"
    (tmp_path / "weave.py").write_text(text)
    monkeypatch.setattr(spic.metrics, "__path__", [*spic.metrics.__path__, str(tmp_path)])
    assert "weave2" in point_columns() and observations()["weave2"].paired
    sys.modules.pop("spic.metrics.weave")


def test_a_mean_leaves_out_images_without_a_number():
    scores = {"names": np.array(NAMES), "x": np.array([1.0, np.nan, 2.0]), "none": np.full(3, np.nan)}
    evidence = statistics.Evidence(scores | {"inf": np.array([1, np.inf, 2])}, {}, {})
    assert statistics.mean(evidence, "x") == 1.5 and statistics.mean(evidence, "inf") == np.inf
    assert np.isnan(statistics.mean(evidence, "none"))
    low, high = statistics.mean_interval(evidence, "x")
    assert low < 1.5 < high


def test_small_classes_have_an_iou_of_their_own():
    """Signs and persons count, poles and roads do not; an absent class counts as the protocol says."""
    rng, names = np.random.default_rng(0), ("road", "pole", "sign", "pedestrian", "bicyclist")
    matrices = rng.integers(1, 9, (60, 5, 6))
    matrices[:, 4] = matrices[:, :, 4] = 0  # no cyclist anywhere
    key = "confusion_gt_by_city"
    scores = {
        "names": np.arange(60),
        "classes": np.array(["sign", "a"]),
        "classes_by_city": np.array(names),
        key: matrices,
    }
    total, ious = matrices.sum(0), []
    for i in (2, 3):
        ious.append(total[i, i] / (total[i].sum() + total[:, i].sum() - total[i, i]))
    for absent, expected in (("skip", np.mean(ious)), ("zero", sum(ious) / 3)):
        evidence = statistics.Evidence(scores, {}, {}, absent)
        assert statistics.miou_small(evidence, key) == pytest.approx(expected)
        low, high = statistics.miou_small_interval(evidence, key)
        assert low < expected < high and high - low < 0.1
    none = statistics.Evidence(scores | {"classes_by_city": np.array(["a", "b", "c", "d", "e"])}, {}, {})
    assert np.isnan(statistics.miou_small(none, key)) and statistics.miou_small_interval(none, key) is None


def test_every_column_is_documented():
    text = (ROOT / "docs" / "metrics.md").read_text()
    for row in registered():
        assert f"`{row.name.replace('*', '<name>')}`" in text, row.name


def test_columns_stand_as_they_always_did():
    names = [row.name for row in columns_of(()) if row.compared]
    assert names[:6] == ["miou", "miou_all", "miou_image", "miou_gt", "miou_independent", "small_recall"]
    assert names[6:13] == ["fd_lite0", "fid", "kid_lite0", "fd_patch", "psnr", "ms_ssim", "lpips"]
    rates = ["bpp", "bpp_ssm", "bpp_coarse", "bpp_file"]
    fixed = ["run", "protocol", "method", "point", "n", *rates, *names[:13], "pixel_accuracy"]
    assert point_columns()[: len(fixed)] == fixed and point_columns()[-1] == "ssm_source"
    lower = {row.name for row in registered() if row.lower_is_better}
    assert lower >= {*rates, "fd_lite0", "fid", "kid_lite0", "fd_patch", "lpips"}
    assert not lower & {*names[:6], "psnr", "ms_ssim", "pixel_accuracy"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Bad Name"},
        {"name": "run"},
        {"name": "x_low"},
        {"name": "a*b*"},
        {"name": "x*", "compute": len},
        {"name": "x", "compute": len, "needs": "y"},
        {"name": "x", "compute": len, "observation": columns.LITE0},
        {"name": "x", "value": None, "each": None},
    ],
)
def test_impossible_metrics_are_refused(wrong):
    with pytest.raises(ConfigError, match=wrong["name"].replace("*", r"\*")):
        Metric(**{"label": "", **wrong})


@pytest.mark.parametrize("name", ["judge", "segmenter", "segmenter_native", "Two Words", "../x"])
def test_impossible_observations_are_refused(name):
    with pytest.raises(ConfigError, match="observation"):
        Observation(name, len)
    with pytest.raises(ConfigError, match="maps"):
        Observation("x", len, maps=True)


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (ImportError("no module named x"), "'own': its package cannot be loaded .no module named x"),
        ("a string", "'own': its package offers str"),
        ((Metric("x", "x"), 3), "'own': its package offers int"),
    ],
)
def test_a_package_that_offers_something_else_is_named(offer, thing, said):
    offer(own=thing)
    with pytest.raises(ConfigError, match=said):
        registered()


def test_built_in_names_win_and_records_have_one_meaning(offer):
    offer(own=Metric("psnr", "mine", compute=len))
    assert column("psnr").label == "PSNR"
    columns._registered.cache_clear()
    offer(own=Metric("lite0", "mine", compute=len))
    with pytest.raises(ConfigError, match="'lite0'"):
        observations()


def test_what_a_package_records_replaces_nothing(offer, tmp_path):
    def build(weights, device):
        return lambda sample: {"confusion": 1.0}

    offer(own=Metric("x", "x", "confusion", observation=Observation("own", build, paired=True)))
    with pytest.raises(DataError, match="own: another look has an array confusion"):
        Chunk(tmp_path).summary("bpg", 9)


def test_what_is_no_number_is_named(offer, tmp_path):
    offer(own=Metric("x", "x", compute=lambda sample: "much"))
    with pytest.raises(DataError, match="metric x: str is not a number"):
        Chunk(tmp_path).decode("bpg", 9)


def test_the_registry_is_light():
    code = "import sys; from spic.metrics.columns import observations; observations();"
    code += "print(sorted({'torch', 'scipy', 'pandas', 'skimage'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_labels_of_other_spaces_are_not_taken_for_each_other(offer, tmp_path):
    """A class of one name has another id in another label space: `truth_space` says which."""
    spaces = []
    offer(own=Metric("x", "x", compute=lambda sample: spaces.append(sample.truth_space) or 0.0))
    chunk = Chunk(tmp_path)
    other = Maps(chunk.maps.ssm, chunk.maps.space, chunk.maps.labels, "cityscapes19")
    chunk.decode("bpg", 9, maps=other)
    assert spaces == [CITYSCAPES19] * 3
