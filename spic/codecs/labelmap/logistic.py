"""Probabilities and their logits in integers, and the adaptive probability all parts of the model are made of.

A probability is 16 bits wide, 1..65535 of 65536; a logit ln(p / (1 - p)) is counted in 1/256. The tables come from
Python's exact integers, never from a float: they are the same on every machine.
"""

from fractions import Fraction

import numpy as np

from spic.codecs.jit import helper

LOGIT_ONE = 256  # units of a logit
LOGIT_LIMIT = 2900  # logits that `squash` is asked for stay within +-2900, probabilities within 1e-5
STRETCH_LIMIT = 2047
STATE_BITS = 22  # width of an adaptive probability; below it are COUNT_BITS of how often it was seen
COUNT_BITS = 8
COUNT_LIMIT = (1 << COUNT_BITS) - 1


def _squash_table() -> np.ndarray:
    """int32 (6144,): entry 3072 + x is 65536 / (1 + exp(-x / 256)), rounded down for x >= 0 and mirrored below."""
    one = 1 << 62
    step, term = Fraction(0), Fraction(1)
    for k in range(1, 16):  # exp(-1 / 256) as its power series
        step += term
        term *= Fraction(-1, LOGIT_ONE * k)
    step = step.numerator * one // step.denominator
    table, power = [0] * 6144, one
    for x in range(3072):
        p = min((one << 16) // (one + power), 65535)
        table[3072 + x], table[3072 - x] = p, 65536 - p
        power = power * step >> 62
    table[3072], table[0] = 32768, table[1]
    return np.array(table, np.int32)


def _stretch_table(squash: np.ndarray) -> np.ndarray:
    """int32 (4096,): the logit of the probability (16 i + 8) / 65536, at most +-2047."""
    logits = np.searchsorted(squash, np.arange(4096) * 16 + 8) - 3072
    return np.clip(logits, -STRETCH_LIMIT, STRETCH_LIMIT).astype(np.int32)


SQUASH = _squash_table()
STRETCH = _stretch_table(SQUASH)
# What a state that was seen n times moves by, in 1/65536: about 1 / (n + 1.6).
RATES = np.array([655360 // (10 * n + 16) for n in range(COUNT_LIMIT + 1)], np.int32)
# How much of its logit a state seen n times may say, in 1/256: nothing, then 0.3 rising to 1.3.
TRUST = np.array([0] + [77 + 256 * n // COUNT_LIMIT for n in range(1, COUNT_LIMIT + 1)], np.int32)


def state(probability: int, count: int = 0) -> int:
    """State of an adaptive probability that starts at `probability` / 65536 as if seen `count` times."""
    return probability << (STATE_BITS - 16 + COUNT_BITS) | count


@helper
def adapt(states, index, bit):
    """Move the state `states[index]` (int32) towards `bit`."""
    value = np.int64(states[index])
    count = value & COUNT_LIMIT
    p = value >> COUNT_BITS
    if bit:
        p += (((1 << STATE_BITS) - 1 - p) * np.int64(RATES[count])) >> 16
    else:
        p -= (p * np.int64(RATES[count])) >> 16
    if count < COUNT_LIMIT:
        count += 1
    states[index] = p << COUNT_BITS | count


@helper
def chance(value, margin):
    """16-bit probability of a state, kept `margin` away from 0 and 65536."""
    p = np.int64(value) >> (COUNT_BITS + STATE_BITS - 16)
    return min(max(p, margin), 65536 - margin)
