"""A run with networks from outside: an ONNX segmenter, judges of both kinds, the methods ldm and learned, an anchor."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from spic.benchmark.checks import check_run
from spic.benchmark.coding import segment
from spic.benchmark.config import read_config
from spic.benchmark.observations import look, plan_looks, read_look
from spic.benchmark.plan import Plan
from spic.errors import SpicError
from spic.machine import CPU
from spic.pictures.labels import CAMVID11
from spic.pictures.reading import read_labels, write_png

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).resolve().parents[2]
CLASSES = ["red", "green", "blue", "void"]
SHEET = {"classes": CLASSES, "to": "camvid11", "map": {"red": "car", "green": "tree", "blue": "sky", "void": None}}
SHEET |= {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
TOY = """
import zlib, numpy as np
class Toy:
    def compress(self, image, quality):
        small = image[::quality, ::quality]
        return bytes([quality]) + small.shape[0].to_bytes(2, "big") + zlib.compress(small.tobytes(), 9)
    def decompress(self, data):
        small = np.frombuffer(zlib.decompress(data[3:]), np.uint8).reshape(int.from_bytes(data[1:3], "big"), -1, 3)
        return small.repeat(data[0], 0).repeat(data[0], 1)
"""
ANCHOR = {"name": "other codec", "description": "d", "source": "s", "protocol": "p", "warning": "other images"}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A folder with a tiny ONNX file that has a void class, and a SegFormer of transformers, each with its sheet."""
    onnx, _ = pytest.importorskip("onnx"), pytest.importorskip("transformers")
    import torch

    from spic.metrics.torchvision_shim import import_torchvision

    import_torchvision()
    import transformers

    folder = tmp_path_factory.mktemp("networks")
    rows = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.75] * 3], np.float32).reshape(4, 3, 1, 1)
    sides, value_info = ["n", 3, "h", "w"], onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["image", "rows"], ["scores"])],
        "colours",
        [value_info("image", onnx.TensorProto.FLOAT, sides)],
        [value_info("scores", onnx.TensorProto.FLOAT, ["n", 4, "h", "w"])],
        [onnx.numpy_helper.from_array(rows, "rows")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    (folder / "colours.onnx").write_bytes(model.SerializeToString())
    (folder / "colours.yaml").write_text(yaml.safe_dump(SHEET))
    torch.manual_seed(0)
    sizes = {"hidden_sizes": [8, 16, 40, 64], "depths": [1, 1, 1, 1], "decoder_hidden_size": 32}
    segformer = transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig(**sizes, num_labels=19))
    segformer.save_pretrained(folder / "segformer")
    sheet = {"label_space": "cityscapes19", "to": "camvid11", "size": [64, 128], "mean": [0.5] * 3, "std": [0.2] * 3}
    (folder / "segformer.yaml").write_text(yaml.safe_dump(sheet))
    (folder / "toy.py").write_text(TOY)
    anchor = ANCHOR | {"results": {"bpp": [0.1, 0.4], "miou": [0.2, 0.3]}}
    (folder / "anchor.json").write_text(json.dumps(anchor))
    return folder


@pytest.fixture
def overlay(networks, tiny_ldm, tmp_path):
    def write(**changes):
        config = {
            "segmenter": "onnx",
            "segmenter_weights": str(networks / "colours.onnx"),
            "judge": "transformers",
            "judge_weights": str(networks / "segformer"),
            "judges": {"colours": {"segmenter": "onnx", "weights": str(networks / "colours.onnx")}},
            "anchors": [str(networks / "anchor.json")],
            "ldm_weights": str(tiny_ldm),
            "method_options": {"ldm": {"steps": 1}, "learned": {"codec": f"{networks / 'toy.py'}:Toy"}},
            "limit": 1,
        }
        methods = {"spic": None, "upsampled": None, "bpg": None, "jpeg2000": None}
        methods |= {"ldm": {"coarse_qp": [35]}, "learned": {"quality": [8]}}
        path = tmp_path / "overlay.yaml"
        path.write_text(json.dumps(config | {"methods": methods} | changes))
        return path

    return write


def test_a_segmenter_and_a_judge_from_outside_by_the_stages_of_a_run(networks, tiny_scenes, tmp_path):
    """What the scripts of a run call, in this process."""
    image = tiny_scenes(1, (64, 128)).picture(0)
    (tmp_path / "in").mkdir()
    write_png(tmp_path / "in" / "a.png", image)
    segment(tmp_path / "in", tmp_path / "ssm", tmp_path / "space.json", "onnx", networks / "colours.onnx", None, CPU)
    assert json.loads((tmp_path / "space.json").read_text())["name"] == "camvid11"
    ssm = read_labels(tmp_path / "ssm" / "a.png")
    assert set(np.unique(ssm)) <= {CAMVID11.id("car"), CAMVID11.id("tree"), CAMVID11.id("sky"), CAMVID11.void}
    judges = {"colours": {"segmenter": "onnx", "weights": str(networks / "colours.onnx")}}
    looks = plan_looks(judge="transformers", judge_weights=networks / "segformer", judges=judges, paired=False)
    look(tmp_path / "in", tmp_path / "looks", {name: looks[name] for name in ("judge", "judge_colours")})
    assert np.array_equal(read_look(tmp_path / "looks", "judge_colours")["labels"][0], ssm)
    assert read_look(tmp_path / "looks", "judge")["labels"].max() < 11


@pytest.mark.slow
def test_a_run_of_networks_from_outside(overlay, empty_run):
    results = empty_run.results
    wanted = [f"results/smoke/{path}" for path in ("tables/points.csv", "figures/figure4a.svg")]
    empty_run("--cores", 1, *wanted, overlay=overlay())
    table = pd.read_csv(results / "tables" / "points.csv").set_index("method")
    assert list(table.index) == ["ldm", "learned"]
    columns = ["miou", "miou_independent", "miou_judge_colours", "miou_gt", "psnr"]
    assert table[columns].notna().all().all() and (table["miou"] == table["miou_judge_colours"]).all()
    for method, point in (("ldm", "coarse_qp35"), ("learned", "quality8")):
        (coded,) = (results / method / point / "0000" / "coded").glob("[!.]*")
        assert table.loc[method, "bpp"] == pytest.approx(8 * coded.stat().st_size / (256 * 512), rel=1e-4)
    assert "other codec (other images)" in (results / "figures" / "figure4a.svg").read_text()
    again = empty_run("--dry-run", *wanted, overlay=overlay())
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segmenter_weights": "none.onnx"}, "config: segmenter: none.onnx: no such file"),
        ({"judge_weights": "none"}, "config: judge: none: no such folder"),
        ({"ldm_weights": None}, "config: method ldm needs ldm_weights, the folder of CompVis/ldm-super-resolution"),
        ({"method_options": {}}, "config: method learned needs a codec, method_options: {learned: {codec:"),
        ({"learned_python": "none"}, "config: method learned needs learned_python; none: no such program"),
        ({"anchors": ["none"]}, "config: anchors: results/published/anchors/none.json: no such file"),
    ],
)
def test_what_is_missing_is_one_line_before_a_run(changes, message, overlay, tmp_path):
    with pytest.raises(SpicError) as error:
        check_run(Plan(read_config(ROOT, [ROOT / "config" / "smoke.yaml", overlay(**changes)])))
    assert message.removeprefix("config: ") in str(error.value) and "\n" not in str(error.value)
