import numpy as np
import pytest

from spic.errors import ConfigError, DataError
from spic.metrics import person_classes, recall, small_classes, small_objects
from spic.pictures.labels import CAMVID11, LabelSpace

VOID = 11


def scene(*objects, size=(64, 96)):
    """A map of class 0 with rectangles (class, top, left, height, width)."""
    labels = np.zeros(size, np.uint8)
    for class_id, top, left, height, width in objects:
        labels[top : top + height, left : left + width] = class_id
    return labels


def flood_fill_counts(reference, found, classes):
    """The definition spelled out: walk each component pixel by pixel."""
    counts = np.zeros((3, 2), int)
    seen = np.zeros(reference.shape, bool)
    for start in np.ndindex(reference.shape):
        if seen[start] or reference[start] not in classes:
            continue
        stack, pixels = [start], []
        seen[start] = True
        while stack:
            y, x = stack.pop()
            pixels.append((y, x))
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                inside = 0 <= near[0] < reference.shape[0] and 0 <= near[1] < reference.shape[1]
                if inside and not seen[near] and reference[near] == reference[start]:
                    seen[near] = True
                    stack.append(near)
        if len(pixels) >= 8:
            size_class = 0 if len(pixels) < 64 else 1 if len(pixels) <= 256 else 2
            kept = sum(found[pixel] == reference[start] for pixel in pixels)
            counts[size_class] += [kept * 2 >= len(pixels), 1]
    return counts


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_a_flood_fill(seed):
    random = np.random.default_rng(seed)
    grain = 2 + 4 * (seed % 2)
    coarse = random.choice([0, 1, 2, 9, VOID], (2, 60 // grain, 84 // grain), p=[0.5, 0.15, 0.15, 0.15, 0.05])
    reference, other = np.kron(coarse, np.ones((grain, grain))).astype(np.uint8)
    found = np.where(random.random(reference.shape) < 0.55, reference, other)
    counts = small_objects(reference, found, [1, 2, 9], void=VOID)
    assert counts.dtype == np.int64 and counts[:, 1].sum() > 5
    assert counts.tolist() == flood_fill_counts(reference, found, [1, 2, 9]).tolist()


def test_identical_maps_lose_nothing_and_an_empty_map_finds_nothing():
    labels = scene((9, 5, 5, 4, 3), (9, 20, 20, 10, 10), (10, 40, 40, 20, 20))
    counts = small_objects(labels, labels, [9, 10], void=VOID)
    assert counts.tolist() == [[1, 1], [1, 1], [1, 1]]
    assert recall(counts).tolist() == [1, 1, 1]
    lost = small_objects(labels, scene(), [9, 10], void=VOID)
    assert lost.tolist() == [[0, 1], [0, 1], [0, 1]] and recall(lost).tolist() == [0, 0, 0]
    assert small_objects(labels, np.full_like(labels, VOID), [9, 10], void=VOID)[:, 0].tolist() == [0, 0, 0]


def test_limits_of_the_size_classes():
    labels = scene((9, 0, 0, 1, 7), (9, 5, 0, 1, 8), (9, 10, 0, 7, 9), (9, 20, 0, 8, 8), (9, 30, 0, 16, 16))
    assert small_objects(labels, labels, [9], void=VOID)[:, 1].tolist() == [2, 2, 0]  # 7 is too small; 8, 63 / 64, 256
    labels[46, 0] = 9
    assert small_objects(labels, labels, [9], void=VOID)[:, 1].tolist() == [2, 1, 1]  # 257


def test_half_of_the_pixels_are_enough_and_must_keep_the_class():
    labels = scene((9, 0, 0, 4, 4))
    half, less, renamed = labels.copy(), labels.copy(), np.where(labels == 9, 10, labels).astype(np.uint8)
    half[:2] = 0
    less[:2] = 0
    less[2, 0] = 0
    for found, expected in ((half, 1), (less, 0), (renamed, 0)):
        assert small_objects(labels, found, [9, 10], void=VOID)[0].tolist() == [expected, 1]
    moved = scene((9, 4, 4, 4, 4))
    assert small_objects(labels, moved, [9], void=VOID)[0].tolist() == [0, 1]


def test_corners_connect_and_classes_do_not():
    diagonal = scene((9, 0, 0, 3, 3), (9, 3, 3, 3, 3))
    assert small_objects(diagonal, diagonal, [9], void=VOID)[:, 1].tolist() == [1, 0, 0]
    touching = scene((9, 0, 0, 3, 3), (10, 0, 3, 3, 3))
    assert small_objects(touching, touching, [9, 10], void=VOID)[:, 1].tolist() == [2, 0, 0]
    assert small_objects(touching, touching, [10], void=VOID)[:, 1].tolist() == [1, 0, 0]


def test_recall_of_sums():
    counts = np.array([[[1, 2], [0, 0], [3, 3]], [[0, 2], [0, 0], [0, 1]]])
    by_size = recall(counts.sum(axis=0))
    assert by_size[[0, 2]].tolist() == [0.25, 0.75] and np.isnan(by_size[1])
    assert recall(counts.sum(axis=(0, 1))) == 0.5
    for bad in (np.zeros((2, 3)), np.zeros(())):
        with pytest.raises(DataError):
            recall(bad)


def test_classes_of_a_label_space():
    assert [CAMVID11.classes[i] for i in small_classes(CAMVID11)] == ["pole", "sign", "pedestrian", "bicyclist"]
    assert [CAMVID11.classes[i] for i in person_classes(CAMVID11)] == ["pedestrian", "bicyclist"]
    cityscapes = LabelSpace("city", ("road", "pole", "traffic sign", "person", "rider"), ((0, 0, 0),) * 5, 255)
    assert small_classes(cityscapes) == [1, 2, 3, 4] and person_classes(cityscapes) == [3, 4]
    with pytest.raises(ConfigError, match="none of"):
        small_classes(LabelSpace("sea", ("water",), ((0, 0, 0),), 1))


def test_bad_maps_and_classes_are_refused():
    good = scene()
    for bad in (good[0], good.astype(int), good[None]):
        with pytest.raises(DataError, match="uint8"):
            small_objects(bad, good, [1], void=VOID)
        with pytest.raises(DataError, match="uint8"):
            small_objects(good, bad, [1], void=VOID)
    with pytest.raises(DataError, match="different shape"):
        small_objects(good, good[:-1], [1], void=VOID)
    for classes in ([], [VOID], [1, 1], [-1], [256]):
        with pytest.raises(ConfigError):
            small_objects(good, good, classes, void=VOID)
