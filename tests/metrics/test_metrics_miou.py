import math

import numpy as np
import pytest
from sklearn import metrics as reference

from spic.errors import ConfigError, DataError
from spic.metrics import (
    bpp,
    confusion_matrix,
    iou_per_class,
    mean_iou,
    miou_image,
    miou_of_maps,
    miou_per_picture,
    pixel_accuracy,
)
from spic.pictures.labels import CAMVID11

CLASSES, VOID = 11, 11


def random_maps(seed, shape=(3, 24, 40), void_share=0.1):
    random = np.random.default_rng(seed)
    maps = random.integers(0, CLASSES, (2, *shape)).astype(np.uint8)
    maps[0] = np.where(random.random(shape) < 0.5, maps[1], maps[0])
    maps[0][random.random(shape) < void_share] = VOID
    return maps


@pytest.mark.parametrize("seed", range(3))
def test_confusion_matrix_and_scores_agree_with_scikit_learn(seed):
    ours, theirs = random_maps(seed)
    confusion = confusion_matrix(ours, theirs, CLASSES, VOID)
    counted = ours != VOID
    truth, guess = ours[counted], theirs[counted]
    labels = list(range(CLASSES))
    assert confusion.dtype == np.int64
    assert (confusion[:, :CLASSES] == reference.confusion_matrix(truth, guess, labels=labels)).all()
    assert (confusion[:, CLASSES] == 0).all()
    np.testing.assert_allclose(iou_per_class(confusion), reference.jaccard_score(truth, guess, average=None))
    assert mean_iou(confusion) == pytest.approx(reference.jaccard_score(truth, guess, average="macro"))
    assert pixel_accuracy(confusion) == pytest.approx(reference.accuracy_score(truth, guess))


def test_void_in_the_other_map_is_a_miss_and_no_false_alarm():
    ours = np.array([[0, 0, 1, 1]], np.uint8)
    theirs = np.array([[0, 255, 1, 1]], np.uint8)
    confusion = confusion_matrix(ours, theirs, 2, 255)
    assert confusion.tolist() == [[1, 0, 1], [0, 2, 0]]
    assert iou_per_class(confusion).tolist() == [0.5, 1.0]
    assert pixel_accuracy(confusion) == 0.75
    everywhere = np.full_like(ours, 255)
    assert mean_iou(confusion_matrix(ours, everywhere, 2, 255)) == 0.0


def test_pixels_that_are_void_in_the_reference_do_not_count():
    ours = np.array([[0, 9, 9, 1]], np.uint8)
    theirs = np.array([[0, 1, 0, 1]], np.uint8)
    confusion = confusion_matrix(ours, theirs, 2, 9)
    assert confusion.sum() == 2
    assert mean_iou(confusion) == 1.0


def test_identical_maps_score_one():
    labels = random_maps(5)[0]
    confusion = confusion_matrix(labels, labels, CLASSES, VOID)
    assert mean_iou(confusion) == mean_iou(confusion, absent="zero") == pixel_accuracy(confusion) == 1.0


def test_maps_are_compared_in_their_label_space():
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 12, (2, 3, 8, 9), np.uint8)  # 11 is the void of CamVid's 11 classes
    counted = a != 11
    expected = reference.jaccard_score(a[counted], b[counted], labels=range(11), average="macro")
    assert miou_of_maps(a, b, CAMVID11) == pytest.approx(expected)
    assert miou_of_maps(a[0], b[0], CAMVID11) == miou_per_picture([confusion_matrix(a[0], b[0], 11, 11)])[0]
    with pytest.raises(DataError):
        miou_of_maps(a, b + 9, CAMVID11)


def test_absent_classes_are_skipped_or_count_zero():
    labels = np.array([[0, 0, 2, 2]], np.uint8)
    confusion = confusion_matrix(labels, labels, 4, 4)
    assert np.isnan(iou_per_class(confusion)).tolist() == [False, True, False, True]
    assert mean_iou(confusion) == 1.0
    assert mean_iou(confusion, absent="zero") == 0.5
    # a class that only the other map has is present: its union is above 0 and its IoU is 0
    other = np.array([[0, 0, 2, 1]], np.uint8)
    assert mean_iou(confusion_matrix(labels, other, 4, 4)) == pytest.approx((1 + 0.5 + 0) / 3)


def test_confusions_of_chunks_add_up():
    ours, theirs = random_maps(7)
    total = sum(confusion_matrix(a, b, CLASSES, VOID) for a, b in zip(ours, theirs, strict=True))
    assert (total == confusion_matrix(ours, theirs, CLASSES, VOID)).all()


def test_miou_image_averages_pictures_over_the_classes_present_in_each():
    first = confusion_matrix(np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 0, 1, 0]], np.uint8), 3, 3)
    second = confusion_matrix(np.array([[2, 2, 2, 2]], np.uint8), np.array([[2, 2, 2, 2]], np.uint8), 3, 3)
    iou0, iou1 = 2 / 3, 1 / 2
    assert miou_image([first, second]) == pytest.approx(((iou0 + iou1) / 2 + 1) / 2)
    assert miou_image([first, second], classes=[1, 2]) == pytest.approx((iou1 + 1) / 2)
    assert miou_image([first, second], classes=[1]) == pytest.approx(iou1)  # the second picture has none of them
    assert miou_image(np.stack([first, second])) == miou_image([first, second])


@pytest.mark.parametrize("seed", range(3))
def test_miou_image_is_scikit_learns_jaccard_score_picture_by_picture(seed):
    ours, theirs = random_maps(seed, shape=(5, 6, 7))
    confusions = [confusion_matrix(a, b, CLASSES, VOID) for a, b in zip(ours, theirs, strict=True)]
    interest = [2, 6, 9, 10]
    expected = []
    for a, b in zip(ours, theirs, strict=True):
        a, b = a[a != VOID], b[a != VOID]
        present = [c for c in interest if c in a or c in b]
        expected.append(reference.jaccard_score(a, b, labels=present, average="macro"))
    np.testing.assert_allclose(miou_per_picture(confusions, interest), expected)
    assert miou_image(np.stack(confusions), interest) == pytest.approx(np.mean(expected))


def test_an_empty_class_changes_the_means_as_documented():
    """Class 2 occurs in neither map: "skip" leaves it out, "zero" counts it as 0, in a set and in a picture."""
    ours, theirs = np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 0, 1, 0]], np.uint8)
    two, three = (confusion_matrix(ours, theirs, classes, classes) for classes in (2, 3))
    present = (2 / 3 + 1 / 2) / 2
    assert mean_iou(two) == mean_iou(three) == mean_iou(two, "zero") == pytest.approx(present)
    assert mean_iou(three, "zero") == pytest.approx(present * 2 / 3)
    assert miou_image([three]) == pytest.approx(present)
    assert miou_image([three], absent="zero") == pytest.approx(present * 2 / 3)
    assert miou_image([three], classes=[1, 2], absent="zero") == pytest.approx(1 / 4)
    for absent in ("skip", "zero"):  # a picture without any of them has nothing to judge
        assert np.isnan(miou_per_picture([three, three], [2], absent)).all()
        assert miou_per_picture([three, three], [0], absent) == pytest.approx([2 / 3, 2 / 3])


def test_nothing_to_count_gives_nan():
    void = np.full((2, 3), VOID, np.uint8)
    confusion = confusion_matrix(void, void, CLASSES, VOID)
    assert math.isnan(mean_iou(confusion)) and math.isnan(pixel_accuracy(confusion)) and math.isnan(miou_image([]))
    assert mean_iou(confusion, absent="zero") == 0.0


def test_bad_maps_are_refused():
    good = np.zeros((4, 4), np.uint8)
    with pytest.raises(DataError, match="different shape"):
        confusion_matrix(good, good[:3], CLASSES, VOID)
    with pytest.raises(DataError, match="uint8"):
        confusion_matrix(good.astype(int), good, CLASSES, VOID)
    with pytest.raises(DataError, match="uint8"):
        confusion_matrix(good[0], good[0], CLASSES, VOID)
    with pytest.raises(DataError, match="other map: id 12"):
        confusion_matrix(good, good + 12, CLASSES, VOID)
    with pytest.raises(DataError, match="reference map: id 12"):
        confusion_matrix(good + 12, good, CLASSES, VOID)


@pytest.mark.parametrize(("classes", "void"), [(0, 3), (5, 4), (5, 256)])
def test_impossible_label_spaces_are_refused(classes, void):
    with pytest.raises(ConfigError):
        confusion_matrix(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), classes, void)


def test_bad_confusions_and_options_are_refused():
    for bad in (np.zeros((3, 5), int), np.zeros(3, int), np.zeros((0, 0), int), -np.ones((2, 2), int)):
        with pytest.raises(DataError):
            iou_per_class(bad)
    with pytest.raises(ConfigError, match="absent"):
        mean_iou(np.eye(3, dtype=int), absent="one")
    with pytest.raises(ConfigError, match="absent"):
        miou_image([np.eye(3, dtype=int)], absent="one")
    with pytest.raises(DataError, match="one shape"):
        miou_image([np.eye(3, dtype=int), np.eye(4, dtype=int)])
    for classes in ([3], [-1], [], [1, 1]):
        with pytest.raises(ConfigError, match="classes of interest"):
            miou_image([np.eye(3, dtype=int)], classes=classes)


def test_bits_per_pixel():
    assert bpp(256 * 512 // 8, 256, 512) == 1.0
    assert bpp(0, 256, 512) == 0.0
    for bad in ((-1, 2, 2), (1, 0, 2), (1, 2, -2)):
        with pytest.raises(DataError):
            bpp(*bad)
