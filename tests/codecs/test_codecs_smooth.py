"""Smoothing of maps in time."""

import numpy as np
import pytest

from spic.codecs.smooth import Smoother
from spic.errors import DataError


def smooth(clip):
    smoother = Smoother()
    found = [smoother.push(labels) for labels in clip] + [smoother.flush()]
    assert found[0] is None
    return np.stack(found[1:])


def reference(clip):
    result = clip.copy()
    for t in range(1, len(clip) - 1):
        for y, x in np.ndindex(*clip.shape[1:]):
            label = clip[t - 1][y, x]
            around = clip[t][max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            if label == clip[t + 1][y, x] and (around == label).any():
                result[t][y, x] = label
    return result


@pytest.mark.parametrize("labels", [2, 3])
def test_it_is_what_it_says(labels):
    clip = np.random.default_rng(labels).integers(0, labels, (7, 5, 6), np.uint8)
    found = smooth(clip)
    np.testing.assert_array_equal(found, reference(clip))
    assert (found != clip).any()


def test_a_border_that_flickers_is_still_and_a_step_stays():
    still, step = np.full((5, 4, 4), 4, np.uint8), np.repeat(np.uint8([1, 1, 2, 2, 2]), 4).reshape(5, 2, 2)
    still[:, :, :2] = 9
    flicker = still.copy()
    flicker[2, :, 2] = 9
    np.testing.assert_array_equal(smooth(flicker), still)
    np.testing.assert_array_equal(smooth(step), step)


def test_a_thing_that_passes_stays():
    passing = np.full((5, 6, 20), 4, np.uint8)
    for t, labels in enumerate(passing):
        labels[:, 4 * t : 4 * t + 3] = 9
    found = smooth(passing)
    assert (found[:, :, 1::4] == passing[:, :, 1::4]).all() and (found[1:4] == 9).any(axis=(1, 2)).all()


def test_what_is_changed_in_one_map_changes_no_other():
    """Borders that take turns stay what they are in turn: each is compared with the maps as they came in."""
    turns = np.full((6, 1, 3), 1, np.uint8)
    turns[:, :, 2], turns[1::2, :, 1] = 2, 2
    np.testing.assert_array_equal(smooth(turns)[:, 0, 1], [1, 1, 2, 1, 2, 2])


def test_one_map_and_none():
    assert Smoother().flush() is None
    labels = np.uint8([[1, 2]])
    np.testing.assert_array_equal(smooth([labels])[0], labels)


def test_other_arrays_are_refused():
    smoother = Smoother()
    smoother.push(np.zeros((2, 3), np.uint8))
    for wrong in (np.zeros((3, 3), np.uint8), np.zeros((2, 3))):
        with pytest.raises(DataError):
            smoother.push(wrong)
