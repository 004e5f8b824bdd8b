"""The trained part of the model: a small network in integers that knows how the outlines of label maps run.

A pixel is described by rows of a table, one a feature: the place in the candidate list of every label of a wide
template, the classes of the first candidates, where the pixel is, and what happened in its row and column before. The
sum of the rows, clipped, goes through one hidden layer to the logits of the first three questions "is it candidate i?".
Describing equality with the candidates instead of class ids lets one network serve label spaces that it never saw.
Where the pixel is modulo 16 tells of label maps that were enlarged by repeating some rows and columns.
"""

import numpy as np

from spic.codecs.jit import helper
from spic.codecs.labelmap.contexts import PAD

KINDS = 6  # of a template pixel: candidate 0, 1, 2, a later one, no candidate, outside
OUTPUTS = 3
UNIT = 1024  # weights and activations are counted in 1/1024
LIMIT_1, LIMIT_2 = 4 * UNIT, 8 * UNIT  # clipping of the two layers


def _template() -> np.ndarray:
    """int64 (P, 2) of (dy, dx): dense nearby, sparse further up; within PAD - 2 columns and rows."""
    spans = [(0, -12, -1, 1), (-1, -10, 12, 1), (-2, -8, 10, 1), (-3, -7, 7, 1), (-4, -6, 6, 1)]
    spans += [(-5, -5, 5, 1), (-6, -4, 4, 2), (-8, -6, 6, 3), (-12, -6, 6, 6)]
    return np.array([(dy, dx) for dy, low, high, step in spans for dx in range(low, high + 1, step)], np.int64)


TEMPLATE = _template()
# Behind the template's rows: x and y modulo 16, x in 32 bins, run above, history of the row and of the column.
_FIRST = np.cumsum([len(TEMPLATE) * KINDS, 16, 16, 32, 8, 11, 16]).astype(np.int64)
FIXED_ROWS = int(_FIRST[-1])
NUM_FEATURES = len(TEMPLATE) + 10
assert int(abs(TEMPLATE).max()) < PAD and NUM_FEATURES % 4 == 0


def num_rows(classes: int) -> int:
    """Rows of the table of a network that knows `classes` classes, the last of them "any other, or none"."""
    return FIXED_ROWS + 2 * classes**2 + 64 * classes


@helper
def describe(buffer, y, x, ranks, candidates, count, places, classes, rows):
    """Fill `rows` (NUM_FEATURES) for the pixel at (y, x) of the buffer.

    `places` are [y in 32 bins, x in 32 bins, y, x, length of the run above in 8 bins, history of the row (11 kinds), of
    the column (16)].
    """
    size = TEMPLATE.shape[0]
    for i in range(size):
        rows[i] = i * KINDS + ranks[buffer[y + TEMPLATE[i, 0], x + TEMPLATE[i, 1]]]
    rows[size] = _FIRST[0] + (places[2] & 15)
    rows[size + 1] = _FIRST[1] + (places[3] & 15)
    rows[size + 2] = _FIRST[2] + places[1]
    rows[size + 3] = _FIRST[3] + places[4]
    rows[size + 4] = _FIRST[4] + places[5]
    rows[size + 5] = _FIRST[5] + places[6]
    last, start = classes - 1, _FIRST[6]
    first = min(candidates[0], last) if count > 0 else last
    second = min(candidates[1], last) if count > 1 else last
    third = min(candidates[2], last) if count > 2 else last
    rows[size + 6] = start + first * classes + second
    rows[size + 7] = start + classes * classes + first * classes + third
    start += 2 * classes * classes
    rows[size + 8] = start + first * 32 + places[0]
    rows[size + 9] = start + (classes + second) * 32 + places[0]


@helper
def infer(rows, network, first, second, logits):
    """Logits (1/256) of the three questions into `logits`; `first` and `second` are int32 work arrays."""
    table, bias_1, weights_2, bias_2, weights_3, bias_3 = network
    for j in range(first.size):
        first[j] = bias_1[j]
    for i in range(0, rows.size, 4):  # four at a time: this sum is half of the coder's time
        row_0, row_1, row_2, row_3 = table[rows[i]], table[rows[i + 1]], table[rows[i + 2]], table[rows[i + 3]]
        for j in range(first.size):
            first[j] = first[j] + row_0[j] + row_1[j] + row_2[j] + row_3[j]
    for k in range(second.size):
        second[k] = bias_2[k]
    for j in range(first.size):
        if first[j] > 0:
            value = np.int32(min(np.int64(first[j]), LIMIT_1))
            row = weights_2[j]
            for k in range(second.size):
                second[k] += value * row[k]
    for i in range(OUTPUTS):
        total = np.int64(bias_3[i])
        for k in range(second.size):
            value = min(max(np.int64(second[k]) >> 10, 0), LIMIT_2)
            total += value * np.int64(weights_3[i, k])
        logits[i] = min(max(total >> 12, -2047), 2047)
