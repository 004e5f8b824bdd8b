"""Lovasz-softmax against its definition over sets of pixels."""

import numpy as np
import pytest
import torch

from spic.metrics.miou import confusion_matrix, mean_iou
from spic.training.lovasz import lovasz_softmax

CLASSES, VOID = 4, 7


def defined(shares, labels):
    """The same from sets: errors in falling order, each times what its pixel adds to 1 - IoU. (classes, n), (n,)."""
    losses = []
    for c in sorted(set(labels[labels != VOID])):
        truth = {i for i, label in enumerate(labels) if label == c}
        errors = {i: abs((i in truth) - shares[c, i]) for i in range(len(labels)) if labels[i] != VOID}
        wrong, before, loss = set(), 0.0, 0.0
        for i in sorted(errors, key=errors.get, reverse=True):
            wrong.add(i)
            now = 1 - len(truth - wrong) / len(truth | wrong)
            loss, before = loss + errors[i] * (now - before), now
        losses.append(loss)
    return np.mean(losses)


def test_against_the_definition():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(2, CLASSES, 3, 5)).astype(np.float32)).requires_grad_()
    labels = rng.choice([0, 1, 3, VOID], size=(2, 3, 5))  # class 2 is not there
    shares = logits.softmax(1).permute(1, 0, 2, 3).reshape(CLASSES, -1).detach().numpy()
    loss = lovasz_softmax(logits, torch.from_numpy(labels), VOID)
    assert loss.item() == pytest.approx(defined(shares, labels.ravel()), abs=1e-6)
    loss.backward()
    unknown = torch.from_numpy(labels == VOID)[:, None].expand_as(logits)
    assert not logits.grad[unknown].any() and logits.grad[~unknown].abs().max() > 1e-3


def test_certain_maps_have_their_mean_iou():
    rng = np.random.default_rng(1)
    labels, maps = rng.integers(CLASSES, size=(2, 2, 6, 8))
    logits = 60 * torch.nn.functional.one_hot(torch.from_numpy(maps), CLASSES).permute(0, 3, 1, 2).float()
    loss = lovasz_softmax(logits, torch.from_numpy(labels), VOID).item()
    expected = mean_iou(confusion_matrix(labels.astype(np.uint8), maps.astype(np.uint8), CLASSES, VOID))
    assert loss == pytest.approx(1 - expected, abs=1e-5)
    assert lovasz_softmax(logits, torch.full((2, 6, 8), VOID), VOID).item() == 0
