"""Colour, hatching, grid and texture against loops over pixels, and on images that are known to be wrong."""

import numpy as np
import pytest

from spic.datasets import get_dataset
from spic.metrics import appearance as measure
from spic.metrics.columns import column
from spic.metrics.observations import Sample
from spic.metrics.statistics import Evidence
from spic.pictures.labels import CAMVID11, CITYSCAPES19

SEE = measure.APPEARANCE.build(None, "cpu")


def columns(pairs, names):
    """Values of columns over a set of (decoded, original, truth)."""
    rows = [SEE(Sample(decoded, original, truth=truth, truth_space=CAMVID11)) for decoded, original, truth in pairs]
    scores = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    evidence = Evidence({"names": np.arange(len(rows)), **scores}, {}, {})
    return {name: column(name).value(evidence, column(name).needs) for name in names}


@pytest.fixture(scope="module")
def streets():
    data = get_dataset("street_scenes", None, "val", 2)
    return [(data.picture(i), data.labels(i)) for i in range(2)]


def test_against_loops_over_pixels():
    rng = np.random.default_rng(0)
    decoded, original = rng.integers(256, size=(2, 9, 11, 3), dtype=np.uint8)
    truth = rng.integers(12, size=(9, 11), dtype=np.uint8)
    kr, kg, kb = 0.299, 0.587, 0.114

    def planes(image):
        r, g, b = np.moveaxis(image.astype(float), 2, 0)
        return kr * r + kg * g + kb * b, -0.169 * r - 0.331 * g + 0.5 * b, 0.5 * r - 0.419 * g - 0.081 * b

    def laplacian(x, i, j):
        return abs(4 * x[i, j] - x[i - 1, j] - x[i + 1, j] - x[i, j - 1] - x[i, j + 1])

    (y, cb, cr), (y0, cb0, cr0) = planes(decoded), planes(original)
    objects = [CAMVID11.id(name) for name in ("sign", "pedestrian", "bicyclist")]
    every = [(i, j) for i in range(9) for j in range(11) if truth[i, j] in objects]
    inner = [(i, j) for i, j in every if 0 < i < 8 and 0 < j < 10]
    road = [(i, j) for i in range(1, 9) for j in range(1, 11) if truth[i, j] == CAMVID11.id("road")]
    places = np.zeros((4, 4))
    for i in range(4):  # whole blocks of the inner 7x9
        for j in range(8):
            places[i, j % 4] += laplacian(y, i + 1, j + 1)
    weights = np.outer((1, 2, 2, 2, 1), (1, 2, 2, 2, 1)) / 64
    details = np.array(
        [[y[i, j] - (weights * y[i - 2 : i + 3, j - 2 : j + 3]).sum() for j in range(2, 6)] for i in range(2, 6)]
    )
    expected = {
        "pattern4": details.std() / abs(details).mean(),
        "colour_error": np.mean([(abs(cb[p] - cb0[p]) + abs(cr[p] - cr0[p])) / 2 for p in every]),
        "hatching": sum(laplacian(cb, *p) + laplacian(cr, *p) for p in inner)
        / sum(laplacian(cb0, *p) + laplacian(cr0, *p) for p in inner),
        "texture_road": sum(abs(y[i, j] - y[i, j - 1]) + abs(y[i, j] - y[i - 1, j]) for i, j in road)
        / sum(abs(y0[i, j] - y0[i, j - 1]) + abs(y0[i, j] - y0[i - 1, j]) for i, j in road),
        "grid4": (places.max() - places.min()) / places.mean(),
    }
    found = columns([(decoded, original, truth)], expected)
    assert {name: pytest.approx(value, rel=1e-4) for name, value in expected.items()} == found


def test_the_original_itself_is_right(streets):
    names = ["colour_error", "hatching", "hatching_tree", "texture_road", "texture_tree", "texture_building"]
    found = columns([(image, image, labels) for image, labels in streets], names)
    assert found == {**dict.fromkeys(names, 1.0), "colour_error": 0.0}


def test_sums_of_a_set_add_up(streets):
    """A class that is large in one image and small in another counts by its pixels."""
    (image, labels), _ = streets
    half = image // 2
    alone = columns([(half, image, labels)], ["texture_road"])["texture_road"]
    both = columns([(half, image, labels), (image, image, labels)], ["texture_road"])["texture_road"]
    assert both == pytest.approx((alone + 1) / 2, rel=1e-6)


def test_known_faults_are_seen(streets):
    """Blur lacks texture, noise has too much of it and hatches colours, blocks show as a grid."""
    rng = np.random.default_rng(0)
    blurred, noisy, blocks = [], [], []
    for image, labels in streets:
        small = image.reshape(64, 4, 128, 4, 3).mean((1, 3))
        big = small.repeat(4, 0).repeat(4, 1)
        smooth = (big + np.roll(big, 2, 0) + np.roll(big, 2, 1) + np.roll(big, (2, 2), (0, 1))) / 4
        smooth = (smooth + np.roll(smooth, 1, 0) + np.roll(smooth, 1, 1)) / 3
        blurred.append((smooth.astype(np.uint8), image, labels))
        noise = rng.normal(0, 12, image.shape)
        noisy.append(((smooth + noise).clip(0, 255).astype(np.uint8), image, labels))
        blocks.append((big.astype(np.uint8), image, labels))
    textures = ["texture_road", "texture_building", "texture_tree"]
    assert max(columns(blurred, textures).values()) < 0.7
    assert columns(noisy, ["texture_road"])["texture_road"] > 1.5
    assert columns(noisy, ["hatching"])["hatching"] > 2 > 1 > columns(blurred, ["hatching"])["hatching"]
    originals = columns([(image, image, labels) for image, labels in streets], ["grid4"])["grid4"]
    assert columns(blocks, ["grid4"])["grid4"] > 1 > 0.2 > originals


def test_a_comb_is_a_pattern_and_no_grid(streets):
    """Every fourth column brighter, in all images: `grid4` sees little of it. Noise and other periods are none."""
    rng = np.random.default_rng(0)

    def pattern(add):
        changed = [((image / 2 + 60 + add(image.shape)).astype(np.uint8), image, labels) for image, labels in streets]
        return columns(changed, ["pattern4", "grid4"])

    comb = pattern(lambda shape: 2 * np.cos(np.pi / 2 * np.arange(shape[1]))[:, None])
    still = [pattern(lambda shape: 0), pattern(lambda shape: rng.normal(0, 10, shape))]
    other = pattern(lambda shape: 2 * np.cos(np.pi / 3 * np.arange(shape[1]))[:, None])
    assert comb["pattern4"] > 0.3 > 0.1 > comb["grid4"] and 0.04 > max(values["pattern4"] for values in (*still, other))


def test_label_spaces_without_such_classes(streets):
    image, labels = streets[0]
    groups = measure.group_map(np.arange(20, dtype=np.uint8), CITYSCAPES19)
    sidewalk = list(measure.GROUPS).index("pavement")
    assert groups[CITYSCAPES19.id("sidewalk")] == sidewalk and groups[CITYSCAPES19.void] == len(measure.GROUPS)
    found = columns([(image, image, np.full_like(labels, CAMVID11.void))], ["colour_error", "texture_road"])
    assert all(np.isnan(value) for value in found.values())


def test_without_ground_truth_the_ssm_counts(streets):
    image, labels = streets[0]
    one = SEE(Sample(image, image, truth=labels, truth_space=CAMVID11))
    other = SEE(Sample(image, image, ssm=labels, space=CAMVID11))
    assert np.array_equal(one["appearance"], other["appearance"])
