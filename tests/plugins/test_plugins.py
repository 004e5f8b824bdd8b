"""What docs/extending.md shows joins by entry points: codec, segmenter, method, data set and label space, no fork."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import yaml

from spic import Receiver, Transmitter
from spic.benchmark import coding as stages
from spic.benchmark.checks import check_methods, check_networks
from spic.benchmark.method import Picture, Settings
from spic.benchmark.methods import get_method, method_names
from spic.benchmark.plan import Plan
from spic.bitstream import read_spic
from spic.codecs import codec_names, get_codec
from spic.datasets import dataset_names, get_dataset
from spic.errors import BitstreamError, ConfigError, DataError, SpicError
from spic.machine import Machine
from spic.pictures.labels import LabelSpace, get_label_space
from spic.provenance.fingerprints import codec_versions, plugin_version, weights_hashes
from spic.segmentation import describe_segmenter, get_segmenter, segmenter_names
from spic.training.pack import read_pack, write_pack

CONFIG = {"dataset": "shapes", "dataset_root": None, "split": "val", "limit": 2, "chunk_size": None}
CONFIG |= {"segmenter": "nearest-colour", "segmenter_weights": None, "segmenter_input": None, "ssm_source": "segmenter"}
CONFIG |= {"decoder_weights": None, "classes_of_interest": None, "protocols": ["corrected"]}
OWN = {"codecs": "posterize", "segmenters": "nearest-colour", "methods": "thumbnail", "datasets": "shapes"}
OWN |= {"label_spaces": "shapes3", "metrics": "colourfulness"}


@pytest.fixture(autouse=True)
def installed(extras, monkeypatch):
    monkeypatch.syspath_prepend(extras)


@pytest.fixture
def scene():
    """Picture and labels of a small scene."""
    shapes = get_dataset("shapes", size=(64, 128))
    return shapes.picture(3), shapes.labels(3)


def test_the_page_shows_one_of_each_and_they_are_short(extending):
    found = {point.group: point.name for point in metadata.distribution("spic-extras").entry_points}
    assert found == {f"spic.{group}": name for group, name in OWN.items()}
    sources = {name: text for name, text in extending.items() if name.endswith(".py")}
    assert len(sources) == 5 and all(len(text.splitlines()) <= 45 for text in sources.values())


def test_all_are_listed_beside_what_is_built_in():
    assert {"posterize", "bpg"} < set(codec_names()) and {"thumbnail", "posterize", "spic"} < set(method_names())
    assert {"nearest-colour", "street"} < set(segmenter_names()) and {"shapes", "camvid"} < set(dataset_names())
    assert get_label_space("shapes3").classes == ("floor", "disc", "bar")
    for group, name in OWN.items():
        assert plugin_version(f"spic.{group}", name)
    assert "spic_posterize" in codec_versions({"picture": get_codec("posterize")})["posterize"]


def test_the_codec_keeps_its_promises(scene):
    codec, picture = get_codec("posterize"), scene[0]
    assert np.abs(codec.decode(codec.encode(picture, step=16)).astype(int) - picture).max() <= 8
    data, rng = codec.encode(picture), np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(data[: rng.integers(len(data) + 1)])
        for _ in range(rng.integers(4)):
            if damaged:
                damaged[rng.integers(min(len(damaged), 12))] = rng.integers(256)
        try:
            codec.decode(bytes(damaged))
        except BitstreamError:
            pass
    for step in (0, 129, True):
        with pytest.raises(ConfigError, match="step must be a number from 1 to 128"):
            codec.encode(picture, step=step)


def test_the_data_set_is_one_to_train_on(tmp_path):
    shapes = get_dataset("shapes", None, "train", 3, (64, 128))
    for i in range(3):
        picture, labels = shapes.picture(i), shapes.label_space.check(shapes.labels(i))
        assert picture.shape == (64, 128, 3) and picture.dtype == np.uint8 and set(np.unique(labels)) == {0, 1, 2}
    assert write_pack(tmp_path / "shapes.zip", [shapes], [40], get_codec("bpg")) == 3
    pack = read_pack(tmp_path / "shapes.zip")
    assert pack.label_space == "shapes3" and np.array_equal(pack.labels[1], shapes.labels(1))
    from spic.cli.train import pack as pack_command

    pack_command(tmp_path / "two.zip", dataset="shapes", limit=2)
    assert read_pack(tmp_path / "two.zip").sources == ["shapes", "shapes"]
    with pytest.raises(ConfigError, match="no split 'all'"):
        get_dataset("shapes", split="all")


@pytest.mark.parametrize("ssm_codec", ["flif", "labelmap"])
def test_own_classes_go_from_picture_to_picture(scene, ssm_codec, tiny_shapes_decoder):
    picture, labels = scene
    settings = {"device": "cpu", "dtype": "float32"}
    sender = Transmitter("nearest-colour", None, tiny_shapes_decoder, ssm_codec=ssm_codec, **settings)
    assert (sender.segmenter.segment(picture[None])[0] == labels).mean() > 0.99
    data = sender.encode(picture, labels)
    assert read_spic(data).label_space == "shapes3"
    receiver = Receiver(tiny_shapes_decoder, **settings)
    assert np.array_equal(receiver.parts(data).ssm, labels) and receiver.decode(data).shape == picture.shape
    assert read_spic(sender.encode(picture)).label_space == "shapes3"  # segmented by itself, at its working size


def test_a_segmenter_that_knows_one_size_is_not_told_it(scene):
    assert Plan(CONFIG).segmenter_input() == "working"
    segmenter = stages.load_segmenter("nearest-colour", None, Machine("cpu", "float32", 1), "working")
    assert (segmenter.segment(scene[0][None])[0] == scene[1]).mean() > 0.99
    with pytest.raises(ConfigError, match="segmenter_input 'native': nearest-colour looks at working"):
        Plan(CONFIG | {"segmenter_input": "native"}).segmenter_input()


def test_own_classes_are_unknown_where_the_package_is_not(scene, tiny_shapes_decoder, monkeypatch):
    data = Transmitter("nearest-colour", None, tiny_shapes_decoder).encode(*scene)
    monkeypatch.setattr("spic.plugins.entry_points", lambda group: [])
    with pytest.raises(BitstreamError, match=r"\.spic: unknown label space 'shapes3'; known: camvid11"):
        Receiver(tiny_shapes_decoder).parts(data)


def test_the_method_takes_its_options_from_the_config(scene):
    settings = stages.method_settings({"method_options": {"thumbnail": {"codec": "webp-lossless"}}})
    with pytest.raises(SpicError):  # that one is for label maps
        get_method("thumbnail", settings).encode(Picture(scene[0]), 4)
    own = get_method("thumbnail", replace(settings, method_options={"thumbnail": {"codec": "jpegxl-lossless"}}))
    parts = own.encode(Picture(scene[0]), 4)
    assert own.codec.name == "jpegxl-lossless" and get_method("thumbnail").codec.name == "png"
    (back,) = own.decode([parts], ["x"])
    assert back.shape == scene[0].shape and own.sizes(parts) == {"picture": len(parts["picture"])}
    for damaged in (b"", parts["picture"][:3], b"\xff" * 40, parts["picture"][:-9]):
        with pytest.raises(BitstreamError):
            own.decode([{"picture": damaged}], ["x"])


def test_files_of_a_method_are_inputs_of_its_jobs(tmp_path, monkeypatch):
    from spic_thumbnail import Thumbnail

    monkeypatch.setattr(Thumbnail, "files", lambda self: [tmp_path / "own.onnx"])
    assert Plan(CONFIG).decoder_files(get_method("thumbnail")) == [str(tmp_path / "own.onnx")]
    before = weights_hashes([tmp_path / "own.onnx"])
    (tmp_path / "own.onnx").write_bytes(b"weights")
    assert weights_hashes([tmp_path / "own.onnx"]) != before == {"own.onnx": "missing"}


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        ({"thumbnail": {"factor": [4]}}, {"thumbnail": {"kodec": "png"}}, "its one option is codec, not kodec"),
        ({"thumbnail": {"factor": [4]}}, {"thumbnails": {}}, "unknown method 'thumbnails'"),
        ({"bpg": {"qp": [40]}}, {"bpg": {"preset": 1}}, "method bpg is a codec and has no options"),
        ({"bpg": {"qp": [40]}}, {"spic": {"steps": 1}}, "method spic has no options"),
        ({"thumbnail": {"qp": [4]}}, {}, "thumbnail is set by 'factor', not 'qp'"),
    ],
)
def test_options_that_do_not_fit_are_refused(methods, options, message):
    with pytest.raises(ConfigError, match=message):
        check_methods(Plan(CONFIG | {"methods": methods, "method_options": options}))


def test_the_settings_of_the_page_fit_the_schema(extending):
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load((Path(__file__).parents[2] / "config" / "schema.yaml").read_text())
    Draft202012Validator(schema).validate(yaml.safe_load(extending["shapes.yaml"]))
    config = yaml.safe_load(extending["shapes.yaml"])
    config["methods"] = {name: points for name, points in config["methods"].items() if points}
    check_methods(Plan(CONFIG | config))


def test_a_run_with_another_decoder_is_refused(tiny_shapes_decoder):
    config = CONFIG | {"methods": {"spic": {"coarse_qp": [30]}}}
    with pytest.raises(ConfigError, match=r"nearest-colour has the label space shapes3 \(3 classes\), decoder street-"):
        check_networks(Plan(config))
    check_networks(Plan(config | {"decoder_weights": str(tiny_shapes_decoder)}))
    assert describe_segmenter("nearest-colour").label_space is get_label_space("shapes3")


@pytest.mark.parametrize(("thing", "owner"), [("Shapes", "data set shapes"), ("NearestColour", "segmenter nearest")])
def test_a_label_space_without_an_entry_point_is_refused_before_a_run(thing, owner, monkeypatch):
    import spic_nearest
    import spic_shapes

    own = {"Shapes": spic_shapes.Shapes, "NearestColour": spic_nearest.NearestColour}[thing]
    config = CONFIG | {"methods": {"bpg": {"qp": [40]}}}
    check_networks(Plan(config))
    for space, message in (
        (LabelSpace("mine", ("a", "b"), ((0, 0, 0), (9, 9, 9)), 2), "unknown label space 'mine'"),
        (LabelSpace("camvid11", ("a", "b"), ((0, 0, 0), (9, 9, 9)), 2), "another label space is called 'camvid11' too"),
    ):
        monkeypatch.setattr(own, "label_space", space)
        with pytest.raises(ConfigError, match=rf"{owner}.*{message}.*spic\.label_spaces"):
            check_networks(Plan(config))


def test_what_a_data_set_or_segmenter_gives_is_checked(monkeypatch, tmp_path):
    from spic_nearest import NearestColour
    from spic_shapes import Shapes

    def prepare():
        stages.prepare(CONFIG, "0000", tmp_path / "pictures", tmp_path / "labels")

    for attribute, value, message in (
        ("picture", lambda self, i: np.zeros((256, 512), np.uint8), r"shapes, val_000: expected uint8 \(256, 512, 3\)"),
        ("picture", lambda self, i: np.zeros((256, 512, 3)), r"got float64"),
        ("labels", lambda self, i: np.full((256, 512), 7, np.uint8), "val_000: id 7 is not in label space shapes3"),
        ("labels", lambda self, i: np.zeros((25, 512), np.uint8), "a map of"),
    ):
        with monkeypatch.context() as patch, pytest.raises(DataError, match=message):
            patch.setattr(Shapes, "picture", lambda self, i: np.zeros((256, 512, 3), np.uint8))
            patch.setattr(Shapes, attribute, value)
            prepare()
        assert list(tmp_path.iterdir()) == []
    prepare()
    for value, message in (
        (lambda self, pictures: np.zeros(pictures.shape[:3], int), "expected uint8"),
        (lambda self, pictures: np.full(pictures.shape[:3], 4, np.uint8), "colour, val_000: id 4 is not in"),
        (lambda self, pictures: np.zeros((1, 8, 8), np.uint8), "a map of"),
    ):
        with monkeypatch.context() as patch, pytest.raises(DataError, match=message):
            patch.setattr(NearestColour, "segment", value)
            stages.segment(tmp_path / "pictures", tmp_path / "ssm", tmp_path / "space.json", "nearest-colour")
        assert not (tmp_path / "ssm").exists()
    stages.segment(tmp_path / "pictures", tmp_path / "ssm", tmp_path / "space.json", "nearest-colour")
    assert json.loads((tmp_path / "space.json").read_text())["name"] == "shapes3"


@pytest.mark.parametrize("names", [["b", "a"], ["a", "a"], [], ["a/b"], [".a"], ["a\0"]])
def test_names_that_are_no_file_names_are_refused(names, monkeypatch):
    from spic_shapes import Shapes

    made = Shapes.__init__

    def init(self, *arguments, **settings):
        made(self, *arguments, **settings)
        self.names = names

    monkeypatch.setattr(Shapes, "__init__", init)
    with pytest.raises(DataError, match="data set shapes: "):
        get_dataset("shapes")


def test_things_of_another_kind_are_refused(monkeypatch):
    wrong = {f"spic.{group}": metadata.EntryPoint("wrong", "types:SimpleNamespace", f"spic.{group}") for group in OWN}
    monkeypatch.setattr("spic.plugins.entry_points", lambda group: [wrong[group]] if group in wrong else [])
    with pytest.raises(ConfigError, match="codec 'wrong': its entry point gives no Codec"):
        get_codec("wrong")
    with pytest.raises(ConfigError, match="segmenter 'wrong' has no label_space"):
        get_segmenter("wrong")
    with pytest.raises(ConfigError, match="data set 'wrong': its entry point gives no subclass of Dataset"):
        get_dataset("wrong")
    with pytest.raises(DataError, match="label space 'wrong': its entry point gives no LabelSpace"):
        get_label_space("wrong")
    monkeypatch.setitem(wrong, "spic.methods", metadata.EntryPoint("wrong", "builtins:str", "spic.methods"))
    with pytest.raises(ConfigError, match="method 'wrong': its entry point gives no Method"):
        get_method("wrong", Settings())
    with pytest.raises(ConfigError, match="unknown data set 'shapes'; known: camvid, cityscapes, folder"):
        get_dataset("shapes")


def test_a_broken_package_hides_no_other(extras, tmp_path):
    (tmp_path / "broken-1.dist-info").mkdir()
    (tmp_path / "broken-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (tmp_path / "broken-1.dist-info" / "entry_points.txt").write_text("[spic.codecs]\nbroken = none_such:Codec\n")
    start = f"import sys; sys.path[:0] = [{str(extras)!r}, {str(tmp_path)!r}]"
    spic = f"{start}; from spic.cli import app; app(sys.argv[1:])"
    listed = subprocess.run([sys.executable, "-c", spic, "codec", "list"], capture_output=True, text=True)
    assert listed.returncode == 0 and "posterize" in listed.stdout and "png" in listed.stdout
    assert "codec 'broken': its package cannot be loaded (No module named 'none_such')" in listed.stderr
    assert len(listed.stderr.splitlines()) == 1
    names = "names = method_names(); assert {'posterize', 'bpg'} < set(names) and 'broken' not in names"
    subprocess.run(
        [sys.executable, "-c", f"{start}; from spic.benchmark.methods import method_names; {names}"], check=True
    )
