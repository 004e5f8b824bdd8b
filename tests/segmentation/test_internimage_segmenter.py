"""InternImage behind the segmenters' common interface, shrunk and on weights that know nothing."""

import numpy as np
import pytest
import torch

from spic.errors import ConfigError, DataError, WeightsError
from spic.pictures.labels import CITYSCAPES19
from spic.segmentation import describe_segmenter, get_segmenter, segmenter_names
from spic.segmentation.internimage import build, segmenter
from spic.segmentation.internimage.segmenter import native_size, normalize


@pytest.fixture
def weights(tiny_sizes, filler, tmp_path):
    """A file as the authors release them, 150 output rows; row 100 would win everywhere."""
    model = filler(build("t", 150))
    with torch.no_grad():
        model.decode_head.conv_seg.bias[100] = 1000
    torch.save({"meta": {}, "state_dict": model.state_dict()}, tmp_path / "t.pth")
    return tmp_path / "t.pth"


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(256, size=(3, 32, 64, 3), dtype=np.uint8)


def load(weights, input_size=None, dtype="float32"):
    return get_segmenter("internimage-t", weights, "cpu", dtype, input_size)


def test_maps_are_the_best_of_the_first_19_rows(weights, pictures, filler):
    maps = load(weights, "working").segment(pictures)
    with torch.inference_mode():
        logits = filler(build("t", 19))(normalize(torch.from_numpy(pictures)))
    assert maps.dtype == np.uint8 and np.array_equal(maps, logits.argmax(1).numpy())
    assert len(np.unique(maps)) > 1 and maps.max() < 19
    assert load(weights).label_space is CITYSCAPES19


def test_native_looks_at_the_enlarged_picture(weights, pictures, monkeypatch):
    monkeypatch.setattr(segmenter, "NATIVE_SIZE", (128, 256))
    maps = load(weights).segment(pictures)
    assert maps.shape == (3, 32, 64)
    large = torch.nn.functional.interpolate(normalize(torch.from_numpy(pictures)), (128, 256), mode="bilinear")
    with torch.inference_mode():
        logits = load(weights).model(large)
    small = torch.nn.functional.interpolate(logits, (32, 64), mode="bilinear").argmax(1)
    assert np.array_equal(maps, small.numpy())
    assert not np.array_equal(maps, load(weights, "working").segment(pictures))


def test_windows_cover_the_picture_and_are_averaged(weights, pictures, monkeypatch):
    monkeypatch.setattr(segmenter, "NATIVE_SIZE", (64, 128))
    native = load(weights).segment(pictures)
    sliding = load(weights, "sliding")
    assert np.array_equal(sliding.segment(pictures), native)  # one window holds the whole picture
    monkeypatch.setattr(segmenter, "WINDOW", (32, 48))
    shapes = []
    sliding.model.register_forward_hook(lambda _, x, __: shapes.append(tuple(x[0].shape[-2:])))
    found = sliding.segment(pictures[:1])
    assert set(shapes) == {(32, 48)} and len(shapes) == 3 * 5 and found.shape == (1, 32, 64)
    x = torch.randn(1, 3, 64, 128)
    sliding.model = torch.nn.Conv2d(3, 19, 1).eval()
    torch.testing.assert_close(sliding._logits(x), sliding.model(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((256, 512), (1024, 2048)), ((1024, 2048), (1024, 2048)), ((360, 480), (1024, 1365)), ((10, 4000), (5, 2048))],
)
def test_native_size_keeps_the_proportions(size, wanted):
    assert native_size(size) == wanted


def test_normalisation():
    x = normalize(torch.tensor([[[[123, 116, 104], [0, 255, 0]]]], dtype=torch.uint8))
    assert x.shape == (1, 3, 1, 2) and x.dtype == torch.float32
    assert x[0, :, 0, 0].abs().max() < 0.02 and x[0, 1, 0, 1] == pytest.approx((255 - 116.28) / 57.12)


def test_maps_do_not_depend_on_the_batch(weights, pictures, monkeypatch):
    network = load(weights, "working")
    maps = network.segment(pictures)
    monkeypatch.setattr(segmenter, "_PIXELS", 1)
    assert (network.segment(pictures) == maps).mean() > 0.999
    assert network.segment(pictures[:0]).shape == (0, 32, 64)


def test_bfloat16_sees_nearly_the_same(weights, pictures):
    float32, bfloat16 = (load(weights, "working", dtype).segment(pictures) for dtype in ("float32", "bfloat16"))
    assert (float32 == bfloat16).mean() > 0.8


def test_any_size_of_picture(weights):
    network = load(weights, "working")
    for size in ((1, 1), (33, 47)):
        assert network.segment(np.zeros((1, *size, 3), np.uint8)).shape == (1, *size)
    for wrong in (np.zeros((32, 64, 3), np.uint8), np.zeros((1, 32, 64, 1), np.uint8), np.zeros((1, 8, 8, 3))):
        with pytest.raises(DataError):
            network.segment(wrong)
    with pytest.raises(DataError):
        network.segment(np.zeros((1, 0, 8, 3), np.uint8))


def test_too_few_classes(tiny_sizes, filler, tmp_path):
    torch.save({"state_dict": filler(build("t", 18)).state_dict()}, tmp_path / "t.pth")
    with pytest.raises(WeightsError, match="18 output classes"):
        load(tmp_path / "t.pth")


def test_input_size(weights, tiny_segmenter):
    with pytest.raises(ConfigError, match=r"'huge'.*native, working, sliding"):
        load(weights, "huge")
    with pytest.raises(ConfigError, match="native"):
        get_segmenter("street", tiny_segmenter, "cpu", "float32", "native")
    assert get_segmenter("street", tiny_segmenter, "cpu", "float32", "working").label_space.name == "camvid11"


@pytest.mark.parametrize("weights_file", [None, "nowhere.pth"])
def test_a_missing_file_is_answered_with_what_to_get(weights_file):
    for call in (get_segmenter, describe_segmenter):
        with pytest.raises(WeightsError) as error:
            call("internimage-xl", weights_file)
        text = str(error.value)
        assert "upernet_internimage_xl_512x1024_160k_cityscapes.pth" in text and "736 MB" in text
        assert "github.com/OpenGVLab/InternImage/tree/master/segmentation/configs/cityscapes" in text


def test_described_without_loading(weights):
    assert {f"internimage-{size}" for size in ("t", "s", "b", "l", "xl")} < set(segmenter_names())
    info = describe_segmenter("internimage-t", weights)
    assert info.weights == weights and info.label_space is CITYSCAPES19 and info.inputs[0] == "native"
    street = describe_segmenter("street")
    assert street.weights.exists() and street.label_space.name == "camvid11" and street.inputs == ("working",)
    assert describe_segmenter("judge", "elsewhere").label_space is None


def test_what_packages_offer_is_described(monkeypatch):
    class Own(dict):
        def __init__(self, **settings):
            super().__init__(settings)
            self.label_space = CITYSCAPES19

    class Point:
        name = "mine"

        def load(self):
            return Own

    monkeypatch.setattr("spic.plugins.entry_points", lambda group: [Point()])
    info = describe_segmenter("mine")
    assert info.weights is None and info.label_space is None
    assert str(describe_segmenter("mine", "w.onnx").weights) == "w.onnx"
    assert get_segmenter("mine", input_size="native")["input_size"] == "native"
    with pytest.raises(ConfigError, match="'eye'"):
        describe_segmenter("eye")
