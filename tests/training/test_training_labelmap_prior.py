"""The prior of the label-map coder: gradients, quantisation, what training brings, files that load or are refused."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from spic.cli.train import app
from spic.codecs.labelmap import LabelMapCodec, stream
from spic.codecs.labelmap.network import NUM_FEATURES, OUTPUTS, infer, num_rows
from spic.codecs.labelmap.prior import pack_prior, read_prior, unpack_prior
from spic.codecs.labelmap.samples import samples
from spic.datasets import get_dataset
from spic.errors import BitstreamError, ConfigError, DataError, WeightsError
from spic.training.labelmap_network import cost, quantized, start_parameters
from spic.training.labelmap_prior import collect_maps, train_prior, write_prior


@pytest.fixture(scope="module")
def scenes():
    return get_dataset("street_scenes", None, "train", 8, (64, 128))


@pytest.fixture(scope="module")
def prior(scenes):
    return train_prior(collect_maps(scenes), 60, classes=12, hidden=(16, 8))


@pytest.fixture(scope="module")
def material(scenes):
    labels = scenes.labels(0)
    return samples(labels, np.ones(labels.shape, bool), 13)


def float_logits(rows, parameters):
    """The network in plain NumPy: what the integer one approximates."""
    table, bias_1, weights_2, bias_2, weights_3, bias_3 = (array.astype(np.float64) for array in parameters)
    first = np.clip(table[rows].sum(axis=0) + bias_1, 0, 4)
    second = np.clip(first @ weights_2 + bias_2, 0, 8)
    return weights_3 @ second + bias_3


def cost_of(features, answers, parameters):
    total = 0.0
    for rows, (rank, asked) in zip(features, answers, strict=True):
        p = 1 / (1 + np.exp(-float_logits(rows, parameters)))
        total -= sum(np.log(p[i] if i == rank else 1 - p[i]) for i in range(min(int(rank) + 1, asked)))
    return total


def test_samples_describe_every_outline_pixel_once(material):
    features, answers = material
    assert features.shape[1] == NUM_FEATURES and 0 < len(features) == len(answers) < 64 * 128
    assert features.max() < num_rows(13) and (answers[:, 0] <= answers[:, 1]).all() and answers.max() <= OUTPUTS
    assert (answers[:, 0] == 0).mean() > 0.7


def test_integer_network_is_the_float_network(material):
    features = material[0][::200].astype(np.int64)
    parameters = start_parameters((16, 8), num_rows(13), NUM_FEATURES, 0)
    whole = quantized(parameters)
    logits, first, second = np.zeros(OUTPUTS, np.int64), np.zeros(16, np.int32), np.zeros(8, np.int32)
    for rows in features:
        infer(rows, whole, first, second, logits)
        np.testing.assert_allclose(logits / 256, float_logits(rows, parameters), atol=0.03)


def test_gradients_are_the_slopes(material):
    features, answers = material[0][:40], material[1][:40]
    parameters = start_parameters((8, 8), num_rows(13), NUM_FEATURES, 1)
    tensors = [torch.from_numpy(array.copy()).requires_grad_() for array in parameters]
    found = cost(torch.from_numpy(features.astype(np.int64)), torch.from_numpy(answers.astype(np.int64)), tensors)
    assert found.item() == pytest.approx(cost_of(features, answers, parameters), rel=1e-4)
    found.backward()
    grads = [tensor.grad.numpy() for tensor in tensors]
    rng = np.random.default_rng(0)
    for array, grad in zip(parameters, grads, strict=True):
        for index in rng.choice(np.flatnonzero(grad), 3):
            place, h = np.unravel_index(index, array.shape), 2e-3
            array[place] += h
            above = cost_of(features, answers, parameters)
            array[place] -= 2 * h
            slope = (above - cost_of(features, answers, parameters)) / (2 * h)
            array[place] += h
            assert grad[place] == pytest.approx(slope, rel=0.05, abs=0.02)


def test_a_prior_pays_and_stays_exact(prior):
    test = get_dataset("street_scenes", None, "test", 3, (64, 128))
    plain = trained = 0
    for i in range(3):
        labels = test.labels(i)
        data = stream.encode(labels, prior)
        np.testing.assert_array_equal(stream.decode(data, prior), labels)
        plain, trained = plain + len(stream.encode(labels)), trained + len(data)
    assert trained < 0.95 * plain


def test_same_seed_same_prior(scenes):
    priors = [train_prior(collect_maps(scenes), 3, classes=12, hidden=(8, 4), seed=seed) for seed in (1, 1, 2)]
    first, again, other = (b"".join(a.tobytes() for a in pack_prior(p).values()) for p in priors)
    assert first == again != other


def test_file_round_trip(prior, tmp_path):
    digest = write_prior(tmp_path / "p", prior, {"label_space": "camvid11"})
    read = read_prior(tmp_path / "p.safetensors")
    assert read.tag.hex() == digest[:4] and read.classes == 13
    for name, array in pack_prior(prior).items():
        np.testing.assert_array_equal(pack_prior(read)[name], array)
    assert json.loads((tmp_path / "p.json").read_text())["arch"] == "labelmap-prior"
    codec = LabelMapCodec(tmp_path / "p.safetensors")
    labels = np.eye(20, dtype=np.uint8) * 9
    np.testing.assert_array_equal(codec.decode(codec.encode(labels)), labels)
    with pytest.raises(BitstreamError, match=f"coded with prior {digest[:4]}, this codec has no prior"):
        stream.decode(codec.encode(labels))


def test_damaged_files_are_refused(prior, tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        read_prior(tmp_path / "none")
    (tmp_path / "x").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="not readable"):
        read_prior(tmp_path / "x")
    for name, change in (
        ("table", lambda a: a[:-1]),
        ("mixer", lambda a: a.astype(np.int64)),
        ("weights_2", lambda a: a[:, :-1]),
        ("weights_2", lambda a: np.full((2000, a.shape[1]), 9, np.int16)),
        ("weights_2", lambda a: np.full_like(a, 32767)),
        ("runs", lambda a: np.full_like(a, -1)),
        ("births", lambda a: np.full_like(a, (1 << 31) - 1)),
        ("mixer", lambda a: np.full_like(a, 1 << 30)),
        ("bias_3", lambda a: None),
    ):
        arrays = pack_prior(prior)
        arrays[name] = change(arrays[name])
        with pytest.raises(WeightsError):
            unpack_prior({key: array for key, array in arrays.items() if array is not None}, b"ab")


def test_any_label_space(prior):
    """Ids that the prior never saw."""
    labels = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)
    labels[8:20] = 200
    np.testing.assert_array_equal(stream.decode(stream.encode(labels, prior), prior), labels)


def test_wrong_material(scenes):
    with pytest.raises(DataError):
        train_prior([], 1, classes=12)
    with pytest.raises(DataError):
        train_prior([np.zeros((4, 4))], 1, classes=12)
    with pytest.raises(DataError, match="no label maps"):
        collect_maps(scenes, leave_out=("scene",))
    for settings in ({"classes": 0}, {"classes": 99}, {"classes": 12, "hidden": (5000, 2)}):
        with pytest.raises(ConfigError):
            train_prior([np.zeros((40, 40), np.uint8)], 1, **settings)


def test_segmenter_of_another_label_space(scenes):
    class Other:
        label_space = type("Space", (), {"name": "other"})

    with pytest.raises(ConfigError, match="other and camvid11"):
        collect_maps(scenes, Other())


def test_segmenter_maps_join(scenes):
    class Flat:
        label_space = scenes.label_space

        def segment(self, pictures):
            return np.full(pictures.shape[:3], 4, np.uint8)

    maps = collect_maps(scenes, Flat(), leave_out=("scene_00001", "scene_00003"))
    assert len(maps) == 12 and (maps[1] == 4).all() and not (maps[0] == 4).all()


def test_command(tmp_path):
    arguments = ["labelmap-prior", str(tmp_path / "p"), "--dataset", "street_scenes_city", "--limit", "2"]
    result = CliRunner().invoke(app, [*arguments, "--segmenter", "none", "--steps", "2", "--width", "8"])
    assert result.exit_code == 0, result.output
    assert read_prior(tmp_path / "p.safetensors").classes == 21
    assert json.loads((tmp_path / "p.json").read_text())["label_space"] == "cityscapes19"
