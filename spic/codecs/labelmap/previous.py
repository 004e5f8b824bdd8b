"""What the model sees of the two maps before: the label at the pixel's place and those around it, below and right too.

`before` is int16 (2, H + 2 PAD, W + 2 PAD): the map before, then the one before that, each in a frame of OUTSIDE; of
length 0 where a map is coded by itself. Their labels stand in `near` behind those of the map itself.
"""

import numpy as np

from spic.codecs.jit import helper
from spic.codecs.labelmap import contexts as ctx
from spic.codecs.labelmap.network import FIXED_ROWS, KINDS, NUM_FEATURES, num_rows

MAPS = 2
_CLOSE = [(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 2), (2, 0)]
_OLDER = [(0, 0), (0, 1), (1, 0)]
OFFSETS = np.array([(0, *place) for place in _CLOSE] + [(1, *place) for place in _OLDER], np.int64)  # map, dy, dx
NUM_NEAR = ctx.NUM_NEAR + len(OFFSETS)
_P, _Q = ctx.NUM_NEAR, ctx.NUM_NEAR + len(_CLOSE)  # places in `near` of the same pixel in the two maps
CANDIDATE_ORDER = np.array([_P, 0, 1, _P + 1, _P + 2, 2, 3, _Q, ctx.END, 4, 5, _P + 5, _P + 6], np.int64)
NUM_CONTEXTS = ctx.NUM_CONTEXTS + 7


def _template() -> np.ndarray:
    """int64 (P, 3) of (map, dy, dx): what the network sees of the maps before."""
    spans = [(0, -7, 8, 1), (-1, -5, 6, 1), (1, -5, 6, 1), (-2, -4, 4, 1), (2, -4, 4, 1), (-3, -4, 4, 2), (3, -4, 4, 2)]
    spans += [(-5, -4, 4, 4), (5, -4, 4, 4), (7, 0, 0, 1)]
    found = [(0, dy, dx) for dy, low, high, step in spans for dx in range(low, high + 1, step)]
    found += [(1, dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if abs(dy) + abs(dx) < 3]
    return np.array(found, np.int64)


TEMPLATE = _template()
FEATURES = NUM_FEATURES + len(TEMPLATE)  # rows of the network's table that describe a pixel
assert int(abs(TEMPLATE).max()) < ctx.PAD and FEATURES % 4 == 0


def num_rows_after(classes: int) -> int:
    """Rows of the table of a network that sees maps before; those of `network.num_rows` come first."""
    return num_rows(classes) + len(TEMPLATE) * KINDS


@helper
def gather(before, y, x, near):
    """Fill the end of `near` (NUM_NEAR) for the pixel at (y, x) of the buffers."""
    for i in range(OFFSETS.shape[0]):
        near[_P + i] = before[OFFSETS[i, 0], y + OFFSETS[i, 1], x + OFFSETS[i, 2]]


@helper
def is_still(near):
    """Tell whether the place and all around it had one label before, that of the pixel to the west."""
    for i in range(9):
        if near[_P + i] != near[0]:
            return False
    return near[_Q] == near[0]


@helper
def _followed(near):
    """Which of the neighbours to the west, above, above right and above left are as they were: 0..15."""
    return (
        (near[0] == near[_P + 3])
        + 2 * (near[1] == near[_P + 4])
        + 4 * (near[2] == near[_P + 7])
        + 8 * (near[3] == near[_P + 8])
    )


@helper
def choose_sets(near, sets):
    """The two sets of the mixer's weights, 0..31 and 0..63."""
    here, known = near[_P], _followed(near)
    sets[0] = (near[0] == here) + 2 * (near[1] == here) + 4 * (known & 3) + 16 * (near[_Q] == here)
    sets[1] = ctx.same_pattern(near) + 32 * (near[_P + 1] == here)


@helper
def hash_contexts(near, y_bin, x_bin, hashes):
    """Hashes of the contexts that look at the maps before; those of the map itself are there already."""
    start = ctx.mix_hash(101, _followed(near))
    own = ctx.mix_hash(ctx.mix_hash(ctx.mix_hash(start, near[0]), near[1]), near[_P])
    right = ctx.mix_hash(ctx.mix_hash(own, near[_P + 1]), near[_P + 2])
    square = start
    for i in range(9):
        square = ctx.mix_hash(square, near[_P + i])
    first = ctx.NUM_CONTEXTS
    hashes[first] = right
    hashes[first + 1] = square
    hashes[first + 2] = ctx.mix_hash(ctx.mix_hash(ctx.mix_hash(right, 3), near[2]), near[3])
    hashes[first + 3] = ctx.mix_hash(ctx.mix_hash(ctx.mix_hash(own, near[_Q]), near[_Q + 1]), near[_Q + 2])
    wide = ctx.mix_hash(ctx.mix_hash(ctx.mix_hash(square, near[0]), near[1]), near[2])
    hashes[first + 4] = ctx.mix_hash(ctx.mix_hash(wide, near[_P + 9]), near[_P + 10])
    hashes[first + 5] = ctx.mix_hash(ctx.mix_hash(ctx.mix_hash(ctx.mix_hash(102, near[_P]), near[_Q]), y_bin), x_bin)
    hashes[first + 6] = ctx.mix_hash(ctx.mix_hash(ctx.mix_hash(start, near[_P]), near[_Q]), near[0] == near[_P])


@helper
def describe(before, y, x, ranks, classes, rows):
    """Fill `rows` from NUM_FEATURES on with what the network sees of the maps before."""
    start = FIXED_ROWS + 2 * classes * classes + 64 * classes  # `num_rows`
    for i in range(TEMPLATE.shape[0]):
        label = before[TEMPLATE[i, 0], y + TEMPLATE[i, 1], x + TEMPLATE[i, 2]]
        rows[NUM_FEATURES + i] = start + i * KINDS + ranks[label]
