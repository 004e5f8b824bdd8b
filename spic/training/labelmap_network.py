"""Training of the label-map coder's network in floats: sparse input, two layers, AdamW.

The input is a sum of about 120 rows of a table: an embedding bag.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

from spic.codecs.labelmap.network import LIMIT_1, LIMIT_2, OUTPUTS, UNIT


def start_parameters(hidden: tuple[int, int], rows: int, features: int, seed: int) -> list[np.ndarray]:
    """Six float32 arrays in the order of `network.infer`; the second layer's weights are (inputs, outputs)."""
    rng = np.random.default_rng(seed)
    first, second = hidden
    arrays = [
        rng.normal(0, features**-0.5, (rows, first)),
        np.full(first, 0.1),
        rng.normal(0, (2 / first) ** 0.5, (first, second)),
        np.full(second, 0.1),
        rng.normal(0, 0.1, (OUTPUTS, second)),
        np.zeros(OUTPUTS),
    ]
    return [array.astype(np.float32) for array in arrays]


def cost(features, answers, parameters) -> torch.Tensor:
    """Cross-entropy of the questions that are asked, in nats, summed over samples: scalar.

    Parameters
    ----------
    features, answers : torch.Tensor
        int64 (N, features of a pixel) rows of the table; int64 (N, 2), place of the label among the candidates and how
        many questions there are. The first one that is answered "yes" is the last.
    parameters : sequence of torch.Tensor
        As `start_parameters` orders them.
    """
    table, bias_1, weights_2, bias_2, weights_3, bias_3 = parameters
    first = (F.embedding_bag(features, table, mode="sum") + bias_1).clamp(0, LIMIT_1 / UNIT)
    second = (first @ weights_2 + bias_2).clamp(0, LIMIT_2 / UNIT)
    rank, questions = answers[:, :1], torch.arange(OUTPUTS)
    asked = (questions <= rank) & (questions < answers[:, 1:])
    yes = (questions == rank).float()
    return F.binary_cross_entropy_with_logits(second @ weights_3.T + bias_3, yes, asked.float(), reduction="sum")


def fit(features, answers, hidden, rows, steps, *, batch=512, rate=2e-3, decay=0.01, seed=0, report=None):
    """Train the network on samples (see `spic.codecs.labelmap.samples`) and return its float parameters.

    Parameters
    ----------
    features, answers : numpy.ndarray
        uint16 (N, features of a pixel) and uint8 (N, 2).
    hidden : (int, int)
        Widths of the two layers.
    rows, steps : int
        Rows of the table (see `network.num_rows`); steps of Adam.
    report : callable, optional
        Called with the step and the mean cost in bits per sample every 100 steps.
    """
    parameters = [
        torch.from_numpy(array).requires_grad_() for array in start_parameters(hidden, rows, features.shape[1], seed)
    ]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim == 2], "weight_decay": decay},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=rate,
    )
    rng, total = np.random.default_rng(seed), 0.0
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, step / 300) * (0.5 * (1 + math.cos(math.pi * step / steps)) + 0.002)
        chosen = rng.integers(0, len(features), batch)
        loss = cost(*(torch.from_numpy(a[chosen].astype(np.int64)) for a in (features, answers)), parameters) / batch
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        if step % 100 == 0 and report is not None:
            report(step, total / (100 * math.log(2)))
            total = 0.0
    return [p.detach().numpy() for p in parameters]


def quantized(parameters) -> tuple[np.ndarray, ...]:
    """The integer network of `spic.codecs.labelmap.network` nearest to float parameters."""
    table, bias_1, weights_2, bias_2, weights_3, bias_3 = parameters

    def whole(array, unit, dtype):
        info = np.iinfo(dtype)
        return np.clip(np.rint(array.astype(np.float64) * unit), info.min, info.max).astype(dtype)

    weights = [whole(array, UNIT, np.int16) for array in (table, weights_2, weights_3)]
    biases = [whole(bias_1, UNIT, np.int32), whole(bias_2, UNIT**2, np.int32), whole(bias_3, UNIT**2, np.int32)]
    return weights[0], biases[0], weights[1], biases[1], weights[2], biases[2]
