"""Interlaced pixels: zoom levels from coarse to fine, their predictors and properties.

Level z holds every 2^floor((z+1)/2)-th row and 2^floor(z/2)-th column. Going down to an even z fills the odd rows of
that grid (the horizontal pass), to an odd z its odd columns (the vertical pass).
"""

import numpy as np

from spic.codecs.flif.integers import read_integer
from spic.codecs.flif.ranges import Ranges, pixel_range, snap, value_range
from spic.codecs.flif.scanlines import earlier_planes, median
from spic.codecs.flif.trees import find_context
from spic.codecs.jit import helper, kernel


def row_step(zoom: int) -> int:
    """Distance of the rows of a level."""
    return 1 << (zoom + 1 >> 1)


def column_step(zoom: int) -> int:
    """Distance of the columns of a level."""
    return 1 << (zoom >> 1)


def count_zooms(height: int, width: int) -> int:
    """The coarsest level: the first at which only pixel (0, 0) is left."""
    zoom = 0
    while row_step(zoom) < height or column_step(zoom) < width:
        zoom += 1
    return zoom


def rough_zoom(zooms: int) -> int:
    """The level at which the reference encoder, and ours, starts to use trees."""
    return max(0, zooms - 13)


def level_order(ranges: Ranges, first: int, last: int):
    """Yield (plane, level) in the default order of the stream, from level `first` down to `last`.

    The leading plane goes first, another one's turn comes when it is too many levels behind.
    """
    count = len(ranges.low)
    behind = (0, 0, 1, 0) if ranges.is_constant(0) else (0, 2, 4, 0)
    leader = 3 if count > 3 else 0
    level = [first + 1] * count
    for _ in range(count * (first - last + 1)):
        plane = leader
        for other in range(count):
            if level[other] > level[leader] + behind[other]:
                plane = other
        while level[plane] <= last:
            plane = (plane + 1) % count
        level[plane] -= 1
        yield plane, level[plane]


def property_ranges(ranges: Ranges, plane: int) -> np.ndarray:
    """Lowest and highest value of each property of `plane`: int64 (properties, 2)."""
    low, high = ranges.low[plane], ranges.high[plane]
    width = high - low
    rows = []
    if plane < 3:
        rows += [(ranges.low[p], ranges.high[p]) for p in range(plane)]
        rows += [(ranges.low[p], ranges.high[p]) for p in range(3, len(ranges.low))]
    rows.append((0, 2))
    if plane in (1, 2):
        luma = ranges.high[0] - ranges.low[0]
        rows.append((-luma, luma))
    rows += [(-width, width)] * 4 + [(low, high)]
    if plane != 2:
        rows += [(-width, width)] * 2
    return np.array(rows, np.int64)


@helper
def level_context(planes, plane, zoom, row, column, predictor, model, bucket, low, high, properties, at):
    """Predict a pixel of a level from the coarser levels and from what came before it in its own.

    Parameters
    ----------
    planes : numpy.ndarray
        int16 (P, H, W) as far as they are known.
    plane, zoom, row, column : int
        The pixel, counted in the grid of the level.
    predictor : int
        0 average, 1 median of average and gradients, 2 median of neighbours.
    model, bucket, low, high : numpy.ndarray, int, int, int
        What the pixel can be, see `ranges.value_range`; the guess is one of these values.
    properties : numpy.ndarray
        Filled from index `at` on.

    Returns
    -------
    int
        The guess.
    """
    image = planes[plane]
    dy = 1 << ((zoom + 1) >> 1)
    dx = 1 << (zoom >> 1)
    y, x = row * dy, column * dx
    height, width = image.shape
    has_left, has_right, has_top, has_bottom = column > 0, x + dx < width, row > 0, y + dy < height
    if zoom & 1 == 0:
        top = np.int64(image[y - dy, x])
        left = np.int64(image[y, x - dx]) if has_left else top
        top_left = np.int64(image[y - dy, x - dx]) if has_left else top
        top_right = np.int64(image[y - dy, x + dx]) if has_right else top
        bottom = np.int64(image[y + dy, x]) if has_bottom else left
        bottom_left = np.int64(image[y + dy, x - dx]) if has_bottom and has_left else left
        bottom_right = np.int64(image[y + dy, x + dx]) if has_bottom and has_right else bottom
        one, other = top, bottom
        second = left + bottom - bottom_left
        third = left
        terms0 = top - ((top_left + top_right) >> 1)
        terms1 = left - ((bottom_left + top_left) >> 1)
        terms2 = bottom - ((bottom_left + bottom_right) >> 1)
    else:
        left = np.int64(image[y, x - dx])
        top = np.int64(image[y - dy, x]) if has_top else left
        top_left = np.int64(image[y - dy, x - dx]) if has_top else left
        right = np.int64(image[y, x + dx]) if has_right else top
        top_right = np.int64(image[y - dy, x + dx]) if has_top and has_right else top
        bottom_left = np.int64(image[y + dy, x - dx]) if has_bottom else left
        bottom_right = np.int64(image[y + dy, x + dx]) if has_bottom and has_right else right
        one, other = left, right
        second = right + top - top_right
        third = top
        terms0 = left - ((bottom_left + top_left) >> 1)
        terms1 = top - ((top_left + top_right) >> 1)
        terms2 = right - ((bottom_right + top_right) >> 1)
    average = (one + other) >> 1
    first = left + top - top_left
    middle = median(average, first, second)
    if predictor == 0:
        guess = average
    elif predictor == 1:
        guess = middle
    else:
        guess = median(one, other, third)
    guess = snap(model, bucket, low, high, guess)
    properties[at] = 0 if middle == average else (1 if middle == first else 2)
    at += 1
    if plane == 1 or plane == 2:
        properties[at] = luma_property(planes[0], zoom, y, x)
        at += 1
    properties[at] = one - other
    properties[at + 1] = terms0
    properties[at + 2] = terms1
    properties[at + 3] = terms2
    properties[at + 4] = guess
    if plane != 2:
        properties[at + 5] = image[y - 2 * dy, x] - top if row > 1 else 0
        properties[at + 6] = image[y, x - 2 * dx] - left if column > 1 else 0
    return guess


@helper
def luma_property(luma, zoom, y, x):
    """Difference of a pixel of the first plane from the mean of its two neighbours of the coarser levels."""
    dy, dx = (1 << ((zoom + 1) >> 1), 0) if zoom & 1 == 0 else (0, 1 << (zoom >> 1))
    before = np.int64(luma[y - dy, x - dx])
    after = np.int64(luma[y + dy, x + dx]) if y + dy < luma.shape[0] and x + dx < luma.shape[1] else before
    return luma[y, x] - ((before + after) >> 1)


@helper
def hidden_guess(image, zoom, y, x, predictor):
    """What pixel (y, x) becomes where nobody sees it: the prediction, with simpler borders and whatever its range."""
    dy, dx, side_y, side_x = 0, 1 << (zoom >> 1), 1 << ((zoom + 1) >> 1), 0
    if zoom & 1 == 0:
        dy, dx, side_y, side_x = side_y, 0, 0, dx
    has_side = y >= side_y and x >= side_x
    has_other = y + dy < image.shape[0] and x + dx < image.shape[1]
    one = np.int64(image[y - dy, x - dx])
    other = np.int64(image[y + dy, x + dx]) if has_other else one
    side = np.int64(image[y - side_y, x - side_x]) if has_side else one
    if predictor == 2:
        return median(one, other, side)
    average = (one + other) >> 1
    if predictor == 0:
        return average
    corner = np.int64(image[y - dy - side_y, x - dx - side_x]) if has_side else one
    other_corner = np.int64(image[y + dy - side_y, x + dx - side_x]) if has_side and has_other else side
    return median(average, side + one - corner, side + other - other_corner)


@kernel
def read_level(data, coder, table, planes, plane, zoom, predictor, model, tree, contexts, used, hidden_predictor):
    """Decode one level of one plane of int16 `planes` (P, H, W) in place; where the data ends, return the row it does.

    `hidden_predictor`: what pixels of alpha 0 are predicted with instead of being coded; -1: they are coded.
    """
    image = planes[plane]
    dy = 1 << ((zoom + 1) >> 1)
    dx = 1 << (zoom >> 1)
    rows, columns = (image.shape[0] - 1) // dy + 1, (image.shape[1] - 1) // dx + 1
    low, high, bucket = value_range(model, plane, 0, 0)
    properties = np.zeros(16, np.int64)
    first_row, row_stride = (1, 2) if zoom & 1 == 0 else (0, 1)
    first_column, column_stride = (0, 1) if zoom & 1 == 0 else (1, 2)
    for row in range(first_row, rows, row_stride):
        y = row * dy
        for column in range(first_column, columns, column_stride):
            x = column * dx
            if hidden_predictor >= 0 and plane < 3 and planes[3, y, x] == 0:
                guess = hidden_guess(image, zoom, y, x, hidden_predictor)
                image[y, x] = guess & 255 if plane == 0 else guess  # as in the 8 bits that the reference keeps it in
                continue
            at = earlier_planes(planes, plane, y, x, properties)
            if plane == 1 or plane == 2:
                low, high, bucket = pixel_range(model, plane, planes, y, x)
            guess = level_context(
                planes, plane, zoom, row, column, predictor, model, bucket, low, high, properties, at
            )  # fmt: skip
            if low < high:
                context = contexts[find_context(tree, contexts, used, properties)]
                guess += read_integer(data, coder, context, table, low - guess, high - guess)
                if coder[2] > data.size:
                    return row
            image[y, x] = guess
    return rows


@kernel
def fill_level(image, zoom, first_row):
    """Give the pixels of a level that is not in the stream, from `first_row` on, the mean of their neighbours."""
    dy = 1 << ((zoom + 1) >> 1)
    dx = 1 << (zoom >> 1)
    odd_row = 1 if zoom & 1 == 0 else 0
    for y in range(max(first_row, odd_row) * dy, image.shape[0], dy << odd_row):
        for x in range(dx * (1 - odd_row), image.shape[1], dx << (1 - odd_row)):
            image[y, x] = hidden_guess(image, zoom, y, x, 0)


@kernel
def level_samples(planes, plane, zoom, predictor, model, properties, values, count):
    """What an encoder codes for one level, appended from row `count` on; the new count is returned.

    `properties`, `values`: as `scanlines.plane_samples` returns them, with room for the whole plane.
    """
    image = planes[plane]
    dy = 1 << ((zoom + 1) >> 1)
    dx = 1 << (zoom >> 1)
    rows, columns = (image.shape[0] - 1) // dy + 1, (image.shape[1] - 1) // dx + 1
    low, high, bucket = value_range(model, plane, 0, 0)
    first_row, row_stride = (1, 2) if zoom & 1 == 0 else (0, 1)
    first_column, column_stride = (0, 1) if zoom & 1 == 0 else (1, 2)
    for row in range(first_row, rows, row_stride):
        y = row * dy
        for column in range(first_column, columns, column_stride):
            x = column * dx
            target = properties[count]
            at = earlier_planes(planes, plane, y, x, target)
            if plane == 1 or plane == 2:
                low, high, bucket = pixel_range(model, plane, planes, y, x)
            guess = level_context(
                planes, plane, zoom, row, column, predictor, model, bucket, low, high, target, at
            )  # fmt: skip
            if low < high:
                values[count, 0] = image[y, x] - guess
                values[count, 1] = low - guess
                values[count, 2] = high - guess
                count += 1
    return count
