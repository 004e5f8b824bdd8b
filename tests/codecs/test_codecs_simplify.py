"""Dropping small components: what stays is large, what is large stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spic.codecs.simplify import simplify
from spic.errors import ConfigError, DataError


def components(labels):
    """List of (label, frozenset of pixels): 4-connected components, by plain search."""
    left = {(y, x) for y in range(labels.shape[0]) for x in range(labels.shape[1])}
    found = []
    while left:
        seen, ahead = set(), [left.pop()]
        while ahead:
            y, x = ahead.pop()
            seen.add((y, x))
            for place in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if place in left and labels[place] == labels[y, x]:
                    left.remove(place)
                    ahead.append(place)
        found.append((labels[next(iter(seen))], frozenset(seen)))
    return found


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 3)), st.integers(0, 12)
)
def test_small_components_go_and_nothing_new_comes(labels, pixels):
    before = labels.copy()
    result = simplify(labels, pixels)
    assert np.array_equal(labels, before) and result.dtype == np.uint8
    kept = components(result)
    assert len(kept) == 1 or min(len(part) for _, part in kept) >= pixels
    assert set(np.unique(result)) <= set(np.unique(labels))
    for label, part in components(labels):
        if len(part) >= pixels:
            assert all(result[place] == label for place in part)


def test_an_island_takes_the_label_most_of_its_border_has():
    labels = np.array([[1, 1, 1, 2], [1, 7, 2, 2], [1, 1, 2, 2]], np.uint8)
    assert simplify(labels, 2)[1, 1] == 1
    np.testing.assert_array_equal(simplify(labels, 1), labels)


@pytest.mark.parametrize("pixels", [-1, 2.5, True, "3"])
def test_wrong_counts(pixels):
    with pytest.raises(ConfigError):
        simplify(np.zeros((3, 3), np.uint8), pixels)


def test_wrong_arrays():
    with pytest.raises(DataError):
        simplify(np.zeros((3, 3), np.int32), 2)
