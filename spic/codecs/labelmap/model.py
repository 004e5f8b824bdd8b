"""The order of things for one pixel, the same for writing and reading.

1. Where all close neighbours agree, one adaptive probability says whether the pixel agrees too: nearly all pixels.
2. Elsewhere candidates are asked for one by one, each question with a probability mixed of many contexts.
3. A label that was not asked for is spelt bit by bit.
"""

import numpy as np

from spic.codecs.jit import helper, kernel
from spic.codecs.labelmap import contexts as ctx
from spic.codecs.labelmap import previous
from spic.codecs.labelmap.logistic import adapt, chance
from spic.codecs.labelmap.mixer import MORE_INPUTS, SETS_A, learn, mix
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
        for j in range(places.size):
            places[j] = (ctx.mix_hash(hashes[j], question) >> 3) & mask
        kind = min(i, 3)
        set_a, set_b = kind * 32 + sets[0], SETS_A + kind * 88 + sets[1]
        p = mix(tables, places, logits[i] if i < OUTPUTS else 0, weights, set_a, set_b, inputs)
        bit = code_bit(data, coder, reading, p, 1 if candidates[i] == label else 0)
        learn(weights, set_a, set_b, inputs, ((bit << 16) - p) * rate)
        for j in range(places.size):
            adapt(tables[j], places[j], bit)
        if bit:
            return candidates[i]
    return -1


@helper
def look(maps, y, x, ends, near):
    """Fill `near` for the pixel at (y, x), and tell whether all around it agrees, in the maps before as well."""
    buffer, before = maps
    ctx.gather(buffer, y, x, ends, near)
    if before.shape[0] > 0:
        previous.gather(before, y, x, near)
        if not previous.is_still(near):
            return False
    return ctx.is_uniform(near, ends[x] - x)


@helper
def survey(maps, pixel, near, ranks, candidates, memory, places, classes, rows):
    """What is known of a pixel that does not agree with all around it: `places`, candidates and the network's `rows`.

    `pixel` is (y, x, length of the run above) in the buffer; returns how many candidates there are. `rows` is of length
    0 where there is no network. `forget` cleans `ranks`.
    """
    buffer, before = maps
    (history, steps), (y, x, run) = memory, pixel
    height, width = buffer.shape[0] - ctx.PAD, buffer.shape[1] - 2 * ctx.PAD
    row, column = y - ctx.PAD, x - ctx.PAD
    places[0], places[1], places[2], places[3] = row * 32 // height, column * 32 // width, row, column
    places[4] = ctx.run_bin(run) if near[1] == near[0] else 0
    places[5] = _row_history(history[0], history[1])
    places[6] = _column_history(steps[x], history[2], width)
    order = previous.CANDIDATE_ORDER if before.shape[0] > 0 else ctx.CANDIDATE_ORDER
    count = ctx.find_candidates(near, order, ranks, candidates)
    if rows.size > 0:
        describe(buffer, y, x, ranks, candidates, count, places, classes, rows)
        if before.shape[0] > 0:
            previous.describe(before, y, x, ranks, classes, rows)
    return count


@helper
def forget(ranks, candidates, count):
    """Clear `ranks` for the next pixel."""
    for i in range(count):
        ranks[candidates[i]] = 4


@helper
def _choose(near, places, temporal, hashes, sets):
    """Contexts of the mixer and the sets of its weights."""
    ctx.hash_contexts(near, places[0], places[1] >> 1, hashes)
    if temporal:
        previous.hash_contexts(near, places[0], places[1], hashes)
        previous.choose_sets(near, sets)
    else:
        sets[0] = ctx.same_pattern(near)
        sets[1] = places[4] * 11 + places[5]


@kernel
def code_rows(maps, first, last, label_bits, data, coder, reading, states, network, classes, rate, memory):
    """Code the rows `first` to `last` - 1 of a map.

    Parameters
    ----------
    maps : tuple of numpy.ndarray
        int16 (H + PAD, W + 2 PAD), the map in a frame of OUTSIDE, read where writing, filled where reading; and the
        maps before, as `previous` wants them, or none.
    first, last, label_bits : int
        Rows to code; bits that spell a label.
    data, coder, reading
        uint8 stream, state of the range coder, and whether it reads.
    states : tuple of numpy.ndarray
        What adapts, int32: states (contexts, 2^k) of the contexts, weights of the mixer, states (257 * RUN_BINS,) of
        uniform pixels and (258 * 256,) of spelt bits.
    network : tuple of numpy.ndarray
        The six arrays of `network.infer`; of length 0 where there is none.
    classes : int
        Classes that the network knows.
    rate : int
        Learning rate of the mixer, in 1/8192.
    memory : tuple of numpy.ndarray
        int64 `history` (3,) and `steps` (W + 2 PAD,): zeros before row 0, kept from call to call.
    """
    (buffer, before), (history, steps) = maps, memory
    tables, weights, runs, births = states
    height, width, temporal = buffer.shape[0] - ctx.PAD, buffer.shape[1] - 2 * ctx.PAD, before.shape[0] > 0
    near, ends = np.zeros(previous.NUM_NEAR, np.int64), np.zeros(buffer.shape[1], np.int64)
    ranks, candidates = np.full(257, 4, np.int64), np.zeros(ctx.MAX_CANDIDATES, np.int64)
    ranks[ctx.OUTSIDE] = 5
    hashes, logits = np.zeros(tables.shape[0], np.int64), np.zeros(OUTPUTS, np.int64)
    work = np.zeros(tables.shape[0] + MORE_INPUTS, np.int64), np.zeros(tables.shape[0], np.int64)
    sets, places = np.zeros(2, np.int64), np.zeros(7, np.int64)
    rows = np.zeros(0 if network[0].shape[0] == 0 else previous.FEATURES if temporal else NUM_FEATURES, np.int64)
    hidden = np.zeros(network[1].size, np.int32), np.zeros(network[3].size, np.int32)
    for row in range(first, last):
        y = row + ctx.PAD
        history[0] = history[1] = 0
        ctx.end_of_runs(buffer[y - 1], ends)
        band = (row * 8 // height) * 2
        for x in range(ctx.PAD, ctx.PAD + width):
            label = -1 if reading else np.int64(buffer[y, x])
            run = ends[x] - x
            if look(maps, y, x, ends, near):
                west = near[0]
                place = west * RUN_BINS + band + (run >= 2 * ctx.FAR)
                p = chance(runs[place], 1)
                bit = code_bit(data, coder, reading, 65536 - p, 1 if label == west else 0)
                adapt(runs, place, 1 - bit)
                label = west if bit else _spell(data, coder, reading, births, west, label_bits, label)
            else:
                count = survey(maps, (y, x, run), near, ranks, candidates, memory, places, classes, rows)
                if rows.size > 0:
                    infer(rows, network, hidden[0], hidden[1], logits)
                forget(ranks, candidates, count)
                _choose(near, places, temporal, hashes, sets)
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
