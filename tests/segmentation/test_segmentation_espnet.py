"""ESPNet by its authors' tensor names: counts of the paper, refusals, and the real files where they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from spic.datasets import get_dataset
from spic.errors import ConfigError, DataError, WeightsError
from spic.metrics.miou import confusion_matrix, iou_per_class
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.segmentation import describe_segmenter, get_segmenter, outside
from spic.segmentation.espnet import EspNet

MAPS = Path(outside.__file__).parent / "maps"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file as the authors save it: fresh tensors, no counters of batches."""
    folder = tmp_path_factory.mktemp("espnet")
    torch.manual_seed(0)
    for classes, beside, name in ((12, 19, "camvid.pth"), (20, 16, "cityscapes.pth"), (7, 19, "other.pth")):
        state = EspNet(classes, beside=beside).state_dict()
        torch.save({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, folder / name)
    return folder


def test_number_of_parameters():
    """The paper's table: 0.364 million with p = 2 and q = 8 on Cityscapes."""
    assert sum(p.numel() for p in EspNet(20, beside=16).parameters()) == pytest.approx(364e3, rel=0.01)


@pytest.mark.parametrize(
    ("name", "space", "width"), [("camvid", "camvid11", 480), ("cityscapes", "cityscapes19", 1024)]
)
def test_label_space_and_size_follow_from_the_file(name, space, width, weights):
    path = weights / f"{name}.pth"
    assert describe_segmenter("espnet", path).label_space.name == space
    segmenter = get_segmenter("espnet", path, "cpu", "float32")
    images = np.random.default_rng(0).integers(256, size=(2, 37, 64, 3), dtype=np.uint8)
    assert segmenter.planes(images).shape == (2, 3, round(37 * width / 64 / 8) * 8, width)
    maps = segmenter.segment(images)
    assert maps.shape == (2, 37, 64) and maps.max() < segmenter.label_space.num_classes
    working = get_segmenter("espnet", path, "cpu", "float32", "working")
    assert working.planes(images).shape == (2, 3, 40, 64)


def test_planes_are_bgr_normalised_and_then_divided(weights):
    segmenter = get_segmenter("espnet", weights / "camvid.pth", "cpu", "float32", "working")
    image = np.full((1, 8, 8, 3), (200, 100, 50), np.uint8)
    expected = (np.array([50, 100, 200]) - [110.331, 108.409, 105.034]) / [72.125, 72.688, 69.903] / 255
    assert np.allclose(segmenter.planes(image)[0, :, 3, 3], expected, atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_images_that_may_not_be_written(weights):
    """As Pillow gives them: no warning, the same maps."""
    image = np.random.default_rng(0).integers(256, size=(1, 16, 16, 3), dtype=np.uint8)
    segmenter = get_segmenter("espnet", weights / "camvid.pth", "cpu", "float32", "working")
    expected = segmenter.segment(image)
    image.flags.writeable = False
    assert np.array_equal(segmenter.segment(image), expected)


def test_refusals(weights, tmp_path):
    with pytest.raises(WeightsError, match="11 or Cityscapes' 19"):
        get_segmenter("espnet", weights / "other.pth")
    with pytest.raises(WeightsError, match="no shipped weights"):
        get_segmenter("espnet")
    with pytest.raises(WeightsError, match="no such file"):
        get_segmenter("espnet", tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="authors' weights file"):
        describe_segmenter("espnet", tmp_path / "none.pth")
    with pytest.raises(ConfigError, match="sliding"):
        get_segmenter("espnet", weights / "camvid.pth", input_size="sliding")
    with pytest.raises(DataError, match="uint8"):
        get_segmenter("espnet", weights / "camvid.pth").segment(np.zeros((1, 8, 8), np.uint8))


@pytest.mark.shared
def test_the_authors_file_on_real_streets(shared):
    """0.683 on all 101 frames of CamVid's validation clip, measured apart from this code; here every tenth frame."""
    data = get_dataset("camvid", shared / "data" / "camvid", "val")
    segmenter = get_segmenter("espnet", shared / "judges" / "espnet_p_2_q_8_camvid.pth", "cpu", "float32")
    total = 0
    for i in range(0, len(data), 10):
        total = total + confusion_matrix(data.labels(i)[None], segmenter.segment(data.picture(i)[None]), 11, 11)
    assert np.nanmean(iou_per_class(total)) > 0.65


@pytest.mark.shared
def test_the_authors_file_for_cityscapes_on_streets_of_another_town(shared):
    """0.339 on all 101 frames in CamVid's classes, measured apart from this code; here every tenth frame."""
    data = get_dataset("camvid", shared / "data" / "camvid", "val")
    segmenter = get_segmenter("espnet", shared / "judges" / "espnet_p_2_q_8.pth", "cpu", "float32")
    classes = yaml.safe_load((MAPS / "cityscapes19-camvid11.yaml").read_text())
    own = np.array([CAMVID11.classes.index(classes[name]) for name in CITYSCAPES19.classes], np.uint8)
    total = 0
    for i in range(0, len(data), 10):
        total = total + confusion_matrix(data.labels(i)[None], own[segmenter.segment(data.picture(i)[None])], 11, 11)
    assert np.nanmean(iou_per_class(total)) > 0.3
