"""Where to look: windows and pictures with the most small objects."""

import numpy as np

from spic.pictures.labels import CAMVID11, LabelSpace
from spic.report.figures.shown import most_objects, zoom_box, zoom_classes

PEDESTRIAN, POLE = CAMVID11.id("pedestrian"), CAMVID11.id("pole")


def street(*persons):
    """A map with a person of 6x3 pixels at each (row, column)."""
    labels = np.zeros((64, 128), np.uint8)
    for row, column in persons:
        labels[row : row + 6, column : column + 3] = PEDESTRIAN
    return labels


def test_zoom_box_holds_most_small_objects():
    labels = np.zeros((64, 128), np.uint8)
    assert zoom_box(labels, [9], (16, 32)) == (24, 48)  # nothing to see: the middle
    labels[40:44, 10:13] = 9
    labels[44:50, 100:104] = 9
    labels[50:54, 110:113] = 10
    labels[5:30, 40:80] = 8  # large, and not asked for
    labels[0, 0] = 9  # fewer than 8 pixels
    top, left = zoom_box(labels, [9, 10], (16, 32))
    assert top <= 44 and top + 16 >= 54 and left <= 100 and left + 32 >= 113
    assert zoom_box(labels, [9], (64, 128)) == (0, 0)


def test_pictures_with_most_objects_come_from_all_over_the_clip():
    maps = [street((30, 20))] * 2 + [street((30, 20), (30, 30))] * 2 + [street(), street()]
    assert most_objects(maps, [PEDESTRIAN], 3) == [2, 0, 4]
    assert most_objects(maps, [PEDESTRIAN], 1) == [2]
    assert most_objects(maps[:2], [PEDESTRIAN], 3) == [0, 1]
    assert most_objects([street()], [], 3) == [0]


def test_objects_spread_too_far_for_one_window_count_less():
    near, far = street((30, 20), (30, 30)), street((2, 2), (55, 120), (2, 120))
    assert most_objects([far, near], [PEDESTRIAN], 1) == [1]


def test_persons_come_before_other_small_objects():
    assert zoom_classes(CAMVID11, [street((1, 1))]) == [PEDESTRIAN, CAMVID11.id("bicyclist")]
    assert POLE in zoom_classes(CAMVID11, [street()])
    assert zoom_classes(LabelSpace("field", ("grass",), ((0, 255, 0),), 1), [street()]) == []
