"""The order of things for one pixel, the same for writing and reading.

1. Where all close neighbours agree, one adaptive probability says whether the pixel agrees too: nearly all pixels.
2. Elsewhere candidates are asked for one by one, each question with a probability mixed of many contexts.
3. A label that was not asked for is spelt bit by bit.
"""

import numpy as np

from spic.codecs.jit import helper, kernel
from spic.codecs.labelmap import contexts as ctx
from spic.codecs.labelmap.logistic import adapt, chance
from spic.codecs.labelmap.mixer import NUM_INPUTS, SETS_A, learn, mix
from spic.codecs.labelmap.network import NUM_FEATURES, OUTPUTS, describe, infer
from spic.codecs.labelmap.prior import RUN_BINS
from spic.codecs.labelmap.rangecoder import code_bit

SPELL_LIMIT = 32  # a spelt bit keeps at least 32 / 65536 for what it never saw


@helper
def _spell(data, coder, reading, births, west, label_bits, label):
    """Code a label bit by bit, in the context of the one to the west, or of none where that one is new here."""
    node = 1
    for place in range(label_bits - 1, -1, -1):
        bit = (label >> place) & 1
        own, common = west * 256 + node, (ctx.OUTSIDE + 1) * 256 + node
        seen = births[own] & 255
        p = chance(births[own] if seen > 1 else births[common], SPELL_LIMIT)
        bit = code_bit(data, coder, reading, p, bit)
        adapt(births, own, bit)
        adapt(births, common, bit)
        node = 2 * node + bit
    return node - (1 << label_bits)


@helper
def _row_history(changes, matches):
    """How the row so far followed the one above, 0..10: never broken after so many steps, or broken how often."""
    if changes == 0:
        return min(matches, 7)
    return 8 if changes * 4 <= matches else 9 if changes <= matches else 10


@helper
def _column_history(steps, total, width):
    """How often this column began something new, against the others, 0..15."""
    mean = 2 * total // width
    level = 0 if mean < 2 else 1 if mean < 5 else 2 if mean < 12 else 3
    twice = 2 * steps
    return 4 * level + (0 if twice == 0 else 1 if 4 * twice <= mean else 2 if 2 * twice <= mean else 3)


@helper
def observe(buffer, y, x, history, steps):
    """Count what the pixel just coded at (y, x) of the buffer did: `history` is [changes, matches, steps in all]."""
    here, west = buffer[y, x], buffer[y, x - 1]
    if here != west and west != ctx.OUTSIDE:
        steps[x] += 1
        history[2] += 1
        if here == buffer[y - 1, x]:
            history[1] += 1
    if here != buffer[y - 1, x]:
        history[0] += 1


@helper
def _ask(data, coder, reading, asked, tables, weights, rate, work):
    """Ask for the candidates one by one; returns the label, or -1 if it is none of them."""
    candidates, count, label, hashes, sets, logits = asked
    inputs, places = work
    mask = tables.shape[1] - 1
    for i in range(count):
        question = ctx.mix_hash(ctx.mix_hash(i, candidates[i]), 77)
        for j in range(ctx.NUM_CONTEXTS):
            places[j] = (ctx.mix_hash(hashes[j], question) >> 3) & mask
        kind = min(i, 3)
        set_a, set_b = kind * 32 + sets[0], SETS_A + kind * 88 + sets[1]
        p = mix(tables, places, logits[i] if i < OUTPUTS else 0, weights, set_a, set_b, inputs)
        bit = code_bit(data, coder, reading, p, 1 if candidates[i] == label else 0)
        learn(weights, set_a, set_b, inputs, ((bit << 16) - p) * rate)
        for j in range(ctx.NUM_CONTEXTS):
            adapt(tables[j], places[j], bit)
        if bit:
            return candidates[i]
    return -1


@helper
def survey(buffer, y, x, row, column, run, near, ranks, candidates, memory, places):
    """Find the candidates of a pixel and fill `places`, what else is known of it; returns how many candidates."""
    history, steps = memory
    height, width = buffer.shape[0] - ctx.PAD, buffer.shape[1] - 2 * ctx.PAD
    places[0], places[1], places[2], places[3] = row * 32 // height, column * 32 // width, row, column
    places[4] = ctx.run_bin(run) if near[1] == near[0] else 0
    places[5] = _row_history(history[0], history[1])
    places[6] = _column_history(steps[x], history[2], width)
    return ctx.find_candidates(near, ranks, candidates)


@helper
def forget(ranks, candidates, count):
    """Clear `ranks` for the next pixel."""
    for i in range(count):
        ranks[candidates[i]] = 4


@kernel
def code_rows(buffer, first, last, label_bits, data, coder, reading, states, network, classes, rate, memory):
    """Code the rows `first` to `last` - 1 of a map.

    Parameters
    ----------
    buffer : numpy.ndarray
        int16 (H + PAD, W + 2 PAD): the map in a frame of OUTSIDE; read where writing, filled where reading.
    first, last, label_bits : int
        Rows to code; bits that spell a label.
    data, coder, reading
        uint8 stream, state of the range coder, and whether it reads.
    states : tuple of numpy.ndarray
        What adapts, int32: states (NUM_CONTEXTS, 2^k) of the contexts, weights of the mixer, states (257 * RUN_BINS,)
        of uniform pixels and (258 * 256,) of spelt bits.
    network : tuple of numpy.ndarray
        The six arrays of `network.infer`; of length 0 where there is none.
    classes : int
        Classes that the network knows.
    rate : int
        Learning rate of the mixer, in 1/8192.
    memory : tuple of numpy.ndarray
        int64 `history` (3,) and `steps` (W + 2 PAD,): zeros before row 0, kept from call to call.
    """
    history, steps = memory
    tables, weights, runs, births = states
    height, width = buffer.shape[0] - ctx.PAD, buffer.shape[1] - 2 * ctx.PAD
    with_network = network[0].shape[0] > 0
    near, ends = np.zeros(ctx.NUM_NEAR, np.int64), np.zeros(buffer.shape[1], np.int64)
    ranks, candidates = np.full(257, 4, np.int64), np.zeros(ctx.MAX_CANDIDATES, np.int64)
    ranks[ctx.OUTSIDE] = 5
    hashes, logits = np.zeros(ctx.NUM_CONTEXTS, np.int64), np.zeros(OUTPUTS, np.int64)
    work = np.zeros(NUM_INPUTS, np.int64), np.zeros(ctx.NUM_CONTEXTS, np.int64)
    sets, places, rows = np.zeros(2, np.int64), np.zeros(7, np.int64), np.zeros(NUM_FEATURES, np.int64)
    hidden = np.zeros(network[1].size, np.int32), np.zeros(network[3].size, np.int32)
    for row in range(first, last):
        y = row + ctx.PAD
        history[0] = history[1] = 0
        ctx.end_of_runs(buffer[y - 1], ends)
        band = (row * 8 // height) * 2
        for column in range(width):
            x = column + ctx.PAD
            label = -1 if reading else np.int64(buffer[y, x])
            ctx.gather(buffer, y, x, ends, near)
            run = ends[x] - x
            if ctx.is_uniform(near, run):
                west = near[0]
                place = west * RUN_BINS + band + (run >= 2 * ctx.FAR)
                p = chance(runs[place], 1)
                bit = code_bit(data, coder, reading, 65536 - p, 1 if label == west else 0)
                adapt(runs, place, 1 - bit)
                label = west if bit else _spell(data, coder, reading, births, west, label_bits, label)
            else:
                count = survey(buffer, y, x, row, column, run, near, ranks, candidates, memory, places)
                sets[0] = ctx.same_pattern(near)
                sets[1] = places[4] * 11 + places[5]
                ctx.hash_contexts(near, places[0], places[1] >> 1, hashes)
                if with_network:
                    describe(buffer, y, x, ranks, candidates, count, places, classes, rows)
                    infer(rows, network, hidden[0], hidden[1], logits)
                forget(ranks, candidates, count)
                asked = candidates, count, label, hashes, sets, logits
                found = _ask(data, coder, reading, asked, tables, weights, rate, work)
                if found < 0:
                    found = _spell(data, coder, reading, births, near[0], label_bits, label)
                label = found
            buffer[y, x] = label
            if label != near[0] or label != near[1]:
                observe(buffer, y, x, history, steps)
            if reading and coder[3] - 4 > data.size:  # `overdrawn`; a row may have millions of pixels
                return
