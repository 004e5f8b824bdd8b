"""Segmenters from files: ONNX files and folders of transformers, tiny and random, and what is wrong with others."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from spic.benchmark.observations import plan_looks
from spic.errors import ConfigError, WeightsError
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.segmentation import describe_segmenter, get_segmenter
from spic.segmentation import outside as room
from spic.segmentation.outside.external_data import external_files
from spic.segmentation.outside.sheet import MAPS, read_sheet

onnx = pytest.importorskip("onnx")
COLOURS = ["red", "green", "blue", "void"]
SHEET = {
    "classes": COLOURS,
    "to": "camvid11",
    "map": {"red": "car", "green": "tree", "blue": "sky"},
    "mask": ["void"],
    "size": [64, 96],
    "mean": [0, 0, 0],
    "std": [1, 1, 1],
}
# Four classes: the three colours of the pixel, and void, which is as strong as three quarters of them all together.
ROWS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.75] * 3], np.float32).reshape(4, 3, 1, 1)


def save_onnx(path, size=("height", "width"), ids=False, opset=17, ir=8, rows=ROWS, location=None):
    """One 1x1 convolution, with an argmax after it where `ids`; its tensor in the file `location` where given."""
    tensor = onnx.numpy_helper.from_array(rows, "rows")
    if location is not None:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("length", str(rows.nbytes))):
            tensor.external_data.add(key=key, value=value)
    nodes = [onnx.helper.make_node("Conv", ["image", "rows"], ["scores"], strides=[2, 2])]
    shape, kind, last = ["n", len(rows), "h", "w"], onnx.TensorProto.FLOAT, "scores"
    if ids:
        nodes.append(onnx.helper.make_node("ArgMax", ["scores"], ["ids"], axis=1, keepdims=1))
        shape, kind, last = ["n", 1, "h", "w"], onnx.TensorProto.INT64, "ids"
    graph = onnx.helper.make_graph(
        nodes,
        "colours",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 3, *size])],
        [onnx.helper.make_tensor_value_info(last, kind, shape)],
        [tensor],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=ir)
    path.write_bytes(model.SerializeToString())
    return path


def write_sheet(path, **changes):
    sheet = {key: value for key, value in {**SHEET, **changes}.items() if value is not ...}
    path.write_text(yaml.safe_dump(sheet))
    return path


@pytest.fixture
def colours(tmp_path):
    write_sheet(tmp_path / "colours.yaml")
    return save_onnx(tmp_path / "colours.onnx")


@pytest.fixture
def image():
    """Red, green and blue thirds, 1x48x63x3."""
    pixels = np.zeros((1, 48, 63, 3), np.uint8)
    for i in range(3):
        pixels[:, :, 21 * i : 21 * (i + 1), i] = 200
    return pixels


def middles(maps):
    return [CAMVID11.classes[maps[0, 24, x]] if maps[0, 24, x] != CAMVID11.void else "void" for x in (10, 31, 52)]


def test_an_onnx_file_gives_maps_of_another_label_space(colours, image):
    info = describe_segmenter("onnx", colours)
    assert info.label_space == CAMVID11 and info.inputs == ("native", "working")
    assert info.weights == colours and info.beside == (colours.with_suffix(".yaml"),)
    for size in (None, "native", "working"):
        segmenter = get_segmenter("onnx", colours, "cpu", "float32", size)
        maps = segmenter.segment(image)
        assert maps.shape == (1, 48, 63) and maps.dtype == np.uint8 and middles(maps) == ["car", "tree", "sky"]
    assert middles(segmenter.segment(np.flip(image, -1).copy())) == ["sky", "tree", "car"]


def test_a_void_class_is_masked_or_mapped(colours, image):
    grey = np.full_like(image, 90)  # void is the strongest here: 0.75 of three colours against one
    masked = get_segmenter("onnx", colours).segment(grey)
    assert CAMVID11.void not in masked
    write_sheet(colours.with_suffix(".yaml"), mask=..., map={**SHEET["map"], "void": None})
    assert (get_segmenter("onnx", colours).segment(grey) == CAMVID11.void).all()
    assert middles(get_segmenter("onnx", colours).segment(image)) == ["car", "tree", "sky"]


def test_a_file_that_gives_ids(tmp_path, image):
    path = save_onnx(tmp_path / "ids.onnx", ids=True)
    sheet = write_sheet(tmp_path / "ids.yaml", mask=..., map={**SHEET["map"], "void": None})
    assert middles(get_segmenter("onnx", path).segment(image)) == ["car", "tree", "sky"]
    write_sheet(sheet)
    with pytest.raises(WeightsError, match=r"ids\.onnx: gives ids, not scores: its sheet cannot mask"):
        get_segmenter("onnx", path).segment(image)


@pytest.mark.parametrize(
    ("file", "sheet", "message"),
    [
        ({"rows": ROWS[:3]}, {}, "gives 3 classes, its sheet has 4"),
        ({"size": (32, 32)}, {}, r"takes \[32, 32\], its sheet says \[64, 96\]"),
        ({"size": (32, 32)}, {"size": ...}, r"takes \[32, 32\] alone.*say so by `size`"),
        ({"opset": 99}, {}, "onnxruntime cannot run it .*[Oo]pset"),
        ({"ir": 99}, {}, "onnxruntime cannot run it .*IR version"),
        ({}, {"size": [64]}, r"yaml: size: \[64\], expected \[height, width\]"),
        ({}, {"size": [10**6, 10**6]}, "yaml: size"),
        ({}, {"mean": [123.7, 116.3, 103.5]}, "yaml: mean: .*in 0..1"),
        ({}, {"std": [0, 1, 1]}, "yaml: std"),
        ({}, {"std": ...}, "yaml: std: None, expected three numbers"),
        ({}, {"scale": 2}, "yaml: unknown key 'scale'; known: label_space, classes, to"),
        ({}, {"label_space": "camvid11"}, "yaml: name either label_space or classes"),
        ({}, {"to": ...}, "yaml: classes need `to`"),
        ({}, {"to": "nowhere"}, "yaml: unknown label space 'nowhere'"),
        ({}, {"map": {"red": "car"}}, "yaml: class 'green' has no counterpart in camvid11: name it under map or mask"),
        ({}, {"map": {**SHEET["map"], "pink": "car"}}, "yaml: map: 'pink' is none of the network's classes"),
        ({}, {"mask": ["pink"]}, "yaml: mask: 'pink' is none"),
        ({}, {"mask": COLOURS}, "yaml: mask leaves no class"),
        ({}, {"classes": ["red", "red"]}, "yaml: classes: expected at most 255 different names"),
    ],
)
def test_what_does_not_fit_is_one_line(file, sheet, message, tmp_path):
    path = save_onnx(tmp_path / "x.onnx", **file)
    write_sheet(tmp_path / "x.yaml", **sheet)
    with pytest.raises(WeightsError, match=message) as error:
        get_segmenter("onnx", path, "cpu", "float32")
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


def test_missing_and_damaged_files(tmp_path, colours):
    with pytest.raises(WeightsError, match="no shipped weights: name an ONNX file"):
        get_segmenter("onnx")
    with pytest.raises(WeightsError, match="no such file"):
        describe_segmenter("onnx", tmp_path / "none.onnx")
    with pytest.raises(WeightsError, match=r"wants a file NAME\.onnx"):
        describe_segmenter("onnx", tmp_path / "none.pt")
    with pytest.raises(ConfigError, match=r"'sliding': colours\.onnx takes native, working"):
        get_segmenter("onnx", colours, input_size="sliding")
    colours.with_suffix(".yaml").write_text("a: [")
    with pytest.raises(WeightsError, match="not YAML"):
        describe_segmenter("onnx", colours)
    colours.with_suffix(".yaml").unlink()
    with pytest.raises(WeightsError, match=r"colours\.yaml: no such file; it says what the network beside it sees"):
        describe_segmenter("onnx", colours)
    colours.write_bytes(b"\x00\x01" * 50)
    write_sheet(colours.with_suffix(".yaml"))
    with pytest.raises(WeightsError, match="not an ONNX file"):
        describe_segmenter("onnx", colours)


def test_the_extra_is_named_where_it_is_missing(monkeypatch, colours):
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    for name, library in (("onnx", "onnxruntime"), ("transformers", "transformers")):
        with pytest.raises(ConfigError, match=rf"{name} needs {library}: pip install .*\[{name}\]'"):
            describe_segmenter(name, colours)


def test_data_beside_an_onnx_file_stays_in_its_folder(tmp_path, image):
    folder, secret = tmp_path / "network", tmp_path / "secret.bin"
    (folder / "data").mkdir(parents=True)
    write_sheet(folder / "x.yaml")
    for place in (secret, folder / "data" / "rows.bin"):
        place.write_bytes(ROWS.tobytes())
    path = save_onnx(folder / "x.onnx", location="data/rows.bin")
    assert describe_segmenter("onnx", path).beside[0] == folder / "data" / "rows.bin"
    assert middles(get_segmenter("onnx", path).segment(image)) == ["car", "tree", "sky"]
    os.symlink(secret, folder / "link.bin")
    for location in ("../secret.bin", "data/../../secret.bin", str(secret), "link.bin", ""):
        path = save_onnx(folder / "x.onnx", location=location)
        with pytest.raises(WeightsError, match=r"x\.onnx: names data outside of its folder"):
            get_segmenter("onnx", path)
    path = save_onnx(folder / "x.onnx", location="gone.bin")
    with pytest.raises(WeightsError, match=r"its data 'gone\.bin' is missing"):
        get_segmenter("onnx", path)


def test_data_is_found_wherever_a_file_can_name_it(tmp_path):
    """Against the onnx package: initializers, attributes, subgraphs, sparse tensors, functions and training graphs."""

    def tensor(name):
        found = onnx.numpy_helper.from_array(ROWS, name)
        found.ClearField("raw_data")
        found.data_location = onnx.TensorProto.EXTERNAL
        found.external_data.add(key="location", value=f"{name}.bin")
        (tmp_path / f"{name}.bin").write_bytes(b"")
        return found

    def node(*names):
        made = onnx.helper.make_node("Constant", [], ["out"], value=tensor(names[0]))
        made.attribute.add(name="tensors", type=onnx.AttributeProto.TENSORS).tensors.append(tensor(names[1]))
        return made

    model = onnx.ModelProto()
    model.graph.initializer.append(tensor("a"))
    model.graph.node.append(node("b", "c"))
    inner = onnx.GraphProto(initializer=[tensor("d")])
    branch = model.graph.node.add(op_type="If").attribute
    branch.add(name="g", type=onnx.AttributeProto.GRAPH).g.CopyFrom(inner)
    branch.add(name="gs", type=onnx.AttributeProto.GRAPHS).graphs.append(onnx.GraphProto(node=[node("e", "f")]))
    sparse = onnx.SparseTensorProto(values=tensor("g"), indices=tensor("h"))
    model.graph.sparse_initializer.append(sparse)
    branch.add(name="s").sparse_tensor.CopyFrom(onnx.SparseTensorProto(values=tensor("i")))
    model.functions.add(name="f").node.append(node("j", "k"))
    model.functions[0].attribute_proto.add(name="x").t.CopyFrom(tensor("l"))
    model.training_info.add().algorithm.initializer.append(tensor("m"))
    path = tmp_path / "all.onnx"
    path.write_bytes(model.SerializeToString())
    assert [file.stem for file in external_files(path)] == list("abcdefghijklm")


def test_damaged_files_are_one_line(colours):
    whole = colours.read_bytes()
    for cut in range(0, len(whole), 7):
        colours.write_bytes(whole[:cut])
        with pytest.raises(WeightsError) as error:
            get_segmenter("onnx", colours, "cpu", "float32")
        assert "\n" not in str(error.value)


def test_the_map_that_ships_knows_every_class():
    known = yaml.safe_load((MAPS / "cityscapes19-camvid11.yaml").read_text())
    assert tuple(known) == CITYSCAPES19.classes and set(known.values()) == set(CAMVID11.classes)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A SegFormer shaped as b0, made small, and a Mask2Former, as transformers saves them, with their sheets."""
    pytest.importorskip("transformers")
    from spic.metrics.torchvision_shim import import_torchvision

    import_torchvision()
    import transformers as hf

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("transformers")
    sizes = {"hidden_sizes": [8, 16, 40, 64], "depths": [1, 1, 1, 1], "decoder_hidden_size": 32}
    segformer = hf.AutoModelForSemanticSegmentation.from_config(hf.SegformerConfig(**sizes, num_labels=19))
    with torch.no_grad():
        segformer.decode_head.classifier.weight.normal_()
    segformer.save_pretrained(folder / "segformer-b0.tiny")
    backbone = hf.SwinConfig(
        embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=4, out_features=[f"stage{i}" for i in range(1, 5)]
    )
    widths = ("feature_size", "mask_feature_size", "hidden_dim", "encoder_feedforward_dim", "dim_feedforward")
    config = hf.Mask2FormerConfig(
        backbone_config=backbone, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=9,
        num_labels=19, **dict.fromkeys(widths, 32),
    )  # fmt: skip
    mask2former = hf.AutoModelForUniversalSegmentation.from_config(config)
    mask2former.save_pretrained(folder / "mask2former")
    stages = {"hidden_sizes": [8] * 4, "depths": [1] * 4, "out_features": [f"stage{i}" for i in range(1, 5)]}
    convnext = hf.ConvNextConfig(**stages)
    upernet = hf.UperNetConfig(backbone_config=convnext, hidden_size=16, auxiliary_channels=8, num_labels=19)
    hf.AutoModelForSemanticSegmentation.from_config(upernet).save_pretrained(folder / "upernet")
    for name in ("segformer-b0.tiny", "mask2former", "upernet"):
        write_sheet(folder / f"{name}.yaml", classes=..., label_space="cityscapes19", map=..., mask=..., mean=[0.5] * 3)
    return folder


@pytest.mark.parametrize("name", ["segformer-b0.tiny", "mask2former", "upernet"])
def test_a_folder_of_transformers(name, folders, image, capfd):
    info = describe_segmenter("transformers", folders / name)
    assert info.label_space == CAMVID11 and info.weights == folders / name / "model.safetensors"
    assert [file.name for file in info.beside] == ["config.json", f"{name}.yaml"]
    noise = np.random.default_rng(0).integers(256, size=(2, 40, 70, 3), dtype=np.uint8)
    for size in ("native", "working"):
        segmenter = get_segmenter("transformers", folders / name, "cpu", "float32", size)
        maps = segmenter.segment(noise)
        assert maps.shape == (2, 40, 70) and maps.max() < 11
        assert np.array_equal(segmenter.segment(noise[1:]), maps[1:])
    assert get_segmenter("transformers", folders / name, "cpu", "bfloat16").segment(noise[:1]).max() < 11
    assert capfd.readouterr().err == ""


def test_segformer_sees_what_transformers_gives(folders, image):
    """The reference: transformers' own call on the same planes, its logits enlarged, and the classes by name."""
    import transformers as hf

    own = get_segmenter("transformers", folders / "segformer-b0.tiny", "cpu", "float32")
    model = hf.AutoModelForSemanticSegmentation.from_pretrained(folders / "segformer-b0.tiny").eval()
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(image).permute(0, 3, 1, 2).double(), (64, 96), mode="bilinear", antialias=True
    )
    with torch.no_grad():
        logits = model((resized / 255 - 0.5).float()).logits
    ids = torch.nn.functional.interpolate(logits, (48, 63), mode="bilinear").argmax(1)[0].numpy()
    known = yaml.safe_load((MAPS / "cityscapes19-camvid11.yaml").read_text())
    wanted = np.vectorize(lambda i: CAMVID11.id(known[CITYSCAPES19.classes[i]]))(ids)
    assert len(np.unique(wanted)) > 1 and (own.segment(image)[0] == wanted).mean() > 0.995


def test_queries_are_merged_as_by_the_image_processor():
    """transformers' own (slow) processor, which resizes masks to 384x384 first: given that size, nothing is resized."""
    pytest.importorskip("transformers")
    from spic.metrics.torchvision_shim import import_torchvision
    from spic.segmentation.outside.transformers_network import merge_queries

    import_torchvision()
    from transformers.models.mask2former.image_processing_pil_mask2former import Mask2FormerImageProcessorPil

    torch.manual_seed(0)
    queries = {
        "class_queries_logits": 3 * torch.randn(1, 7, 20),
        "masks_queries_logits": 3 * torch.randn(1, 7, 384, 384),
    }
    processor = Mask2FormerImageProcessorPil()
    (theirs,) = processor.post_process_semantic_segmentation(SimpleNamespace(**queries))
    ours = merge_queries(*queries.values())
    assert ours.shape == (1, 19, 384, 384) and torch.equal(ours.argmax(1)[0], theirs)


def test_what_a_folder_may_not_be(folders, tmp_path):
    import shutil

    def changed(name, **changes):
        target = tmp_path / name
        shutil.copytree(folders / "segformer-b0.tiny", target)
        shutil.copy(folders / "segformer-b0.tiny.yaml", tmp_path / f"{name}.yaml")
        config = json.loads((target / "config.json").read_text())
        (target / "config.json").write_text(json.dumps(config | changes))
        return target

    code = {"AutoModelForSemanticSegmentation": "model.Mine"}
    labels = {"id2label": {str(i): str(i) for i in range(7)}, "label2id": {str(i): i for i in range(7)}}
    refused = {
        changed("code", auto_map=code): "code of the folder's author",
        changed("far", use_pretrained_backbone=True): "its backbone is a file elsewhere",
        changed("few", **labels): "few: (not readable|.* misshapen|gives 7 classes)",
        changed("deep", depths=[2, 1, 1, 1]): "tensors are missing or misshapen",
        changed("other", model_type="gpt2"): "not readable",
        tmp_path / "none": "no such folder",
    }
    (changed("empty") / "model.safetensors").unlink()
    refused[tmp_path / "empty"] = "holds neither model.safetensors nor pytorch_model.bin"
    (changed("bare") / "config.json").unlink()
    refused[tmp_path / "bare"] = "config.json: missing"
    file = changed("cut") / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    refused[tmp_path / "cut"] = "not readable"
    sheet = changed("sheet")
    write_sheet(tmp_path / "sheet.yaml")
    refused[sheet] = "gives 19 classes, its sheet has 4"
    for folder, message in refused.items():
        with pytest.raises(WeightsError, match=message) as error:
            get_segmenter("transformers", folder, "cpu", "float32")
        assert "\n" not in str(error.value), folder


def test_pickles_are_read_without_running_them(folders, tmp_path, image):
    import shutil

    from safetensors.torch import load_file

    target = tmp_path / "old"
    shutil.copytree(folders / "segformer-b0.tiny", target)
    shutil.copy(folders / "segformer-b0.tiny.yaml", tmp_path / "old.yaml")
    state = load_file(target / "model.safetensors")
    (target / "model.safetensors").unlink()
    torch.save(state, target / "pytorch_model.bin")
    same = get_segmenter("transformers", folders / "segformer-b0.tiny", "cpu", "float32").segment(image)
    assert np.array_equal(get_segmenter("transformers", target, "cpu", "float32").segment(image), same)

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({**state, "evil": Evil()}, target / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="not readable"):
        get_segmenter("transformers", target)
    assert not (tmp_path / "ran").exists()


def test_sheet_of_a_folder_by_any_spelling(folders, monkeypatch):
    wanted = read_sheet(folders / "mask2former").classes
    monkeypatch.chdir(folders / "mask2former")
    from pathlib import Path

    assert read_sheet(Path(".")).classes == read_sheet(Path("../mask2former")).classes == wanted


def test_looks_depend_on_the_sheet(colours):
    def identity():
        return plan_looks(judge="onnx", judge_weights=str(colours))["judge"].identity

    before = identity()
    assert identity() == before and before["code"].keys() == {"onnxruntime"}
    write_sheet(colours.with_suffix(".yaml"), mean=[0.1, 0, 0])
    assert identity() != before


def test_the_command_line_takes_such_a_segmenter(colours, image, tmp_path, tiny_decoder):
    from PIL import Image
    from typer.testing import CliRunner

    from spic import Receiver
    from spic.cli import app

    Image.fromarray(image[0]).resize((96, 48)).save(tmp_path / "street.png")
    arguments = ["encode", tmp_path / "street.png", "--segmenter", "onnx", "--segmenter-weights", colours]
    arguments += ["--decoder-weights", tiny_decoder, "--ssm-codec", "png", "--device", "cpu", "--dtype", "float32"]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    ssm = Receiver(tiny_decoder).parts((tmp_path / "street.spic").read_bytes()).ssm
    assert [CAMVID11.classes[i] for i in ssm[len(ssm) // 2, [90, 260, 430]]] == ["car", "tree", "sky"]
    seen = ["segment", tmp_path / "street.png", tmp_path / "map.png", "--segmenter", "onnx", "--weights", colours]
    assert CliRunner().invoke(app, [str(argument) for argument in seen]).exit_code == 0
    labels = np.asarray(Image.open(tmp_path / "map.png"))
    assert [CAMVID11.classes[i] for i in labels[len(labels) // 2, [90, 260, 430]]] == ["car", "tree", "sky"]
    colours.with_suffix(".yaml").unlink()
    done = CliRunner().invoke(app, [str(argument) for argument in arguments] + ["--force"])
    assert done.exit_code == 1 and done.stderr.count("\n") == 1 and "colours.yaml: no such file" in done.stderr


def test_files_of_one_name_both_count(tmp_path):
    from spic.provenance.fingerprints import weights_hashes

    files = [tmp_path / folder / "model.safetensors" for folder in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(b"1")
    before = weights_hashes(files)
    for file in files:
        file.write_bytes(b"2")
        assert weights_hashes(files) != before
        file.write_bytes(b"1")
