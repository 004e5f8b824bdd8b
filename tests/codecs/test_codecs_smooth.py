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
        for place in np.ndindex(*clip.shape[1:]):
            if result[t - 1][place] == clip[t + 1][place]:
                result[t][place] = clip[t + 1][place]
    return result


def test_it_is_what_it_says():
    clip = np.random.default_rng(0).integers(0, 3, (7, 5, 6), np.uint8)
    np.testing.assert_array_equal(smooth(clip), reference(clip))


def test_flicker_goes_and_a_step_stays():
    still, step = np.full((5, 2, 2), 4, np.uint8), np.repeat(np.uint8([1, 1, 2, 2, 2]), 4).reshape(5, 2, 2)
    flicker = still.copy()
    flicker[2] = 9
    np.testing.assert_array_equal(smooth(flicker), still)
    np.testing.assert_array_equal(smooth(step), step)


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
