"""Stages of the benchmark on their own, and what they say to folders that do not fit."""

import numpy as np
import pytest

from spic.benchmark import coding as stages
from spic.benchmark.method import Settings
from spic.benchmark.methods import get_method
from spic.benchmark.observations import label_space
from spic.benchmark.plan import Plan
from spic.errors import BitstreamError, DataError
from spic.machine import CPU
from spic.pictures.labels import CAMVID11
from spic.pictures.reading import read_picture, write_png
from spic.run.host import own_machine
from spic.run.job import job

CONFIG = {"dataset": "street_scenes", "dataset_root": None, "split": "val", "limit": 3, "chunk_size": 2}


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a.b", "c"):
        write_png(tmp_path / "pictures" / f"{name}.png", rng.integers(0, 256, (32, 64, 3), np.uint8))
    return tmp_path / "pictures"


def test_chunks_cover_the_set_once(tmp_path):
    chunks = Plan(CONFIG).chunks
    assert chunks == ["0000", "0001"]
    names = []
    for chunk in chunks:
        stages.prepare(CONFIG, chunk, tmp_path / chunk / "pictures", tmp_path / chunk / "labels")
        names += [name for name, _ in stages.read_folder(tmp_path / chunk / "pictures")]
        assert len(list((tmp_path / chunk / "labels").iterdir())) == len(
            list((tmp_path / chunk / "pictures").iterdir())
        )
    assert names == stages.open_dataset(CONFIG).names
    assert Plan({**CONFIG, "chunk_size": None}).chunks == ["0000"]


def test_encode_and_decode_keep_names_with_dots(pictures, tmp_path):
    settings = Settings()
    stages.encode("bpg", 30, settings, pictures, None, tmp_path / "coded", tmp_path / "e.csv")
    assert sorted(p.name for p in (tmp_path / "coded").iterdir()) == ["a.b.picture.bpg", "c.picture.bpg"]
    stages.decode("bpg", settings, tmp_path / "coded", tmp_path / "decoded", tmp_path / "d.csv")
    assert [name for name, _ in stages.read_folder(tmp_path / "decoded")] == ["a.b", "c"]
    assert read_picture(tmp_path / "decoded" / "c.png").shape == (32, 64, 3)


def test_only_the_first_pictures_are_coded_where_a_protocol_stops(pictures, tmp_path):
    stages.encode("bpg", 30, Settings(), pictures, None, tmp_path / "coded", tmp_path / "e.csv", limit=1)
    assert list(stages.read_coded(tmp_path / "coded")) == ["a.b"]


def test_what_official_counts_lies_in_real_files(pictures, tmp_path):
    stages.count("upsampled", 35, Settings(protocol="official"), pictures, None, tmp_path / "counted")
    files = stages.read_coded(tmp_path / "counted")
    assert sorted(p.name for p in (tmp_path / "counted").iterdir()) == ["a.b.coarse.bpg", "c.coarse.bpg"]
    assert get_method("upsampled").sizes(files["c"]) == {"coarse": len(files["c"]["coarse"])}


def test_segmentation_says_its_label_space(pictures, tmp_path, tiny_segmenter):
    stages.segment(pictures, tmp_path / "ssm", tmp_path / "space.json", "street", tiny_segmenter, machine=CPU)
    assert label_space((tmp_path / "space.json").read_text()) == CAMVID11
    assert sorted(p.name for p in (tmp_path / "ssm").iterdir()) == ["a.b.png", "c.png"]


def test_a_failing_stage_leaves_nothing_behind(pictures, tmp_path):
    (tmp_path / "coded").mkdir()
    (tmp_path / "coded" / "a.picture.bpg").write_bytes(b"not a bpg file")
    with pytest.raises(BitstreamError):
        stages.decode("bpg", Settings(), tmp_path / "coded", tmp_path / "decoded", tmp_path / "d.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coded", "pictures"]


def test_a_missing_partner_is_named(pictures, tmp_path):
    (tmp_path / "ssm").mkdir()
    with pytest.raises(DataError, match=r"a\.b"):
        stages.encode("spic", 35, Settings(), pictures, tmp_path / "ssm", tmp_path / "coded", tmp_path / "e.csv")


def test_auto_is_decided_once(tmp_path):
    stages.resolve({"device": "cpu", "dtype": "auto", "torch_threads": 1}, tmp_path / "resolved.json")
    machine = own_machine(tmp_path / "resolved.json")
    assert machine.dtype in ("float32", "bfloat16") and (machine.device, machine.threads) == ("cpu", 1)


@pytest.mark.parametrize(
    ("error", "line"), [(DataError("x.png: bad"), "spic: x.png: bad"), (ValueError("bug"), "ValueError: bug")]
)
def test_a_job_ends_with_its_reason_in_the_log(tmp_path, error, line):
    with pytest.raises(SystemExit) as stop, job(tmp_path / "logs" / "a.log"):
        raise error
    assert stop.value.code == 1
    text = (tmp_path / "logs" / "a.log").read_text()
    assert text.splitlines()[-1] == line
    assert ("Traceback" in text) == isinstance(error, ValueError)
