"""Logistic mixing (M. Mahoney, "Adaptive weighing of context models for lossless data compression", 2005).

The logits of all contexts are weighed and summed; the weights, 1/65536 each, are learned while coding. Two sets of
weights are chosen by what the pixel's surroundings look like, and their sum is what counts.
"""

import numpy as np

from spic.codecs.jit import helper
from spic.codecs.labelmap.contexts import NUM_CONTEXTS
from spic.codecs.labelmap.logistic import COUNT_BITS, COUNT_LIMIT, LOGIT_LIMIT, SQUASH, STATE_BITS, STRETCH, TRUST

MORE_INPUTS = 2  # beside the contexts: a constant, and the network
_CONSTANT = 77
SETS_A, SETS_B = 4 * 32, 4 * 8 * 11


def fresh_weights(network: bool, contexts: int = NUM_CONTEXTS) -> np.ndarray:
    """int32 (SETS_A + SETS_B, contexts + MORE_INPUTS): what a mixer begins with that was never trained."""
    weights = np.zeros((SETS_A + SETS_B, contexts + MORE_INPUTS), np.int32)
    weights[:SETS_A, :-1] = 10500  # 0.16
    if network:
        weights[:SETS_A, :-1] = 0  # the network is trained, the contexts know nothing yet
        weights[:SETS_A, -1] = 65536
    return weights


@helper
def mix(tables, places, network_logit, weights, set_a, set_b, inputs):
    """16-bit probability of a 1; `inputs` keeps what it was made of."""
    total = np.int64(0)
    for i in range(places.size):
        value = np.int64(tables[i, places[i]])
        logit = np.int64(STRETCH[value >> (COUNT_BITS + STATE_BITS - 12)])
        inputs[i] = (logit * np.int64(TRUST[value & COUNT_LIMIT])) >> 8
    inputs[places.size] = _CONSTANT
    inputs[places.size + 1] = network_logit
    for i in range(inputs.size):
        total += (np.int64(weights[set_a, i]) + np.int64(weights[set_b, i])) * inputs[i]
    total >>= 16
    return np.int64(SQUASH[3072 + min(max(total, -LOGIT_LIMIT), LOGIT_LIMIT)])


@helper
def learn(weights, set_a, set_b, inputs, error):
    """Move both sets; `error` is (bit - probability) times the learning rate."""
    for i in range(inputs.size):
        step = (error * inputs[i] + (1 << 20)) >> 21
        weights[set_a, i] = min(max(np.int64(weights[set_a, i]) + step, -(1 << 24)), 1 << 24)
        weights[set_b, i] = min(max(np.int64(weights[set_b, i]) + step, -(1 << 24)), 1 << 24)
