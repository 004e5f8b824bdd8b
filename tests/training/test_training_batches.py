"""Batches of crops for the decoder: crops that belong together, shares that are kept, the same step the same batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spic.codecs import get_codec
from spic.errors import ConfigError, DataError
from spic.pictures.labels import one_hot
from spic.pictures.sizes import downscale
from spic.segmentation import get_segmenter
from spic.training.batches import Batches, Coded, Lights, predicted_maps, scene_odds

WINDOW = (16, 32)


@pytest.fixture(scope="module")
def noisy(coded_pack):
    """The pack with images of noise, so that every crop has one place, and coarse images that say their QP."""
    rng = np.random.default_rng(0)
    labels = rng.integers(12, size=coded_pack.labels.shape, dtype=np.uint8)
    images = rng.integers(256, size=coded_pack.pictures.shape, dtype=np.uint8)
    coarse = {qp: np.full_like(images_at, qp) for qp, images_at in coded_pack.coarse.items()}
    return replace(coded_pack, pictures=images, labels=labels, coarse=coarse)


def pixels(x):
    """uint8 (N, H, W, C) of a batch's tensor."""
    return ((x + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def places(images, crops):
    """(image, top, left, flipped) of each crop, by looking for its first pixel everywhere."""
    height, width = crops.shape[1:3]
    found = []
    for crop in crops:
        hits = []
        for flipped, plain in ((False, crop), (True, crop[:, ::-1])):
            for i, top, left in np.argwhere((images == plain[0, 0]).all(-1)):
                if np.array_equal(images[i, top : top + height, left : left + width], plain):
                    hits.append((i, top, left, flipped))
        (hit,) = hits
        found.append(hit)
    return found


def test_all_crops_show_the_same_place(noisy):
    batch = Batches(noisy, None, WINDOW, 12, lights=0).draw(16, np.random.default_rng(1))
    images = pixels(batch.images)
    at = places(noisy.pictures, images)
    assert {flipped for *_, flipped in at} == {False, True} and {i for i, *_ in at} == {0, 1}
    assert len({top for _, top, *_ in at}) > 4 and all(top % 4 == 0 and left % 4 == 0 for _, top, left, _ in at)
    for (i, top, left, flipped), labels in zip(at, batch.labels, strict=True):
        expected = noisy.labels[i, top : top + 16, left : left + 32][:, :: -1 if flipped else 1]
        assert np.array_equal(labels.numpy(), expected)
    assert torch.equal(batch.ssm, one_hot(batch.labels, 12)) and batch.labels.dtype == torch.int64
    uncoded = 0
    for image, coarse in zip(images, pixels(batch.coarse), strict=True):
        if len(np.unique(coarse)) > 1:  # as it was before coding
            assert np.array_equal(coarse, downscale(image))
            uncoded += 1
        else:
            assert coarse.flat[0] in noisy.coarse
    assert 1 <= uncoded < 12


def test_shapes_and_ranges(coded_pack):
    batch = Batches(coded_pack, None, WINDOW, 12).draw(3, np.random.default_rng(1))
    assert batch.images.shape == (3, 3, 16, 32) and batch.coarse.shape == (3, 3, 4, 8)
    assert batch.ssm.shape == (3, 12, 16, 32) and batch.labels.shape == (3, 16, 32)
    for x in (batch.images, batch.ssm, batch.coarse):
        assert x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)
        assert -1 <= x.min() and x.max() <= 1


def test_the_same_generator_draws_the_same_batch(coded_pack):
    one, two = (Batches(coded_pack, coded_pack.labels, WINDOW, 12) for _ in range(2))
    one.draw(5, np.random.default_rng(8))  # what came before has no say
    first, second = (each.draw(5, np.random.default_rng(3)) for each in (one, two))
    for name in ("images", "labels", "ssm", "coarse"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    other = two.draw(5, np.random.default_rng(4))
    assert not torch.equal(first.images, other.images)


def test_lights_change_image_and_coarse_image_alike(coded_pack):
    """The same gamma, gain, tint and saturation for both, none for the labels."""
    flat = np.empty_like(coded_pack.pictures)
    flat[:] = [200, 120, 60]
    flat[1] = [40, 90, 180]
    coarse = dict.fromkeys(coded_pack.coarse, flat[:, ::4, ::4])
    source = replace(coded_pack, pictures=flat, coarse=coarse)
    plain, lit = (Batches(source, None, WINDOW, 12, lights=share) for share in (0, 0.5))
    before, after = (each.draw(40, np.random.default_rng(2)) for each in (plain, lit))
    assert torch.equal(before.labels, after.labels)
    assert torch.allclose(after.images[..., ::4, ::4], after.coarse, atol=1e-6)
    changed = (after.images - before.images).abs().amax((1, 2, 3)) > 1e-3
    assert 10 < changed.sum() < 30
    assert torch.equal(before.images[~changed], after.images[~changed])
    brightness = (after.images - before.images).mean((1, 2, 3))[changed]
    assert (brightness < 0).float().mean() > 0.6  # mostly darker


def test_other_lights_against_numpy():
    crops = np.random.default_rng(5).integers(256, size=(3, 4, 6, 3), dtype=np.uint8)
    light = Lights.draw(3, 1.0, np.random.default_rng(6), "cpu")
    rng = np.random.default_rng(6)
    rng.random(3)
    gamma, gain = 0.4 + 1.9 * rng.random(3), 0.3 + 0.75 * rng.random(3)
    tint = np.exp(0.12 * rng.standard_normal((3, 3))) * gain[:, None]
    saturation = 0.3 + 0.9 * rng.random(3)
    # What becomes of a middle grey says how dark a crop is; up to that share of it is blurred by 1 2 1 both ways.
    soft = np.maximum(0, 1 - gain * 0.5**gamma / 0.5) * rng.random(3)
    assert soft.max() > 0.1
    images, coarse = (of(torch.from_numpy(crops)).permute(0, 2, 3, 1).numpy() for of in (light.images, light.coarse))
    assert np.array_equal(light[1:2].images(torch.from_numpy(crops[1:2])).permute(0, 2, 3, 1).numpy()[0], images[1])
    for i, crop in enumerate(crops):
        y = tint[i] * np.maximum(crop / 255, 1e-4) ** gamma[i]
        mean = y.mean(-1, keepdims=True)
        expected = np.clip(mean + (y - mean) * saturation[i], 0, 1) * 2 - 1
        assert np.allclose(coarse[i], expected, atol=1e-5)
        around = np.pad(expected, ((1, 1), (1, 1), (0, 0)), mode="edge")
        blurred = sum(
            (2 - abs(a - 1)) * (2 - abs(b - 1)) / 16 * around[a : a + 4, b : b + 6] for a in range(3) for b in range(3)
        )
        assert np.allclose(images[i], expected + soft[i] * (blurred - expected), atol=1e-5)


def test_coded_as_a_transmitter_does(coded_pack):
    """By day the coarse image is BPG's of the image; in another light that light is there before coding."""
    codec = get_codec("bpg")

    def versions(image, qps):
        return [codec.decode(codec.encode(downscale(image), qp, chroma)) for qp in qps for chroma in ("420", "444")]

    plain = Coded(coded_pack, 2, qps=(30, 30), lights=0.0)
    seen = {
        [np.array_equal(plain.coarse[copy, i], each) for each in versions(image, [30])].index(True)
        for i, image in enumerate(coded_pack.pictures)
        for copy in range(2)
    }
    assert seen == {0, 1}  # of both colour formats
    lit = Coded(coded_pack, 2, qps=(24, 26), lights=1.0, seed=3)
    for place in range(2 * len(coded_pack)):
        copy, i = divmod(place, len(coded_pack))
        image = pixels(lit.lights[[place]].images(torch.from_numpy(coded_pack.pictures[i][None])))[0]
        assert np.abs(image.astype(int) - coded_pack.pictures[i]).mean() > 1
        assert any(np.array_equal(lit.coarse[copy, i], each) for each in versions(image, (24, 25, 26)))
    assert np.array_equal(lit.coarse, Coded(coded_pack, 2, qps=(24, 26), lights=1.0, seed=3).coarse)
    for wrong in ({"copies": 0}, {"qps": (30, 20)}, {"qps": (20, 52)}):
        with pytest.raises(ConfigError, match="QPs"):
            Coded(coded_pack, **wrong)


def test_crops_of_coded_images_keep_their_light(noisy):
    """Image and coarse image of a crop are of one copy, at one place, in its light; the pack needs none itself."""
    coded = Coded(noisy, 3, lights=0.5)
    rng = np.random.default_rng(4)
    coded.coarse[:] = rng.integers(256, size=coded.coarse.shape)
    batch = Batches(replace(noisy, coarse={}, coded=coded), None, WINDOW, 12).draw(24, np.random.default_rng(2))
    at = places(coded.coarse.reshape(-1, *coded.coarse.shape[2:]), pixels(batch.coarse))
    assert len({copy for copy, *_ in at}) > 3
    for (copy, top, left, flipped), image, labels in zip(at, batch.images, batch.labels, strict=True):
        there = (slice(4 * top, 4 * top + WINDOW[0]), slice(4 * left, 4 * left + WINDOW[1]))
        turn = (slice(None), slice(None, None, -1 if flipped else 1))
        assert np.array_equal(labels.numpy(), noisy.labels[copy % len(noisy)][there][turn])
        crop = torch.from_numpy(noisy.pictures[copy % len(noisy)][there][turn].copy()[None])
        assert torch.allclose(image, coded.lights[[copy]].images(crop)[0], atol=1e-6)


def test_predicted_maps_are_most_of_the_ssms(coded_pack):
    predicted = np.full_like(coded_pack.labels, 5)
    batch = Batches(replace(coded_pack, labels=predicted + 1), predicted, WINDOW, 12).draw(
        200, np.random.default_rng(0)
    )
    seen = batch.labels[:, 0, 0]
    assert set(seen.tolist()) == {5, 6} and (seen == 5).float().mean() == pytest.approx(0.65, abs=0.1)


@pytest.mark.parametrize(
    ("sources", "odds"),
    [
        (["a", "street_scenes", "b", "street_scenes"], [0.44, 0.06, 0.44, 0.06]),
        (["a", "b"], [0.5, 0.5]),
        (["street_scenes"] * 2, [0.5, 0.5]),
    ],
)
def test_odds_of_drawn_scenes(sources, odds):
    assert scene_odds(sources, 0.12) == pytest.approx(odds)


def test_packs_that_do_not_do(coded_pack):
    with pytest.raises(DataError, match="coarse images"):
        Batches(replace(coded_pack, coarse={}), None, WINDOW, 12)
    with pytest.raises(DataError, match="256x128; the pack's images are smaller"):
        Batches(coded_pack, None, (128, 256), 12)
    with pytest.raises(DataError, match="predicted maps"):
        Batches(coded_pack, coded_pack.labels[:1], WINDOW, 12)
    with pytest.raises(ConfigError, match="multiples of 4"):
        Batches(coded_pack, None, (18, 32), 12)


def test_maps_as_the_transmitter_makes_them(coded_pack, tiny_segmenter):
    maps = predicted_maps(coded_pack, tiny_segmenter, "cpu")
    assert np.array_equal(maps, get_segmenter("street", tiny_segmenter, "cpu", "float32").segment(coded_pack.pictures))
    with pytest.raises(DataError, match="a segmenter of camvid11; the pack is of cityscapes19"):
        predicted_maps(replace(coded_pack, label_space="cityscapes19"), tiny_segmenter, "cpu")
