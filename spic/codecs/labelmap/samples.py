"""What the network sees of a known map, and what it should answer: the material of its training."""

import numpy as np

from spic.codecs.jit import kernel
from spic.codecs.labelmap import contexts as ctx
from spic.codecs.labelmap import previous
from spic.codecs.labelmap.coder import NOTHING_BEFORE
from spic.codecs.labelmap.model import forget, look, observe, survey
from spic.codecs.labelmap.network import NUM_FEATURES, OUTPUTS


@kernel
def _samples(maps, chosen, classes, features, answers):
    buffer = maps[0]
    height, width = buffer.shape[0] - ctx.PAD, buffer.shape[1] - 2 * ctx.PAD
    near, ends = np.zeros(previous.NUM_NEAR, np.int64), np.zeros(buffer.shape[1], np.int64)
    ranks, candidates = np.full(257, 4, np.int64), np.zeros(ctx.MAX_CANDIDATES, np.int64)
    ranks[ctx.OUTSIDE] = 5
    places, rows = np.zeros(7, np.int64), np.zeros(features.shape[1], np.int64)
    memory = np.zeros(3, np.int64), np.zeros(buffer.shape[1], np.int64)
    history, steps = memory
    total = 0
    for row in range(height):
        y = row + ctx.PAD
        history[0] = history[1] = 0
        ctx.end_of_runs(buffer[y - 1], ends)
        for column in range(width):
            x = column + ctx.PAD
            run, label = ends[x] - x, np.int64(buffer[y, x])
            if not look(maps, y, x, ends, near) and chosen[row, column]:
                count = survey(maps, (y, x, run), near, ranks, candidates, memory, places, classes, rows)
                for i in range(rows.size):
                    features[total, i] = rows[i]
                asked = min(count, OUTPUTS)
                rank = min(ranks[label], OUTPUTS) if ranks[label] < 4 else asked
                answers[total, 0], answers[total, 1] = min(rank, asked), asked
                total += 1
                forget(ranks, candidates, count)
            if label != near[0] or label != near[1]:
                observe(buffer, y, x, history, steps)
    return total


def samples(
    labels: np.ndarray, chosen: np.ndarray, classes: int, before: np.ndarray = NOTHING_BEFORE
) -> tuple[np.ndarray, np.ndarray]:
    """Describe the modelled pixels of a map.

    Parameters
    ----------
    labels : numpy.ndarray
        uint8 (H, W).
    chosen : numpy.ndarray
        bool (H, W): the pixels to take.
    classes : int
        Classes that the network distinguishes, see `network.num_rows`.
    before : numpy.ndarray
        The maps before, as `coder.frames_before` gives them, or none.

    Returns
    -------
    features : numpy.ndarray
        uint16 (N, NUM_FEATURES or previous.FEATURES): rows of the network's table.
    answers : numpy.ndarray
        uint8 (N, 2): which of the first candidates it was, and how many were asked for (equal where it was none).
    """
    buffer = np.full((labels.shape[0] + ctx.PAD, labels.shape[1] + 2 * ctx.PAD), ctx.OUTSIDE, np.int16)
    buffer[ctx.PAD :, ctx.PAD : -ctx.PAD] = labels
    count = int(chosen.sum())
    width = previous.FEATURES if before.shape[0] else NUM_FEATURES
    features, answers = np.zeros((count, width), np.uint16), np.zeros((count, 2), np.uint8)
    total = _samples((buffer, before), chosen, classes, features, answers)
    return features[:total].copy(), answers[:total].copy()  # not the memory of all that were chosen
