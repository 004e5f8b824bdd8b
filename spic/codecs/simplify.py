"""Near-lossless coding: give small islands of a label map to their surroundings before it is coded."""

import numpy as np

from spic.codecs.base import check_array
from spic.codecs.jit import kernel
from spic.errors import ConfigError


def simplify(labels: np.ndarray, pixels: int) -> np.ndarray:
    """Drop the 4-connected components under `pixels` pixels.

    Each takes the label that most of its 4-neighbours outside have (the smallest such label on a tie), in the order of
    their first pixels; what has grown by that is looked at again, until all are large enough.

    Parameters
    ----------
    labels : numpy.ndarray
        uint8 (H, W).
    pixels : int
        Smallest component that stays; 0 and 1 change nothing.

    Returns
    -------
    numpy.ndarray
        uint8 (H, W), a new array. A map with a single component is unchanged whatever its size.

    Raises
    ------
    DataError, ConfigError
        For another array; for `pixels` that is not a whole number from 0 on.
    """
    result, pixels = check_array(labels, (), labels=True).copy(), check_pixels(pixels)
    parts = np.zeros(result.shape, np.int32)
    stack = np.zeros(result.size, np.int64)
    while _merge_small(result, parts, stack, pixels):
        pass
    return result


def check_pixels(pixels) -> int:
    """`pixels` of `simplify` as an int; `ConfigError` unless it is a whole number from 0 on."""
    if isinstance(pixels, bool) or not isinstance(pixels, (int, np.integer)) or pixels < 0:
        raise ConfigError(f"simplify: expected a whole number of pixels, got {pixels!r}")
    return int(pixels)


@kernel
def _merge_small(labels, parts, stack, pixels):
    """One pass over all components, in the order of their first pixels; returns how many changed their label."""
    height, width = labels.shape
    parts[:] = 0
    changed, part = 0, 0
    votes = np.zeros(256, np.int64)
    for start in range(labels.size):
        if parts[start // width, start % width] != 0:
            continue
        part += 1
        label = labels[start // width, start % width]
        stack[0] = start
        parts[start // width, start % width] = part
        size, done, grown = 1, 0, False
        votes[:] = 0
        while done < size:
            y, x = stack[done] // width, stack[done] % width
            done += 1
            for i in range(4):
                v, u = y + (i == 0) - (i == 1), x + (i == 2) - (i == 3)
                if v < 0 or u < 0 or v >= height or u >= width:
                    continue
                if labels[v, u] != label:
                    votes[labels[v, u]] += 1
                elif parts[v, u] == 0:
                    parts[v, u] = part
                    stack[size] = v * width + u
                    size += 1
                elif parts[v, u] != part:
                    grown = True  # a neighbour just took this label: the next pass sees them as one
        if size < pixels and not grown and votes.max() > 0:
            heir = np.argmax(votes)
            for i in range(size):
                labels[stack[i] // width, stack[i] % width] = heir
            changed += 1
    return changed
