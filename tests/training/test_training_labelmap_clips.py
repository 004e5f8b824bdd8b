"""The prior of P maps: clips made of images, and what training on clips brings."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from spic.cli.train import app
from spic.cli.weights import app as weights
from spic.codecs.labelmap.clip import MapsDecoder, MapsEncoder
from spic.codecs.labelmap.prior import pack_prior, read_prior
from spic.datasets import get_dataset
from spic.errors import ConfigError, DataError, WeightsError
from spic.training.labelmap_clips import FRAMES, collect_clips, shaken, smoothed, train_after
from spic.training.labelmap_prior import write_prior


@pytest.fixture(scope="module")
def clips():
    """Four frames each of three pans, 64x128."""
    pans = get_dataset("street_pan", None, "train", None, (64, 128))
    return [np.stack([pans.labels(25 * c + i) for i in range(4)]) for c in range(3)]


@pytest.fixture(scope="module")
def prior(clips):
    return train_after(clips[:2], 60, classes=12, hidden=(16, 8))


def test_a_prior_pays_and_stays_exact(clips, prior):
    sizes = []
    for after in (None, prior):
        encoder, decoder = MapsEncoder(None, after), MapsDecoder(None, after)
        data = [encoder.encode(labels) for labels in clips[2]]
        for labels, one in zip(clips[2], data, strict=True):
            np.testing.assert_array_equal(decoder.decode(one), labels)
        sizes.append(sum(map(len, data[1:])))
    assert sizes[1] < 0.95 * sizes[0]


def test_file_round_trip(prior, tmp_path):
    digest = write_prior(tmp_path / "p", prior, {"label_space": "camvid11"})
    read = read_prior(tmp_path / "p.safetensors", after=True)
    assert read.tag.hex() == digest[:4]
    for name, array in pack_prior(prior).items():
        np.testing.assert_array_equal(pack_prior(read)[name], array)
    with pytest.raises(WeightsError):
        read_prior(tmp_path / "p.safetensors")


class Thresholds:
    """A segmenter: dark, middle or bright."""

    def segment(self, pictures):
        return (pictures.mean(axis=3) // 90).astype(np.uint8)


def test_clips_of_images():
    scenes = get_dataset("street_scenes", None, "train", 2, (32, 64))
    found, again = (collect_clips(scenes, Thresholds()) for _ in range(2))
    assert [clip.shape for clip in found] == [(FRAMES, 32, 64)] * 2 and found[0].dtype == np.uint8
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a, b)
    same = [(clip[1:] == clip[:-1]).mean() for clip in found]
    assert 0.5 < min(same) and max(same) < 1
    with pytest.raises(DataError):
        collect_clips(scenes, Thresholds(), ("scene",))


def test_the_camera_moves_and_the_image_stays_in_sight():
    image = get_dataset("street_scenes", None, "train", 1, (32, 64)).picture(0)
    frames = list(shaken(image, np.random.default_rng(0), 3))
    assert all(frame.shape == image.shape and frame.dtype == np.uint8 for frame in frames)
    assert abs(frames[0].astype(int) - image).mean() < 25
    assert abs(frames[2].astype(int) - frames[0]).mean() > 1


def test_smoothed_clips_end_one_map_earlier(clips):
    assert len(smoothed(clips[0])) == 3


@pytest.mark.slow
def test_the_command(tmp_path):
    arguments = ["labelmap-prior", str(tmp_path / "p"), "--dataset", "street_scenes", "--limit", "1", "--clips"]
    arguments += ["--steps", "3", "--width", "8", "--mixer-maps", "1", "--device", "cpu"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "p.json").read_text())["arch"] == "labelmap-after"
    assert read_prior(tmp_path / "p.safetensors", after=True).classes == 13
    done = CliRunner().invoke(weights, ["check", str(tmp_path / "p")])
    assert done.exit_code == 0 and "prior of the label-map coder" in done.output
    refused = CliRunner().invoke(app, [*arguments, "--segmenter", "none"])
    assert isinstance(refused.exception, ConfigError) or "segmenter" in refused.output


def test_wrong_material(clips):
    for wrong in ([], [clips[0][:2]], [clips[0].astype(int)], [clips[0][0]]):
        with pytest.raises(DataError):
            train_after(wrong, 3, classes=12)
    with pytest.raises(ConfigError):
        train_after(clips, 0, classes=12)
