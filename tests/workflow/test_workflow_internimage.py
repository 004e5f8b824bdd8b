"""The workflow with the paper's segmenter: an official-looking file of random weights and a decoder for its classes."""

import json

import numpy as np
import pandas as pd
import pytest

from spic.pictures.reading import read_labels

pytestmark = pytest.mark.workflow
WEIGHTS = "upernet_internimage_t_512x1024_160k_cityscapes.pth"


@pytest.fixture(scope="module")
def weights(tmp_path_factory, tiny_net):
    """Folder with InternImage-T as its authors save it (float16, 150 rows, a numpy scalar in `meta`) and a decoder."""
    import torch

    from spic.scsrdm import build as build_decoder
    from spic.scsrdm import save_checkpoint
    from spic.segmentation.internimage import build
    from spic.training.decoder import SMALL

    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    model = build("t")
    rows = model.decode_head.conv_seg.weight
    with torch.no_grad():
        torch.nn.init.normal_(rows)
        rows -= rows.mean(1, keepdim=True)
    state = {name: x.half() if x.is_floating_point() else x for name, x in model.state_dict().items()}
    torch.save({"meta": {"CLASSES": ["road"] * 150, "best": np.float64(82.58)}, "state_dict": state}, folder / WEIGHTS)
    decoder = build_decoder({**SMALL, **tiny_net, "num_classes": 19})
    settings = {"label_space": "cityscapes19", "sampling": {"sampler": "ddim", "steps": 1, "start": 50}}
    save_checkpoint(folder / "decoder", decoder, settings)
    return folder


@pytest.fixture
def overlay(weights, tmp_path):
    """Config: two pictures, one point; `overlay(key=value)` changes it."""

    def write(**changes):
        config = {
            "segmenter": "internimage-t",
            "segmenter_weights": str(weights / WEIGHTS),
            "segmenter_input": "working",
            "decoder_weights": str(weights / "decoder"),
            "judge": None,
            "methods": {"upsampled": None, "bpg": None, "jpeg2000": None},
        }
        (tmp_path / "overlay.yaml").write_text(json.dumps(config | changes))
        return tmp_path / "overlay.yaml"

    return write


@pytest.mark.slow
def test_the_papers_segmenter_runs_end_to_end(empty_run, overlay):
    empty_run("--cores", 2, "--resources", "gpu=1", overlay=overlay())
    points = pd.read_csv(empty_run.results / "tables" / "points.csv")
    assert list(points["method"]) == ["spic"] and (points["n"] == 2).all()
    assert points["miou"].between(0, 1).all() and (points["bpp_ssm"] > 0).all()
    assert points["miou_gt"].isna().all()  # the scenes' own labels are of another label space
    maps = [read_labels(path) for path in (empty_run.results / "originals" / "0000" / "ssm").glob("*.png")]
    assert len(maps) == 2 and max(x.max() for x in maps) < 19 and len(np.unique(maps)) > 1
    classes = pd.read_csv(empty_run.results / "tables" / "per_class.csv")["class"]
    assert "traffic light" in set(classes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder_weights": None}, "internimage-t has the label space cityscapes19 (19 classes), decoder street-deco"),
        ({"segmenter": "street", "segmenter_weights": None}, "segmenter street has the label space camvid11"),
        ({"ssm_source": "ground_truth"}, "data set street_scenes has the label space camvid11"),
        ({"segmenter_weights": None}, WEIGHTS),
        ({"segmenter_input": "huge"}, "huge"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_runs(changes, message, empty_run, overlay):
    done = empty_run("--dry-run", check=False, overlay=overlay(**changes))
    assert done.returncode != 0 and message in done.stdout + done.stderr
    assert not empty_run.results.exists()
