"""Training of the label-map coder's network in floats: sparse input, two layers, Adam; compiled with numba.

The input is a sum of about 120 rows of a table, which a numba loop does much faster than dense layers would.
"""

import numpy as np

from spic.codecs.jit import fast_helper, kernel
from spic.codecs.labelmap.network import LIMIT_1, LIMIT_2, NUM_FEATURES, OUTPUTS, UNIT, num_rows

_CLIP_1, _CLIP_2 = np.float32(LIMIT_1 / UNIT), np.float32(LIMIT_2 / UNIT)
_ZERO, _ONE = np.float32(0), np.float32(1)


def start_parameters(hidden: tuple[int, int], classes: int, seed: int) -> list[np.ndarray]:
    """Six float32 arrays in the order of `network.infer`; the second layer's weights are (inputs, outputs)."""
    rng = np.random.default_rng(seed)
    first, second = hidden
    arrays = [
        rng.normal(0, NUM_FEATURES**-0.5, (num_rows(classes), first)),
        np.full(first, 0.1),
        rng.normal(0, (2 / first) ** 0.5, (first, second)),
        np.full(second, 0.1),
        rng.normal(0, 0.1, (OUTPUTS, second)),
        np.zeros(OUTPUTS),
    ]
    return [array.astype(np.float32) for array in arrays]


@fast_helper
def _forward(rows, parameters, sums_1, sums_2, logits):
    table, bias_1, weights_2, bias_2, weights_3, bias_3 = parameters
    sums_1[:] = bias_1
    for i in range(rows.size):
        row = table[rows[i]]
        for j in range(sums_1.size):
            sums_1[j] += row[j]
    sums_2[:] = bias_2
    for j in range(sums_1.size):
        value = min(sums_1[j], _CLIP_1)
        if value > 0:
            row = weights_2[j]
            for k in range(sums_2.size):
                sums_2[k] += value * row[k]
    for i in range(OUTPUTS):
        total = bias_3[i]
        for k in range(sums_2.size):
            total += weights_3[i, k] * min(max(sums_2[k], _ZERO), _CLIP_2)
        logits[i] = total


@kernel(fastmath=True)
def gradients(features, answers, chosen, parameters, grads):
    """Add the gradients of the chosen samples to `grads` (arrays like `parameters`); returns their cost in nats.

    With `grads[1].size == 0` only the cost is computed.
    """
    weights_2, weights_3 = parameters[2], parameters[4]
    g_table, g_bias_1, g_weights_2, g_bias_2, g_weights_3, g_bias_3 = grads
    sums_1, d_1 = np.zeros(weights_2.shape[0], np.float32), np.zeros(weights_2.shape[0], np.float32)
    sums_2, d_2 = np.zeros(weights_2.shape[1], np.float32), np.zeros(weights_2.shape[1], np.float32)
    logits, d_logits = np.zeros(OUTPUTS, np.float32), np.zeros(OUTPUTS, np.float32)
    cost = 0.0
    for sample in chosen:
        rows = features[sample]
        _forward(rows, parameters, sums_1, sums_2, logits)
        rank, asked = np.int64(answers[sample, 0]), np.int64(answers[sample, 1])
        d_logits[:] = 0
        for i in range(min(rank + 1, asked)):
            p = _ONE / (_ONE + np.exp(-logits[i]))
            cost -= np.log(max(p if rank == i else _ONE - p, np.float32(1e-6)))
            d_logits[i] = p - (_ONE if rank == i else _ZERO)
        if g_bias_1.size == 0:
            continue
        d_2[:] = 0
        for i in range(OUTPUTS):
            if d_logits[i] != 0:
                g_bias_3[i] += d_logits[i]
                for k in range(sums_2.size):
                    g_weights_3[i, k] += d_logits[i] * min(max(sums_2[k], _ZERO), _CLIP_2)
                    d_2[k] += d_logits[i] * weights_3[i, k]
        for k in range(sums_2.size):
            if sums_2[k] <= 0 or sums_2[k] >= _CLIP_2:
                d_2[k] = 0
            g_bias_2[k] += d_2[k]
        for j in range(sums_1.size):
            d_1[j] = 0
            if sums_1[j] > 0:
                value, row, g_row = min(sums_1[j], _CLIP_1), weights_2[j], g_weights_2[j]
                total = _ZERO
                for k in range(sums_2.size):
                    g_row[k] += value * d_2[k]
                    total += row[k] * d_2[k]
                if sums_1[j] < _CLIP_1:
                    d_1[j] = total
            g_bias_1[j] += d_1[j]
        for i in range(rows.size):
            g_row = g_table[rows[i]]
            for j in range(d_1.size):
                g_row[j] += d_1[j]
    return cost


@kernel(fastmath=True)
def adam(weights, gradient, mean, square, rate, step, count, decay):
    """One step of Adam (Kingma and Ba, 2015) with decoupled weight decay on flat float32 arrays; clears `gradient`."""
    scale_1 = np.float32(rate / (1 - 0.9**step))
    scale_2 = np.float32(1 / (1 - 0.999**step))
    share, shrink = np.float32(1 / count), np.float32(1 - decay * rate)
    b_1, b_2 = np.float32(0.9), np.float32(0.999)
    for i in range(weights.size):
        g = gradient[i] * share
        gradient[i] = 0
        mean[i] = mean[i] * b_1 + g * (_ONE - b_1)
        square[i] = square[i] * b_2 + g * g * (_ONE - b_2)
        weights[i] = weights[i] * shrink - scale_1 * mean[i] / (np.sqrt(square[i] * scale_2) + np.float32(1e-8))


def fit(features, answers, hidden, classes, steps, *, batch=512, rate=2e-3, decay=0.01, seed=0, report=None):
    """Train the network on samples (see `spic.codecs.labelmap.samples`) and return its float parameters.

    Parameters
    ----------
    features, answers : numpy.ndarray
        uint16 (N, NUM_FEATURES) and uint8 (N, 2).
    hidden : (int, int)
        Widths of the two layers.
    classes, steps : int
        Classes that the table knows (see `network.num_rows`); steps of Adam.
    report : callable, optional
        Called with the step and the mean cost in bits per sample every 100 steps.
    """
    parameters = start_parameters(hidden, classes, seed)
    grads = [np.zeros_like(array) for array in parameters]
    moments = [(np.zeros(array.size, np.float32), np.zeros(array.size, np.float32)) for array in parameters]
    rng, cost = np.random.default_rng(seed), 0.0
    for step in range(1, steps + 1):
        chosen = rng.integers(0, len(features), batch)
        cost += gradients(features, answers, chosen, tuple(parameters), tuple(grads))
        now = rate * min(1, step / 300) * (0.5 * (1 + np.cos(np.pi * step / steps)) + 0.002)
        for array, grad, (mean, square) in zip(parameters, grads, moments, strict=True):
            shrink = decay if array.ndim == 2 else 0.0
            adam(array.reshape(-1), grad.reshape(-1), mean, square, now, step, batch, shrink)
        if step % 100 == 0 and report is not None:
            report(step, cost / (100 * batch * np.log(2)))
            cost = 0.0
    return parameters


def quantized(parameters) -> tuple[np.ndarray, ...]:
    """The integer network of `spic.codecs.labelmap.network` nearest to float parameters."""
    table, bias_1, weights_2, bias_2, weights_3, bias_3 = parameters

    def whole(array, unit, dtype):
        info = np.iinfo(dtype)
        return np.clip(np.rint(array.astype(np.float64) * unit), info.min, info.max).astype(dtype)

    weights = [whole(array, UNIT, np.int16) for array in (table, weights_2, weights_3)]
    biases = [whole(bias_1, UNIT, np.int32), whole(bias_2, UNIT**2, np.int32), whole(bias_3, UNIT**2, np.int32)]
    return weights[0], biases[0], weights[1], biases[1], weights[2], biases[2]
