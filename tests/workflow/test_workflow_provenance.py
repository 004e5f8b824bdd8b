"""Records beside artefacts: what they say, what they notice, and what runs again when content changes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import PIL
import pytest

from spic.benchmark.method import Settings
from spic.benchmark.methods import get_method
from spic.codecs import codec_names, get_codec
from spic.codecs.labelmap import LabelMapCodec
from spic.datasets import get_dataset
from spic.errors import DataError
from spic.pictures.reading import write_png
from spic.provenance.fingerprints import (
    VERSIONS,
    codec_versions,
    digest,
    library_versions,
    module_version,
    pictures_signature,
    plugin_version,
    stage_version,
    weights_hashes,
)
from spic.provenance.history import points, stale, text
from spic.provenance.records import check_inputs, describe, read_record, write_record
from spic.weights import FOLDER, sha256

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).resolve().parents[2]
METHODS = ("spic", "upsampled", "bpg", "jpeg2000")
FACTS = {"rule": "encode", "inputs": {}, "params": {}, "machine": None}


@pytest.fixture
def artefacts(tmp_path):
    """A folder and a file with the record of the job that wrote them."""
    (tmp_path / "coded" / "below").mkdir(parents=True)
    (tmp_path / "coded" / "a.bpg").write_bytes(b"one")
    (tmp_path / "coded" / "below" / "b.bpg").write_bytes(b"two")
    (tmp_path / "timing.csv").write_text("n\n2\n")
    outputs = [tmp_path / "coded", tmp_path / "timing.csv"]
    write_record(tmp_path / "encode.provenance.json", outputs=outputs, **FACTS)
    return tmp_path


def test_a_record_knows_what_was_written(artefacts):
    record = read_record(artefacts / "encode.provenance.json")
    assert record["outputs"]["coded"]["sha256"] == describe(artefacts / "coded")["sha256"]
    assert set(record["outputs"]["coded"]["files"]) == {"a.bpg", "below/b.bpg"}
    assert record["versions"]["python"] and record["spic"]
    hashes = check_inputs([artefacts / "coded", artefacts / "timing.csv", artefacts / "nobody_wrote.this"])
    assert set(hashes) == {str(artefacts / "coded"), str(artefacts / "timing.csv")}
    (artefacts / "coded" / ".snakemake_timestamp").touch()  # hidden files are the workflow's
    assert check_inputs([artefacts / "coded"])


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (lambda folder: (folder / "coded" / "below" / "b.bpg").write_bytes(b"tw0"), "below/b.bpg: changed"),
        (lambda folder: (folder / "coded" / "a.bpg").unlink(), "a.bpg: gone"),
        (lambda folder: (folder / "coded" / "c.bpg").touch(), "c.bpg: new"),
        (lambda folder: (folder / "coded" / "a.bpg").rename(folder / "coded" / "z.bpg"), "a.bpg: gone"),
        (lambda folder: (folder / "timing.csv").write_text("n\n3\n"), "timing.csv: changed"),
        (lambda folder: (folder / "timing.csv").unlink(), "timing.csv: gone"),
        (lambda folder: shutil.rmtree(folder / "coded"), "coded: gone"),
        (lambda folder: (folder / "encode.provenance.json").write_text("{"), "encode.provenance.json: damaged"),
        (lambda folder: (folder / "encode.provenance.json").write_text("[]"), "encode.provenance.json: damaged"),
    ],
)
def test_what_changed_since_is_named(artefacts, harm, named):
    harm(artefacts)
    with pytest.raises(DataError, match=named):
        check_inputs([artefacts / "coded", artefacts / "timing.csv"])


def test_weights_are_known_by_content(tmp_path):
    file, config = tmp_path / "net.safetensors", tmp_path / "net.json"
    file.write_bytes(b"tensors")
    config.write_text("{}")
    first = weights_hashes([file])
    os.utime(file, (0, 0))
    assert weights_hashes([file]) == first == weights_hashes([file], tmp_path / "kept")
    config.write_text('{"steps": 2}')
    second = weights_hashes([file])
    file.write_bytes(b"tensorz")
    assert len({str(found) for found in (first, second, weights_hashes([file]))}) == 3
    assert weights_hashes([tmp_path / "none.pth"]) == {"none.pth": "missing"}


def test_hashes_of_large_files_are_kept_until_they_change(tmp_path, monkeypatch):
    monkeypatch.setattr("spic.provenance.fingerprints._LARGE", 4)
    file = tmp_path / "net.pth"
    file.write_bytes(b"tensors")
    first = weights_hashes([file], tmp_path / "kept")
    with monkeypatch.context() as patch:
        patch.setattr("spic.provenance.fingerprints.sha256", lambda path: pytest.fail("read again"))
        assert weights_hashes([file], tmp_path / "kept") == first
    file.write_bytes(b"tensorz")
    assert weights_hashes([file], tmp_path / "kept") != first


LIBRARIES = {
    "avif": {"pillow", "avif", "av1"},
    "bpg": {"av", "libavcodec", "x265"},
    "flif": set(),
    "jpeg": {"pillow", "jpg", "libjpeg_turbo"},
    "jpeg2000": {"pillow", "jpg_2000"},
    "jpegxl": {"imagecodecs", "libjxl"},
    "jpegxl-lossless": {"imagecodecs", "libjxl"},
    "labelmap": {"stream", "prior"},
    "labelmap-plain": {"stream"},
    "png": {"pillow", "zlib"},
    "webp": {"pillow", "webp"},
    "webp-lossless": {"pillow", "webp"},
}


@pytest.mark.parametrize("name", [name for name in codec_names() if type(get_codec(name)).__module__[:5] == "spic."])
def test_every_codec_names_what_makes_its_bytes(name):
    codec = get_codec(name)
    versions = codec.versions()
    optional = {"libjpeg_turbo", "zlib", "zlib_ng"}  # as Pillow was built
    assert versions.keys() - optional == ({"code"} | LIBRARIES[name]) - optional
    assert all(isinstance(value, str) and re.search(r"\d|[0-9a-f]{64}", value) for value in versions.values())
    (said,) = codec_versions({"picture": codec}).items()
    assert said == (name, ", ".join(f"{key} {value}" for key, value in versions.items()))


def test_the_versions_are_those_of_the_libraries(monkeypatch, tmp_path):
    assert get_codec("jpeg").versions()["pillow"] == PIL.__version__ == get_codec("png").versions()["pillow"]
    ffmpeg = get_codec("bpg").versions()
    assert re.fullmatch(r"\d[^ ]* build \d+", ffmpeg["x265"]) and re.fullmatch(r"\d+\.\d+\.\d+", ffmpeg["libavcodec"])
    prior = FOLDER / "labelmap-prior-camvid11.safetensors"
    assert get_codec("labelmap").versions()["prior"] == sha256(prior)
    (tmp_path / "other.safetensors").write_bytes(prior.read_bytes() + b" ")
    other = LabelMapCodec(tmp_path / "other.safetensors")
    assert codec_versions({"ssm": other}) != codec_versions({"ssm": get_codec("labelmap")})
    monkeypatch.setattr("PIL.Image.__version__", "0.1")
    assert get_codec("webp").versions()["pillow"] == "0.1"
    assert len({digest(1), digest(2), digest("1")}) == 3


def test_asking_for_the_version_of_x265_changes_no_bytes():
    code = (
        "import sys, hashlib, numpy; from spic.codecs import get_codec; codec = get_codec('bpg');"
        "sys.argv[1:] and codec.versions();"
        "print(hashlib.sha256(codec.encode(numpy.arange(6144, dtype='uint8').reshape(32, 64, 3))).hexdigest())"
    )
    said = [subprocess.check_output([sys.executable, "-c", code, *argument]) for argument in ((), ("versions",))]
    assert said[0] == said[1]


def test_stages_have_versions_and_those_of_their_libraries(monkeypatch):
    assert stage_version("look")["look"] == str(VERSIONS["look"]) and "torch" in stage_version("segment")
    assert stage_version("look_at_originals") == stage_version("look")
    assert stage_version("score_originals") == stage_version("score") == {"score": str(VERSIONS["score"])}
    assert "+" not in library_versions("torch")["torch"] and library_versions("none-such") == {"none-such": "missing"}
    with pytest.raises(KeyError):
        stage_version("no such stage")


def test_code_of_other_packages_counts_by_its_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "alone_elsewhere.py").write_text("x = 1\n")
    (tmp_path / "package_elsewhere").mkdir()
    for name in ("__init__", "codec", "tables"):
        (tmp_path / "package_elsewhere" / f"{name}.py").touch()
    points = {"alone": "alone_elsewhere:A", "package": "package_elsewhere.codec:B"}
    points = [EntryPoint(name, value, "spic.codecs") for name, value in points.items()]
    monkeypatch.setattr("spic.plugins.entry_points", lambda group: points if group == "spic.codecs" else [])

    def versions():
        module_version.cache_clear()
        return [plugin_version("spic.codecs", name) for name in ("alone", "package")]

    before = versions()
    assert list(before[0]) == ["alone_elsewhere"] and list(before[1]) == ["package_elsewhere.codec"]
    (tmp_path / "package_elsewhere" / "tables.py").write_text("y = 2\n")
    assert versions()[0] == before[0] and versions()[1] != before[1]
    (tmp_path / "alone_elsewhere.py").write_text("x = 2\n")
    assert versions()[0] != before[0]
    assert plugin_version("spic.codecs", "png") == plugin_version("spic.methods", "alone") == {}


def test_what_the_authors_count_names_its_codecs():
    spic = get_method("spic_labelmap", Settings(protocol="official"))
    assert set(codec_versions(spic.codecs())) == {"labelmap", "bpg"}
    assert set(codec_versions(spic.counted_codecs())) == {"flif", "bpg"}
    assert set(get_method("upsampled").counted_codecs()) == {"coarse"}


def test_pictures_are_known_by_name_size_and_date(tmp_path):
    for name in "abc":
        write_png(tmp_path / f"{name}.png", np.zeros((8, 16, 3), np.uint8))

    def signatures():
        dataset = get_dataset("folder", tmp_path)
        return [pictures_signature(dataset, first, 2) for first in (0, 2)]

    before = signatures()
    os.utime(tmp_path / "c.png", (0, 0))
    assert signatures()[0] == before[0] and signatures()[1] != before[1]
    drawn = get_dataset("street_scenes", limit=3)
    assert pictures_signature(drawn, 0, 2) != pictures_signature(drawn, 1, 2)


# the run


def planned(run, overlay=None) -> dict[str, int]:
    """Jobs that would be started up to the tables, by rule."""
    done = run("--dry-run", "results/smoke/tables/claims.md", overlay=overlay)
    lines = [line.split() for line in (done.stdout + done.stderr).splitlines()]
    return dict(Counter(line[1].rstrip(":") for line in lines if line and line[0] in ("rule", "localrule")))


def test_every_point_tells_what_made_it(smoke):
    entries = points(smoke.results)
    assert sorted(entry["method"] for entry in entries) == sorted(METHODS)
    (spic,) = (entry for entry in entries if entry["method"] == "spic")
    assert spic["machine"] == {"device": "cpu", "dtype": "float32", "torch_threads": 1}
    assert spic["settings"]["seed"] == 0 and set(spic["codecs"]) == {"flif", "bpg"}
    names = {f"street-{name}.safetensors" for name in ("segmenter", "judge", "decoder")}
    assert set(spic["weights"]) == names and all(len(value) == 64 for value in spic["weights"].values())
    assert set(spic["inputs"]) == {f"originals/0000/{name}" for name in ("pictures", "labels", "ssm")}
    assert spic["cpu_seconds"]["decode"] > 0 and spic["versions"]["torch"]
    bpg = next(entry for entry in entries if entry["method"] == "bpg")
    assert "street-decoder.safetensors" not in bpg["weights"] and "flif" not in bpg["codecs"]
    shown = text(entries)
    assert "corrected spic coarse_qp35" in shown and spic["weights"]["street-decoder.safetensors"][:16] in shown
    assert stale(smoke.results, content=True) == []


def test_the_command_prints_it_and_ends_with_1_where_something_does_not_fit(spare):
    command = [sys.executable, "-m", "spic.cli", "provenance", "results/smoke"]

    def provenance(*options):
        return subprocess.run([*command, *options], cwd=spare.folder, capture_output=True, text=True)

    done = provenance("--json")
    assert done.returncode == 0 and len(json.loads(done.stdout)) == len(METHODS)
    coded = next((spare.results / "bpg" / "qp44" / "0000" / "coded").glob("[!.]*"))
    coded.write_bytes(coded.read_bytes()[:-1])
    done = provenance("--check")
    assert done.returncode == 1 and "bpg/qp44/0000/coded: changed since job encode wrote it" in done.stderr
    record = spare.results / "spic" / "coarse_qp35" / "0000" / "encode.provenance.json"
    record.write_text(record.read_text().replace(read_record(record)["outputs"]["coded"]["sha256"], 64 * "0"))
    done = provenance()
    assert done.returncode == 1 and "made from another" in done.stderr
    shutil.rmtree(spare.results)
    done = provenance()
    assert done.returncode == 1 and "no records" in done.stderr


def copy_of_the_segmenter(folder) -> Path:
    from spic.weights import FOLDER

    for suffix in ("safetensors", "json"):
        shutil.copy(FOLDER / f"street-segmenter.{suffix}", folder / f"eye.{suffix}")
    return folder / "eye"


@pytest.mark.slow
def test_new_weights_at_the_old_path_compute_what_depends_on_them(spare, tmp_path):
    eye = copy_of_the_segmenter(tmp_path)
    (tmp_path / "eye.yaml").write_text(f"segmenter_weights: {eye}")
    spare("--cores", 2, "results/smoke/tables/claims.md", overlay=tmp_path / "eye.yaml")
    for suffix in ("safetensors", "json"):
        os.utime(eye.with_suffix(f".{suffix}"))
    assert planned(spare, tmp_path / "eye.yaml") == {}
    config = json.loads(eye.with_suffix(".json").read_text())
    eye.with_suffix(".json").write_text(json.dumps(config | {"trained": "again"}))
    os.utime(eye.with_suffix(".json"), (0, 0))
    after = {"segment": 1, "encode": 1, "decode": 1, "score_originals": 1, "tables": 1, "compare": 1}
    assert planned(spare, tmp_path / "eye.yaml") == after | dict.fromkeys(("look", "score", "summarize"), len(METHODS))


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        (
            "import spic.provenance.fingerprints; spic.provenance.fingerprints.VERSIONS['look'] = 99",
            {**dict.fromkeys(("look_at_originals", "score_originals", "tables", "compare"), 1)}
            | dict.fromkeys(("look", "score", "summarize"), len(METHODS)),
        ),
        ("import spic.provenance.fingerprints; spic.provenance.fingerprints.VERSIONS['compare'] = 99", {"compare": 1}),
        (
            "import spic.codecs.jpeg2000 as j; j.Jpeg2000Codec.VERSION = 99",
            dict.fromkeys(("encode", "decode", "look", "score", "summarize", "tables", "compare"), 1),
        ),
    ],
    ids=["look", "compare", "jpeg2000"],
)
def test_another_version_computes_what_depends_on_it(spare, tmp_path, monkeypatch, change, jobs):
    (tmp_path / "sitecustomize.py").write_text(f"{change}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert planned(spare) == jobs


def test_a_new_figure_decodes_nothing(spare):
    shutil.rmtree(spare.results / "figures")
    done = spare("--dry-run")
    said = done.stdout + done.stderr
    assert "rule figures:" in said and "rule decode:" not in said and "rule tables:" not in said


@pytest.mark.slow
def test_a_job_that_was_overtaken_by_a_kill_and_a_clock_is_noticed(spare, tmp_path, tiny_segmenter):
    """New maps with an old date, made before the run was killed: all that used the former ones is made again."""
    (tmp_path / "eye.yaml").write_text(f"segmenter_weights: {tiny_segmenter}")
    spare("--cores", 1, "results/smoke/originals/0000/ssm", overlay=tmp_path / "eye.yaml")
    originals = spare.results / "originals" / "0000"
    read = [spare.results / "resolved.json", *(originals / "pictures").rglob("*")]
    after_its_inputs = max(path.stat().st_mtime for path in read) + 0.01
    for name in ("label_space.json", "segment.provenance.json", "ssm"):
        for path in [originals / name, *(originals / name).rglob("*")]:
            os.utime(path, (after_its_inputs, after_its_inputs))
    assert planned(spare, tmp_path / "eye.yaml") == {
        **{"encode": 1, "decode": 1, "score_originals": 1, "tables": 1, "compare": 1},
        **dict.fromkeys(("look", "score", "summarize"), len(METHODS)),
    }
    assert any("made from another" in line for line in stale(spare.results))
