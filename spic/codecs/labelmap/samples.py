"""What the network sees of a known map, and what it should answer: the material of its training."""

import numpy as np

from spic.codecs.jit import kernel
from spic.codecs.labelmap import contexts as ctx
from spic.codecs.labelmap.model import forget, observe, survey
from spic.codecs.labelmap.network import NUM_FEATURES, OUTPUTS, describe


@kernel
def _samples(buffer, chosen, classes, features, answers):
    height, width = buffer.shape[0] - ctx.PAD, buffer.shape[1] - 2 * ctx.PAD
    near, ends = np.zeros(ctx.NUM_NEAR, np.int64), np.zeros(buffer.shape[1], np.int64)
    ranks, candidates = np.full(257, 4, np.int64), np.zeros(ctx.MAX_CANDIDATES, np.int64)
    ranks[ctx.OUTSIDE] = 5
    places, rows = np.zeros(7, np.int64), np.zeros(NUM_FEATURES, np.int64)
    memory = np.zeros(3, np.int64), np.zeros(buffer.shape[1], np.int64)
    history, steps = memory
    total = 0
    for row in range(height):
        y = row + ctx.PAD
        history[0] = history[1] = 0
        ctx.end_of_runs(buffer[y - 1], ends)
        for column in range(width):
            x = column + ctx.PAD
            ctx.gather(buffer, y, x, ends, near)
            run, label = ends[x] - x, np.int64(buffer[y, x])
            if chosen[row, column] and not ctx.is_uniform(near, run):
                count = survey(buffer, y, x, row, column, run, near, ranks, candidates, memory, places)
                describe(buffer, y, x, ranks, candidates, count, places, classes, rows)
                for i in range(NUM_FEATURES):
                    features[total, i] = rows[i]
                asked = min(count, OUTPUTS)
                rank = min(ranks[label], OUTPUTS) if ranks[label] < 4 else asked
                answers[total, 0], answers[total, 1] = min(rank, asked), asked
                total += 1
                forget(ranks, candidates, count)
            if label != near[0] or label != near[1]:
                observe(buffer, y, x, history, steps)
    return total


def samples(labels: np.ndarray, chosen: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Describe the modelled pixels of a map.

    Parameters
    ----------
    labels : numpy.ndarray
        uint8 (H, W).
    chosen : numpy.ndarray
        bool (H, W): the pixels to take.
    classes : int
        Classes that the network distinguishes, see `network.num_rows`.

    Returns
    -------
    features : numpy.ndarray
        uint16 (N, NUM_FEATURES): rows of the network's table.
    answers : numpy.ndarray
        uint8 (N, 2): which of the first candidates it was, and how many were asked for (equal where it was none).
    """
    buffer = np.full((labels.shape[0] + ctx.PAD, labels.shape[1] + 2 * ctx.PAD), ctx.OUTSIDE, np.int16)
    buffer[ctx.PAD :, ctx.PAD : -ctx.PAD] = labels
    count = int(chosen.sum())
    features, answers = np.zeros((count, NUM_FEATURES), np.uint16), np.zeros((count, 2), np.uint8)
    total = _samples(buffer, chosen, classes, features, answers)
    return features[:total], answers[:total]
