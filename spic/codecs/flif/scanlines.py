"""Non-interlaced pixels: raster order, the median predictor, and the properties its contexts are chosen by."""

import numpy as np

from spic.codecs.flif.integers import read_integer
from spic.codecs.flif.ranges import HIGH, LOW, Ranges, pixel_range, snap, value_range
from spic.codecs.flif.trees import find_context
from spic.codecs.jit import helper, kernel

ORDER = (3, 0, 1, 2)  # planes in the order of the stream: alpha first


def property_ranges(ranges: Ranges, plane: int) -> np.ndarray:
    """Lowest and highest value of each property of `plane`: int64 (properties, 2)."""
    low, high = ranges.low[plane], ranges.high[plane]
    rows = []
    if plane < 3:
        rows += [(ranges.low[p], ranges.high[p]) for p in range(plane)]
        rows += [(ranges.low[p], ranges.high[p]) for p in range(3, len(ranges.low))]
    rows += [(low, high), (0, 2)] + [(low - high, high - low)] * 5
    return np.array(rows, np.int64)


@helper
def median(a, b, c):
    """Middle one of three."""
    return max(min(a, b), min(max(a, b), c))


@helper
def earlier_planes(planes, plane, row, column, properties):
    """Put the pixel's values in the earlier colour planes, then its alpha, in front; return how many."""
    count = 0
    if plane < 3:
        for p in range(plane):
            properties[count] = planes[p, row, column]
            count += 1
        if planes.shape[0] > 3:
            properties[count] = planes[3, row, column]
            count += 1
    return count


@helper
def neighbours(image, row, column, first):
    """The pixels left, above and diagonally above; `first` stands for those of the very first pixel."""
    if column == 0:
        top = np.int64(image[row - 1, column]) if row > 0 else first
        return top, top, top
    left = np.int64(image[row, column - 1])
    if row == 0:
        return left, left, left
    return left, np.int64(image[row - 1, column]), np.int64(image[row - 1, column - 1])


@helper
def scanline_context(image, row, column, first, model, bucket, low, high, properties, at):
    """Predict a pixel from those above and left of it.

    Parameters
    ----------
    image : numpy.ndarray
        int16 (H, W), the plane as far as it is known.
    row, column : int
        The pixel.
    first : int
        Stand-in for the neighbours of the very first pixel.
    model, bucket, low, high : numpy.ndarray, int, int, int
        What the pixel can be, see `ranges.value_range`; the guess is one of these values.
    properties : numpy.ndarray
        Filled from index `at` on with: guess, which of the median's inputs it is, and five differences.

    Returns
    -------
    int
        The guess.
    """
    left, top, corner = neighbours(image, row, column, first)
    gradient = left + top - corner
    guess = snap(model, bucket, low, high, median(gradient, left, top))
    which = 0
    if guess != gradient:
        if guess == left:
            which = 1
        elif guess == top:
            which = 2
    properties[at] = guess
    properties[at + 1] = which
    properties[at + 2] = left - corner if row > 0 and column > 0 else 0
    properties[at + 3] = corner - top if row > 0 and column > 0 else 0
    properties[at + 4] = top - image[row - 1, column + 1] if row > 0 and column + 1 < image.shape[1] else 0
    properties[at + 5] = image[row - 2, column] - top if row > 1 else 0
    properties[at + 6] = image[row, column - 2] - left if column > 1 else 0
    return guess


@kernel
def read_plane(data, coder, table, planes, plane, model, tree, contexts, hide):
    """Decode `plane` of int16 `planes` (P, H, W) in place; stops early where the data ends.

    `hide`: pixels of alpha 0 are not coded, they take their prediction, whatever their range.
    """
    image = planes[plane]
    dependent = plane == 1 or plane == 2
    properties = np.zeros(16, np.int64)
    used = np.ones(1, np.int64)
    start = model[LOW + plane]
    hidden_start = np.int64((start + model[HIGH + plane]) / 2)  # truncated towards 0
    low, high, bucket = value_range(model, plane, 0, 0)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            if hide and plane < 3 and planes[3, row, column] == 0:
                left, top, corner = neighbours(image, row, column, hidden_start)
                image[row, column] = median(left + top - corner, left, top)
                continue
            at = earlier_planes(planes, plane, row, column, properties)
            if dependent:
                low, high, bucket = pixel_range(model, plane, planes, row, column)
            guess = scanline_context(image, row, column, start, model, bucket, low, high, properties, at)
            if low < high:
                context = contexts[find_context(tree, contexts, used, properties)]
                guess += read_integer(data, coder, context, table, low - guess, high - guess)
                if coder[2] > data.size:
                    return
            image[row, column] = guess


@kernel
def plane_samples(planes, plane, model, size):
    """What an encoder codes for `plane`, in the order of the stream.

    Returns
    -------
    properties : numpy.ndarray
        int16 (N, size).
    values : numpy.ndarray
        int16 (N, 3): pixel minus guess, and its lowest and highest possible value.
    """
    image = planes[plane]
    properties = np.zeros((image.size, size), np.int16)
    values = np.empty((image.size, 3), np.int16)
    start = model[LOW + plane]
    low, high, bucket = value_range(model, plane, 0, 0)
    count = 0
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            target = properties[count]
            at = earlier_planes(planes, plane, row, column, target)
            if plane == 1 or plane == 2:
                low, high, bucket = pixel_range(model, plane, planes, row, column)
            guess = scanline_context(image, row, column, start, model, bucket, low, high, target, at)
            if low < high:
                values[count, 0] = image[row, column] - guess
                values[count, 1] = low - guess
                values[count, 2] = high - guess
                count += 1
    return properties[:count], values[:count]
