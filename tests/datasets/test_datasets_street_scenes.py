"""Procedural scenes: reproducible to the last bit, valid and complete labels, any size."""

import hashlib

import numpy as np
import pytest

from spic.datasets import get_dataset
from spic.datasets.street_scenes.canvas import FLAT, Canvas
from spic.datasets.street_scenes.classes import ids_in
from spic.datasets.street_scenes.dice import Dice
from spic.datasets.street_scenes.scene import draw_scene
from spic.errors import ConfigError
from spic.pictures.labels import CAMVID11, CITYSCAPES19

# Weights are trained and tables published on these very pixels, so a scene must come out the same on every machine
# and in every release. A new digest here means a new data set: retrain, and say so in the change log.
DIGEST = "12e82f7c054c57bfb2abd6b1049cd3b37129c1cc7d941ee4a56f77e4f826fa8b"


@pytest.fixture(scope="module")
def scenes():
    data = get_dataset("street_scenes", split="val", limit=20)
    return [(data.picture(i), data.labels(i)) for i in range(len(data))]


def test_one_scene_is_pinned_to_the_bit():
    picture, labels = draw_scene(0, 17, (256, 512))
    assert hashlib.sha256(picture.tobytes() + labels.tobytes()).hexdigest() == DIGEST


def test_a_scene_does_not_depend_on_the_order_of_calls(scenes):
    data = get_dataset("street_scenes", split="val")
    data.picture(7)
    assert np.array_equal(data.labels(3), scenes[3][1])
    assert np.array_equal(data.picture(3), scenes[3][0])


def test_a_caller_cannot_change_the_data_set():
    data = get_dataset("street_scenes", split="val", size=(32, 64))
    data.labels(0)[:] = 255
    assert data.labels(0).max() < 11


def test_types_shapes_and_ids(scenes):
    for picture, labels in scenes:
        assert picture.shape == (256, 512, 3) and picture.dtype == np.uint8
        assert labels.shape == (256, 512) and labels.dtype == np.uint8
        assert labels.max() < CAMVID11.num_classes


def test_every_class_is_in_most_scenes(scenes):
    present = sum(np.isin(np.arange(11), labels) for _, labels in scenes)
    assert (present >= 11).all(), dict(zip(CAMVID11.classes, present.tolist(), strict=True))


def test_shares_are_those_of_a_street(scenes):
    share = sum(np.bincount(labels.ravel(), minlength=11) for _, labels in scenes) / (20 * 256 * 512)
    for name, low, high in (("road", 0.15, 0.45), ("building", 0.1, 0.45), ("sky", 0.03, 0.25), ("tree", 0.02, 0.3)):
        assert low < share[CAMVID11.id(name)] < high, name
    for name in ("pole", "sign", "pedestrian", "bicyclist"):
        assert 0.001 < share[CAMVID11.id(name)] < 0.05, name


def test_picture_and_labels_are_aligned(scenes):
    """Class borders lie on picture edges: the gradient there is several times the average."""
    on, off = [], []
    for picture, labels in scenes:
        gradient = np.abs(np.diff(picture.astype(np.float64).mean(axis=2), axis=1))
        border = labels[:, 1:] != labels[:, :-1]
        on.append(gradient[border].mean())
        off.append(gradient[~border].mean())
    assert np.mean(on) > 2 * np.mean(off)


def test_splits_differ():
    splits = ("train", "val", "test")
    pictures = [get_dataset("street_scenes", split=split, size=(64, 128)).picture(0) for split in splits]
    assert not np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[1], pictures[2])


def test_names_and_lengths():
    for split, length in (("train", 2000), ("val", 100), ("test", 100)):
        data = get_dataset("street_scenes", split=split)
        assert len(data) == length and data.names == sorted(set(data.names))
    assert data.names[17] == "scene_00017"
    assert get_dataset("street_scenes", limit=5).names[-1] == "scene_00004"


@pytest.mark.parametrize("size", [(128, 128), (100, 333), (512, 512), (1, 1), (7, 1), (384, 512)])
def test_any_size(size):
    data = get_dataset("street_scenes", split="test", size=size)
    assert data.picture(1).shape == (*size, 3) and data.labels(1).shape == size


def test_the_same_scene_at_another_size(scenes):
    """Layout does not depend on the size: where 4x4 full pixels agree, the half-size label is theirs."""
    data = get_dataset("street_scenes", split="val", size=(128, 256))
    for i in range(6):
        full = np.pad(scenes[i][1], 1, mode="edge")
        blocks = np.stack([full[dy : dy + 256 : 2, dx : dx + 512 : 2] for dy in range(4) for dx in range(4)])
        inside = (blocks == blocks[0]).all(axis=0)
        assert inside.mean() > 0.6
        assert (data.labels(i) == blocks[0])[inside].mean() > 0.995


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "nowhere"}, "unknown data set 'nowhere'"),
        ({"name": "street_scenes", "split": "night"}, "no split 'night'"),
        ({"name": "street_scenes", "limit": 0}, "limit 0"),
        ({"name": "street_scenes", "limit": "3"}, "limit '3'"),
        ({"name": "street_scenes", "size": (0, 5)}, "size"),
        ({"name": "street_scenes", "size": (5,)}, "size"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(ConfigError, match=words):
        get_dataset(**arguments)


def test_index_out_of_range():
    with pytest.raises(IndexError):
        get_dataset("street_scenes", limit=3).picture(3)


def test_nearer_things_hide_farther_ones_and_shrink_with_depth():
    canvas = Canvas((64, 128), eye=(0.0, 1.0))
    far, near = (canvas.material(label, (90, 90, 90), FLAT, z) for label, z in ((1, 20.0), (2, 10.0)))
    canvas.front(20.0, -4.0, 4.0, -4.0, 6.0, far)
    canvas.front(10.0, -1.0, 1.0, 0.0, 2.0, near)
    labels = np.array([row[0] for row in canvas.rows])[canvas.materials()]
    assert labels[64, 128] == 2
    # 8 m at 20 m is twice as wide as 2 m at 10 m
    assert abs((labels[30] == 1).sum() - 2 * (labels[64] == 2).sum()) <= 4


def test_veil_changes_labels_and_no_colours():
    canvas = Canvas((64, 128), eye=(0.0, 1.0))
    wall = canvas.material(1, (10, 20, 30), FLAT, 20.0)
    canvas.front(20.0, -4.0, 4.0, -4.0, 1.0, wall)
    before = np.array(canvas.rows)[canvas.materials()]
    canvas.veil(((-1.0, 0.0, 10.0), (-1.0, 2.0, 10.0), (1.0, 2.0, 10.0), (1.0, 0.0, 10.0)), 7)
    after = np.array(canvas.rows)[canvas.materials()]
    assert np.array_equal(before[..., 1:], after[..., 1:])
    changed = before[..., 0] != after[..., 0]
    assert changed.any() and (after[..., 0][changed] == 7).all() and not changed[:10].any()


def test_dice_keep_their_bounds():
    dice = Dice(1, 2)
    draws = [dice.integer(2, 4) for _ in range(300)]
    assert set(draws) == {2, 3, 4}
    assert all(1.0 <= dice.uniform(1.0, 2.0) < 2.0 for _ in range(100))
    assert [Dice(1, 2).unit() for _ in range(2)] == [Dice(1, 2).unit()] * 2 != [Dice(1, 3).unit()] * 2


# the scenes in the classes of Cityscapes

CITY_DIGEST = "eafe6d3bf06b8b4a750e23a084fef7feb092cfd95df633a0a275aeb6696d2913"


@pytest.fixture(scope="module")
def city():
    data = get_dataset("street_scenes_city", split="val", limit=24, size=(128, 256))
    return [(data.picture(i), data.labels(i)) for i in range(len(data))]


def test_city_scenes_are_pinned_and_others_than_the_plain_ones():
    data = get_dataset("street_scenes_city", split="train", size=(64, 128))
    content = b"".join(data.picture(i).tobytes() + data.labels(i).tobytes() for i in range(3))
    assert hashlib.sha256(content).hexdigest() == CITY_DIGEST
    assert not np.array_equal(data.picture(0), get_dataset("street_scenes", split="train", size=(64, 128)).picture(0))


def test_city_scenes_have_the_19_classes(city):
    assert get_dataset("street_scenes_city").label_space is CITYSCAPES19
    present = sum(np.isin(np.arange(19), labels) for _, labels in city)
    assert (present > 0).all(), dict(zip(CITYSCAPES19.classes, present.tolist(), strict=True))
    for name in ("road", "person", "rider", "bicycle", "car", "traffic sign", "pole"):
        assert present[CITYSCAPES19.id(name)] > 16, name
    assert all(labels.max() < 19 for _, labels in city)


def test_city_scenes_have_people_that_are_small(city):
    """Connected groups of person or rider pixels less than a 40th of the picture high: every other scene has some."""
    from scipy import ndimage

    people = [CITYSCAPES19.id(name) for name in ("person", "rider")]
    small = 0
    for _, labels in city:
        boxes = ndimage.find_objects(ndimage.label(np.isin(labels, people))[0])
        small += any(box[0].stop - box[0].start <= 7 for box in boxes)
    assert small >= len(city) // 2


def test_city_scenes_differ_in_light(city):
    brightness = [picture.mean() for picture, _ in city]
    assert min(brightness) < 75 and max(brightness) > 120


def test_kinds_of_things_have_a_class_in_both_spaces():
    camvid, cityscapes = ids_in(CAMVID11), ids_in(CITYSCAPES19)
    assert camvid[:11].tolist() == list(range(11)) and set(camvid) == set(range(11))
    assert sorted(cityscapes) == list(range(19))
