"""Names that other programs trip over, of images, runs and folders, through the stages of a run."""

import json
import string
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spic.benchmark import coding as stages
from spic.benchmark.method import Settings
from spic.benchmark.methods import get_method
from spic.benchmark.observations import Look, Maps, look, plan_looks, read_look
from spic.benchmark.plan import Plan
from spic.benchmark.protocols import get_protocol
from spic.benchmark.scores import read_features, read_scores, score
from spic.benchmark.summary import summarize, write_summary
from spic.datasets import get_dataset
from spic.pictures.labels import CAMVID11
from spic.pictures.reading import read_picture, write_png
from spic.report.figures.shown import choose, numbers, write_pictures
from spic.report.pages.gallery import choose_pictures, versions_of
from spic.report.tables import join_pictures, read_csv, read_summaries, write_csv

ROOT = Path(__file__).resolve().parents[1]
SIZE = (32, 64)
INFIXES = [*string.punctuation.replace("/", ""), " ", "ü", "夜", "\t", "\n", "\r"]  # what may follow a shorter name
NAMES = ["a", *(f"a{infix}b" for infix in INFIXES), "a.plain", "a.picture", "a.coarse.png", "a..", "A", "IMG_1"]
NAMES += ["IMG_1.edited", "007", "7", "1e5", "nan", "NA", "true", "-a", "--help", "{run}", "$x$ $y$", "%s", "it's", "~"]
CHUNK = 10
METHODS = {"upsampled": 4, "jpeg": 50}
SETTINGS = Settings(coarse_codec="png")
RUNS = ["007", "20261127", "1e5", "1_000", "NA", "nan", "null", "None", "true", "inf", "1.0"]


class Network:
    """In place of a segmenter: classes by brightness."""

    label_space = CAMVID11

    def segment(self, pictures):
        return (pictures.mean(axis=3) // 24).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the stages over a folder of images with all these names, in chunks; `config` is its settings."""
    folder = tmp_path_factory.mktemp("it's {data} ü $x$")
    rng = np.random.default_rng(0)
    for name in NAMES:
        write_png(folder / "images" / f"{name}.png", rng.integers(0, 256, (*SIZE, 3), np.uint8))
    config = {"dataset": "folder", "dataset_root": str(folder / "images"), "split": "val", "limit": None}
    config["chunk_size"] = CHUNK
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "open_dataset", lambda config: get_dataset("folder", config["dataset_root"], size=SIZE))
        patch.setattr(stages, "load_segmenter", lambda *args: Network())
        plan = Plan(config)
        plan.dataset = dataset = stages.open_dataset(config)
        chunks = plan.chunks
        for chunk in chunks:
            _chunk(config, chunk, folder / chunk)
    return SimpleNamespace(folder=folder, config=config, chunks=chunks, dataset=dataset)


def _chunk(config, chunk, folder):
    stages.prepare(config, chunk, folder / "pictures", folder / "labels")
    stages.segment(folder / "pictures", folder / "ssm", folder / "space.json", "stub")
    look(folder / "pictures", folder / "looks", _looks(paired=False))
    originals = Maps(folder / "ssm", folder / "space.json", folder / "labels", "camvid11", folder / "looks")
    for method, value in METHODS.items():
        out, limit = folder / method, None if method == "jpeg" else CHUNK // 2
        stages.encode(method, value, SETTINGS, folder / "pictures", None, out / "coded", out / "e.csv", limit)
        stages.decode(method, SETTINGS, out / "coded", out / "decoded", out / "d.csv")
        look(out / "decoded", out / "looks", _looks(), originals=folder / "pictures", limit=limit)
        files = {"looks": out / "looks", "counted": out / "coded", "method": method, "settings": SETTINGS}
        score(originals, out / "scores.npz", **files)


def _looks(paired=True):
    def mean():
        return lambda sample: {"features": sample.decoded.mean((0, 1)), "patches": sample.decoded.mean((0, 1))[None]}

    def maps():
        def see(sample):
            return {"labels": Network().segment(sample.decoded[None])[0]}

        see.constants = {"space": np.array(json.dumps(vars(CAMVID11) | {"palette": CAMVID11.palette}))}
        return see

    found = {"lite0": Look({}, mean)}
    return found | ({"segmenter": Look({}, maps), "distortion": plan_looks()["distortion"]} if paired else {})


def test_the_data_set_keeps_every_name(run):
    assert run.dataset.names == sorted(NAMES)


def test_every_stage_has_the_images_in_the_order_of_the_data_set(run):
    for chunk, first in zip(run.chunks, range(0, len(NAMES), CHUNK), strict=True):
        names, folder = sorted(NAMES)[first : first + CHUNK], run.folder / chunk
        for i, (name, pixels) in enumerate(stages.read_folder(folder / "pictures")):
            assert name == names[i] and np.array_equal(pixels, run.dataset.picture(first + i))
        assert list(stages.png_files(folder / "ssm")) == names
        assert list(read_look(folder / "looks", "lite0")["names"]) == names
        for method, value in METHODS.items():
            few = names if method == "jpeg" else names[: CHUNK // 2]  # the first of a chunk are the same everywhere
            coder, coded = get_method(method, SETTINGS), stages.read_coded(folder / method / "coded")
            assert list(coded) == list(stages.png_files(folder / method / "decoded")) == few
            scores = read_scores([folder / method / "scores.npz"])
            assert list(scores["names"]) == few
            (part,) = (key for key in scores if key.startswith("bytes_"))
            for i, name in enumerate(few):
                expected = coder.encode(_Pixels(run.dataset.picture(first + i)), value)
                assert coded[name] == expected and scores[part][i] == sum(map(len, expected.values()))


class _Pixels(SimpleNamespace):
    def __init__(self, pixels):
        super().__init__(pixels=pixels, ssm=None)


def test_tables_of_single_images_keep_their_names(run, tmp_path):
    scores, features, originals = (
        read([run.folder / chunk / file for chunk in run.chunks])
        for read, file in ((read_scores, "jpeg/scores.npz"), (read_features, "jpeg/looks"), (read_features, "looks"))
    )
    identity = {"run": "007", "protocol": "corrected", "method": "jpeg", "point": "quality50", "ssm_source": ""}
    summary = summarize(identity, scores, features, originals, get_protocol("corrected"))
    write_summary(summary, tmp_path / "s.json", tmp_path / "p.parquet")
    join_pictures([tmp_path / "p.parquet"], tmp_path / "all.parquet")
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert list(table["name"]) == sorted(NAMES) and set(table["run"]) == {"007"}
    assert read_summaries([tmp_path / "s.json"])["points"]["n"].tolist() == [len(NAMES)]


def test_pages_and_figures_show_the_image_of_the_name(run, tmp_path):
    folders = {kind: {chunk: run.folder / chunk / kind for chunk in run.chunks} for kind in ("pictures", "ssm", "jpeg")}
    decoded = {("jpeg", "quality50"): {chunk: folder / "decoded" for chunk, folder in folders["jpeg"].items()}}
    table = pd.DataFrame({"method": "jpeg", "point": "quality50", "name": NAMES, "bpp": range(len(NAMES))})
    chosen = choose_pictures(run.dataset.names, dict.fromkeys(run.chunks), CHUNK, "all")
    kept = (folders["pictures"], folders["ssm"], CAMVID11, decoded, {}, table)
    shown = list(versions_of(chosen, {"jpeg": "quality50"}, *kept))
    assert [name for name, _ in shown] == sorted(NAMES)
    for i, (name, (original, _, coded)) in enumerate(shown):
        assert np.array_equal(original.pixels, run.dataset.picture(i))
        assert coded.numbers["bpp"] == f"{NAMES.index(name):.3f}"
    first = choose_pictures(run.dataset.names, {"0000": 3}, CHUNK, "all")["0000"]
    folders = [[run.folder / "0000" / kind] for kind in ("pictures", "ssm", "ssm")]
    assert sorted(one.name for one in choose(*folders[:2], CAMVID11, folders[2], [3])) == first
    every = choose(*folders[:2], CAMVID11, folders[2], [None], sorted(NAMES)[:CHUNK])
    versions = [
        SimpleNamespace(method="original", pixels=one.picture.pixels, point="", bpp=None, miou=1) for one in every
    ]
    subjects = [
        SimpleNamespace(name=one.name, corner=one.corner, versions=[v]) for one, v in zip(every, versions, strict=True)
    ]
    write_pictures({"figure3": subjects}, tmp_path / "pictures")
    for i, name in enumerate(sorted(NAMES)[:CHUNK]):
        path = tmp_path / "pictures" / f"figure3_{name}_original.png"
        assert np.array_equal(read_picture(path), run.dataset.picture(i))
    assert list(numbers({"figure3": subjects})["name"]) == sorted(NAMES)[:CHUNK]


def test_a_table_keeps_every_name_and_missing_numbers(tmp_path):
    names = [name for name in NAMES if "\r" not in name]  # pandas writes it bare
    table = pd.DataFrame({"name": [*names, *RUNS], "run": [*RUNS, *names], "judge": None, "psnr": 1.5})
    table.loc[:2, "psnr"] = [np.nan, np.inf, 7]
    write_csv(table, tmp_path / "t.csv")
    again = read_csv(tmp_path / "t.csv")
    assert list(again["name"]) == [*names, *RUNS] and list(again["run"]) == [*RUNS, *names]
    assert again["judge"].isna().all() and np.array_equal(again["psnr"], table["psnr"], equal_nan=True)


def test_tables_are_read_in_one_place():
    """pandas guesses types, and a run called "007" becomes 7: nothing that reads tables of a run may call it."""
    files = [path for folder in ("scripts", "spic", "docs") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in files if "pd.read_csv(" in path.read_text()] == ["tables.py"]
