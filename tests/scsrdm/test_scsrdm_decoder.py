"""The receiver's decoder: arrays in, arrays out, settings from the weights."""

import numpy as np
import pytest
import torch

from spic.errors import BitstreamError, ConfigError, WeightsError
from spic.scsrdm import load_checkpoint, sample, tiles
from spic.scsrdm.decoder import Decoder


@pytest.fixture(scope="module")
def decoder(tiny_decoder):
    return Decoder(tiny_decoder, "cpu", "float32")


@pytest.fixture(scope="module")
def received():
    """Three label maps with void and their coarse pictures."""
    rng = np.random.default_rng(0)
    ssm = rng.integers(12, size=(3, 4, 8), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
    return ssm, rng.integers(256, size=(3, 4, 8, 3), dtype=np.uint8)


def test_picture_is_what_the_sampler_gives(decoder, tiny_decoder, received):
    ssm, coarse = received
    pictures = decoder(ssm, coarse, [5, 6, 7])
    assert pictures.shape == (3, 16, 32, 3) and pictures.dtype == np.uint8
    model, config = load_checkpoint(tiny_decoder)
    assert decoder.sampling.to_dict() == {**config["sampling"], "guidance": 1.0}
    onehot = torch.from_numpy(np.eye(12, dtype=np.float32)[ssm].transpose(0, 3, 1, 2))
    small = torch.from_numpy(coarse.transpose(0, 3, 1, 2) / np.float32(127.5) - 1)
    x = sample(model, onehot, small, noise=[5, 6, 7], sampler="ddim", steps=3, start=100)
    expected = np.rint((x.numpy().transpose(0, 2, 3, 1) + 1) * 127.5)
    assert np.abs(pictures - expected).max() <= 1


def test_a_picture_does_not_depend_on_its_companions(decoder, received):
    ssm, coarse = received
    together = decoder(ssm, coarse, [5, 6, 7]).astype(int)
    assert np.abs(decoder(ssm[1:2], coarse[1:2], [6])[0] - together[1]).max() <= 1
    assert np.abs(decoder(ssm, coarse, [5, 6, 7], batch=2) - together).max() <= 1
    assert np.abs(decoder(ssm, coarse, [8, 6, 7])[0] - together[0]).max() > 1


def test_labels_matter(decoder, received):
    ssm, coarse = received
    other = decoder(np.zeros_like(ssm), coarse, [5, 6, 7]).astype(int)
    assert np.abs(other - decoder(ssm, coarse, [5, 6, 7])).max() > 1


def test_settings_overrule_the_checkpoint_for_one_call(decoder, received):
    plain = decoder(*received, [5, 6, 7])
    guided = decoder.sampling.merge({"steps": 2, "guidance": 1.5})
    assert guided.to_dict() == {"sampler": "ddim", "steps": 2, "start": 100, "guidance": 1.5}
    other = decoder(*received, [5, 6, 7], guided)
    assert not np.array_equal(other, plain)
    assert np.array_equal(decoder(*received, [5, 6, 7]), plain)
    assert np.array_equal(decoder(*received, [5, 6, 7], guided), other)
    with pytest.raises(ConfigError, match="'magic'"):
        decoder.sampling.merge({"sampler": "magic"})


def test_large_images_go_by_tiles_whoever_asks(decoder, received, monkeypatch):
    whole, seen = decoder(*received, [5, 6, 7]), []
    monkeypatch.setattr(tiles, "MAX_WHOLE", 100)
    condition = tiles.Tiled.condition
    monkeypatch.setattr(tiles.Tiled, "condition", lambda self, ssm: seen.append(1) or condition(self, ssm))
    assert np.array_equal(decoder(*received, [5, 6, 7]), whole) and seen  # one tile covers it all
    assert not isinstance(decoder.model, tiles.Tiled)


def test_bfloat16_is_close(tiny_decoder, decoder, received):
    half = Decoder(tiny_decoder, "cpu", "bfloat16")(*received, [5, 6, 7])
    assert np.abs(half - decoder(*received, [5, 6, 7]).astype(float)).mean() < 3


def test_foreign_ids(decoder, received):
    ssm, coarse = received
    with pytest.raises(BitstreamError, match="id 12"):
        decoder(np.maximum(ssm, 12), coarse, [5, 6, 7])


def test_missing_or_foreign_weights(tiny_segmenter, tmp_path):
    with pytest.raises(WeightsError):
        Decoder(tmp_path / "nothing", "cpu", "float32")
    with pytest.raises(WeightsError, match="no network settings"):
        Decoder(tiny_segmenter, "cpu", "float32")
