"""What the model looks at before it guesses a pixel: neighbours, candidates, and contexts made of them.

The map lies in a buffer with a frame of `OUTSIDE` around it, PAD wide. Pixels are coded row by row, so everything
above and to the left is known. `near` is int64 and holds the neighbours of NEAR_OFFSETS, then the label on which the
run above ends.
"""

import numpy as np

from spic.codecs.jit import helper

OUTSIDE = 256  # label of pixels beyond the map
PAD = 14
FAR = 16  # a run above that is at least so long counts as uniform

# (dy, dx), the likeliest first: the first eight are candidates before the label at the end of the run.
NEAR_OFFSETS = np.array(
    [
        *[(0, -1), (-1, 0), (-1, 1), (-1, -1), (-1, 2), (-2, 0), (0, -2), (-2, 1)],
        *[(-1, -2), (-2, -1), (0, -3), (-3, 0), (-1, 3), (-1, -3), (-4, 0), (0, -4)],
        *[(-1, 4), (-1, 6), (-2, 2), (-2, -2), (-3, 1), (-2, 3)],
    ],
    np.int64,
)
END = len(NEAR_OFFSETS)  # place in `near` of the label at the end of the run above
NUM_NEAR = END + 1
CANDIDATE_ORDER = np.array([0, 1, 2, 3, 4, 5, 6, 7, END, 8, 9, 10, 11], np.int64)
MAX_CANDIDATES = 8
NUM_CONTEXTS = 14


@helper
def end_of_runs(row, ends):
    """For every place x of a padded row (int16): the first place right of x with another label, in int64 `ends`."""
    last = row.size - PAD
    ends[last] = last
    for x in range(last - 1, PAD - 1, -1):
        ends[x] = ends[x + 1] if row[x] == row[x + 1] else x + 1


@helper
def gather(buffer, y, x, ends, near):
    """Fill `near` for the pixel at (y, x) of the buffer."""
    for i in range(END):
        near[i] = buffer[y + NEAR_OFFSETS[i, 0], x + NEAR_OFFSETS[i, 1]]
    near[END] = buffer[y - 1, ends[x]]


@helper
def is_uniform(near, run):
    """Tell whether all close neighbours agree, and the run above goes on for long or to the edge."""
    west = near[0]
    if run < FAR and near[END] != OUTSIDE:
        return False
    for i in range(1, 10):
        if near[i] != west:
            return False
    return west != OUTSIDE


@helper
def find_candidates(near, order, ranks, candidates):
    """List the labels to ask for in an `order` of places in `near`; returns how many.

    `ranks` (257) is 4 for labels not listed.
    """
    count = 0
    for i in range(order.size):
        label = near[order[i]]
        if label != OUTSIDE and ranks[label] == 4:
            ranks[label] = min(count, 3)
            candidates[count] = label
            count += 1
            if count == MAX_CANDIDATES:
                break
    return count


@helper
def same_pattern(near):
    """Which of the closest neighbours agree: 0..31."""
    w, n, ne, nw = near[0], near[1], near[2], near[3]
    return (w == n) + 2 * (n == ne) + 4 * (w == nw) + 8 * (ne == near[4]) + 16 * (near[5] == n)


@helper
def run_bin(run):
    """Length of the run above in 8 steps."""
    if run < 4:
        return run
    return 4 if run < 6 else 5 if run < 9 else 6 if run < 16 else 7


@helper
def mix_hash(value, label):
    """Next 32-bit hash of a chain."""
    value = ((value + label + 1) * 0x2F0B4C47) & 0xFFFFFFFF
    return value ^ (value >> 15)


@helper
def _chain(value, near, first, second, third, fourth):
    for i in (first, second, third, fourth):
        value = mix_hash(value, near[i])
    return value


@helper
def hash_contexts(near, y_bin, x_bin, hashes):
    """Hashes of the contexts of a pixel; the candidate asked for joins them later."""
    square = _chain(1, near, 0, 1, 2, 3)
    wide = mix_hash(mix_hash(mix_hash(square, 2), near[6]), near[5])
    hashes[0] = mix_hash(0, near[0])
    hashes[1] = square
    hashes[2] = wide
    hashes[3] = mix_hash(mix_hash(square, near[4]), near[7])
    hashes[4] = mix_hash(mix_hash(mix_hash(mix_hash(square, 4), near[5]), near[11]), near[14])
    hashes[5] = _chain(mix_hash(square, 5), near, 6, 10, 15, 13)
    hashes[6] = mix_hash(mix_hash(_chain(6, near, 1, 2, 4, 12), near[16]), near[17])
    hashes[7] = mix_hash(_chain(mix_hash(wide, near[7]), near, 9, 18, 19, 4), 7)
    hashes[8] = mix_hash(mix_hash(mix_hash(8, near[0]), y_bin >> 1), x_bin)
    hashes[9] = _chain(mix_hash(9, y_bin), near, 0, 1, 2, END)
    hashes[10] = mix_hash(_chain(mix_hash(square, 10), near, 5, 7, 11, 20), near[21])
    hashes[11] = mix_hash(_chain(mix_hash(square, 11), near, 6, 10, 8, 13), near[19])
    hashes[12] = 12
    hashes[13] = _chain(mix_hash(hashes[7], 13), near, 8, 12, 10, 9)
