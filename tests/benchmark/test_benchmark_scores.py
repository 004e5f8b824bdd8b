"""From looks to the numbers of a point, through the stages' own files."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from spic.benchmark.methods import CodecMethod
from spic.benchmark.observations import Maps, save_arrays
from spic.benchmark.protocols import CORRECTED, OFFICIAL
from spic.benchmark.scores import read_features, read_scores, score
from spic.benchmark.summary import summarize
from spic.errors import DataError
from spic.files import write_bytes
from spic.pictures.labels import CAMVID11
from spic.pictures.reading import write_png

SPACE = json.dumps(asdict(CAMVID11))
NAMES = ["a", "b", "c", "d"]
IDENTITY = {"run": "r", "protocol": "p", "method": "bpg", "point": "qp1", "ssm_source": ""}


class Chunk:
    """Folders of one chunk, with maps and features made up."""

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(3)
        self.maps = rng.integers(0, 4, (4, 24, 32), np.uint8).repeat(8, 1).repeat(8, 2)  # no class above 3
        self.features = rng.standard_normal((4, 6)).astype(np.float32)
        for name, labels in zip(NAMES, self.maps, strict=True):
            write_png(folder / "ssm" / f"{name}.png", labels)
            write_png(folder / "labels" / f"{name}.png", labels)
            write_bytes(folder / "coded" / f"{name}.picture.bpg", b"x" * 100)
        write_bytes(folder / "space.json", SPACE.encode())
        self.look("originals", self.maps, self.features, reconstructions=False)
        self.originals = Maps(
            folder / "ssm", folder / "space.json", folder / "labels", "camvid11", folder / "originals"
        )

    def look(self, where, maps, features, names=NAMES, reconstructions=True):
        folder = self.folder / where
        names = np.array(names)
        for name in ("judge", "segmenter")[: 1 + reconstructions]:
            save_arrays(folder / f"{name}.npz", {"names": names, "labels": maps, "space": np.array(SPACE)})
        patches = np.repeat(features[:, None], 2, axis=1)
        save_arrays(folder / "lite0.npz", {"names": names, "features": features, "patches": patches})
        if reconstructions:
            psnr = np.arange(len(names)) + 30.0
            save_arrays(folder / "distortion.npz", {"names": names, "psnr": psnr, "ms_ssim": psnr / 100})
        return folder

    def summary(self, where, protocol=CORRECTED, interest=(), coded="coded"):
        out = self.folder / "scores.npz"
        score(self.originals, out, looks=self.folder / where, counted=self.folder / coded, method="bpg")
        features, originals = (read_features([self.folder / name]) for name in (where, "originals"))
        return summarize(IDENTITY, read_scores([out]), features, originals, protocol, interest)


@pytest.fixture
def chunk(tmp_path):
    return Chunk(tmp_path)


def test_identical_pictures_are_perfect(chunk):
    chunk.look("same", chunk.maps, chunk.features)
    point = chunk.summary("same")["point"]
    for name in ("miou", "miou_image", "miou_gt", "miou_independent", "pixel_accuracy"):
        assert point[name] == 1
    assert point["fd_lite0"] == pytest.approx(0, abs=1e-6) and point["fd_patch"] == pytest.approx(0, abs=1e-6)
    assert point["bpp"] == point["bpp_file"] == pytest.approx(8 * 400 / (4 * 192 * 256))
    assert np.isnan(point["bpp_ssm"]) and np.isnan(point["fid"]) and np.isnan(point["lpips"])


def test_an_absent_class_counts_as_documented(chunk):
    chunk.look("same", chunk.maps, chunk.features)
    corrected, official = chunk.summary("same")["point"], chunk.summary("same", OFFICIAL)["point"]
    assert corrected["miou"] == 1 and official["miou"] == pytest.approx(4 / 11)
    assert corrected["miou_all"] == official["miou_all"] == pytest.approx(4 / 11)
    with_a_false_alarm = chunk.maps.copy()
    with_a_false_alarm[0, 0, 0] = 9  # the class is present now, in one map of the two
    chunk.look("alarm", with_a_false_alarm, chunk.features)
    assert chunk.summary("alarm")["point"]["miou"] == pytest.approx(4 / 5, abs=1e-3)


def test_a_swapped_pair_is_noticed_by_name(chunk):
    chunk.look("swapped", chunk.maps[[0, 2, 1, 3]], chunk.features[[0, 2, 1, 3]])
    pictures = chunk.summary("swapped")["pictures"].set_index("name")
    assert set(pictures.index[pictures["miou"] < 1]) == set(pictures.index[pictures["miou_independent"] < 1])
    assert set(pictures.index[pictures["miou"] < 1]) == {"b", "c"}


def test_other_names_or_another_order_are_refused(chunk):
    chunk.look("order", chunk.maps, chunk.features, names=["a", "c", "b", "d"])
    with pytest.raises(DataError, match="another order from b on"):
        chunk.summary("order")
    chunk.look("other", chunk.maps, chunk.features, names=["a", "b", "c", "e"])
    with pytest.raises(DataError, match="d is in only one"):
        chunk.summary("other")
    (chunk.folder / "coded" / "c.picture.bpg").unlink()
    chunk.look("same", chunk.maps, chunk.features)
    with pytest.raises(DataError, match=r"coded.*c is in only one"):
        chunk.summary("same")


def test_fewer_pictures_of_a_protocol_are_the_first(chunk):
    for name in NAMES[2:]:
        (chunk.folder / "coded" / f"{name}.picture.bpg").unlink()
    chunk.look("first", chunk.maps[:2], chunk.features[:2], names=NAMES[:2])
    score(chunk.originals, chunk.folder / "s.npz", looks=chunk.folder / "first", counted=chunk.folder / "coded",
          method="bpg")  # fmt: skip
    scores = read_scores([chunk.folder / "s.npz"])
    assert list(scores["names"]) == NAMES[:2] and (np.diagonal(scores["confusion"], 0, 1, 2).sum(1) == 192 * 256).all()


def test_classes_of_interest(chunk):
    maps = chunk.maps.copy()
    maps[maps == 1] = 2
    chunk.look("merged", maps, chunk.features)
    assert chunk.summary("merged", interest=("sky",))["point"]["miou_image"] == 1
    assert chunk.summary("merged", interest=("building",))["point"]["miou_image"] == 0
    with pytest.raises(DataError, match="'trees'"):
        chunk.summary("merged", interest=("trees",))


def test_ground_truth_of_another_label_space_is_not_compared(chunk):
    chunk.look("same", chunk.maps, chunk.features)
    chunk.originals = Maps(
        chunk.originals.ssm, chunk.originals.space, chunk.originals.labels, "cityscapes", chunk.originals.looks
    )
    summary = chunk.summary("same")
    assert np.isnan(summary["point"]["miou_gt"]) and summary["point"]["miou"] == 1


def test_small_objects_by_class_and_size(chunk):
    maps = chunk.maps.copy()
    maps[:] = 0
    maps[0, 10:14, 10:14] = CAMVID11.id("pedestrian")
    maps[1, 10:30, 10:30] = CAMVID11.id("sign")
    found = maps.copy()
    found[0] = 0
    chunk.look("originals", maps, chunk.features, reconstructions=False)
    chunk.look("lost", found, chunk.features)
    summary = chunk.summary("lost")
    assert summary["point"]["small_recall"] == pytest.approx(1 / 2)
    rows = {(row["class"], row["size"]): row for row in summary["recall"]}
    assert rows["pedestrian", "below_64"]["total"] == 1 and rows["pedestrian", "all"]["recall"] == 0
    assert rows["sign", "above_256"]["recall"] == 1 and np.isnan(rows["pole", "all"]["recall"])
    pictures = summary["pictures"].set_index("name")
    assert pictures.loc["a", "persons_total"] == 1 and pictures.loc["a", "persons_found"] == 0
    assert pictures["small_total"].tolist() == [1, 1, 0, 0] and pictures["persons_total"].sum() == 1


def test_without_a_judge_its_columns_stay_empty(chunk):
    for where in ("originals", "same"):
        chunk.look(where, chunk.maps, chunk.features, reconstructions=where == "same")
        (chunk.folder / where / "judge.npz").unlink()
    summary = chunk.summary("same")
    assert np.isnan(summary["point"]["miou_independent"]) and np.isnan(summary["point"]["small_recall"])
    assert summary["recall"] == [] and summary["point"]["miou"] == 1


def test_the_originals_are_scored_against_ground_truth_without_a_network(chunk):
    out = chunk.folder / "scores.npz"
    score(chunk.originals, out)
    scores = read_scores([out])
    assert np.array_equal(scores["confusion_judge_gt"], scores["confusion_gt"]) and "psnr" not in scores


def test_a_method_says_what_its_bytes_are_spent_on(chunk, monkeypatch):
    monkeypatch.setattr(CodecMethod, "sizes", lambda self, parts: {"ssm": 10, "coarse": 20, "file": 36})
    chunk.look("same", chunk.maps, chunk.features)
    point = chunk.summary("same")["point"]
    pixels = 192 * 256
    assert [point[k] for k in ("bpp", "bpp_ssm", "bpp_coarse", "bpp_file")] == pytest.approx(
        [8 * 30 / pixels, 80 / pixels, 160 / pixels, 8 * 36 / pixels]
    )


def test_a_damaged_file_is_named(chunk):
    chunk.look("same", chunk.maps, chunk.features)
    (chunk.folder / "same" / "judge.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"judge\.npz"):
        chunk.summary("same")
