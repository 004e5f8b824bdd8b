"""A street is told from other maps."""

import numpy as np
import pytest

from spic.pictures.labels import CAMVID11, LabelSpace
from spic.pictures.reading import read_labels
from spic.pictures.sizes import to_working_size
from spic.pictures.streets import looks_like_a_street


def test_drawn_streets_are_streets(tiny_scenes):
    scenes = tiny_scenes(12, (64, 128))
    assert all(looks_like_a_street(scenes.labels(i), CAMVID11) is True for i in range(12))


def test_other_maps_are_not(tiny_scenes):
    street = tiny_scenes(1, (64, 128)).labels(0)
    rng = np.random.default_rng(0)
    others = [street[::-1], rng.integers(0, 11, (64, 128), np.uint8), np.repeat([[0], [3]], 32, 0).astype(np.uint8)]
    others += [np.full((64, 128), label, np.uint8) for label in range(12)]
    assert not any(looks_like_a_street(labels, CAMVID11) for labels in others)


def test_other_label_spaces_are_not_judged():
    space = LabelSpace("fruit", ("apple", "pear"), ((1, 2, 3), (4, 5, 6)), 2)
    assert looks_like_a_street(np.zeros((9, 9), np.uint8), space) is None


@pytest.mark.shared
def test_camvid_frames_are_streets(shared):
    maps = sorted((shared / "data/camvid/trainannot").glob("*.png"))[::20]
    found = [looks_like_a_street(to_working_size(read_labels(path), (384, 512)), CAMVID11) for path in maps]
    assert len(found) > 10 and np.mean(found) > 0.9
