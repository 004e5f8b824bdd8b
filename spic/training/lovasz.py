"""Lovasz-softmax: a loss that stands for mean IoU."""

import torch


def lovasz_softmax(logits: torch.Tensor, labels: torch.Tensor, void: int) -> torch.Tensor:
    """Mean over the classes present of the Lovasz extension of 1 - IoU, over all pixels of a batch at once.

    Source: Berman et al. 2018, algorithm 1. Pixels of `void` have no error, so that they weigh nothing, and shapes stay
    fixed.

    Parameters
    ----------
    logits : torch.Tensor
        float32 (N, classes, H, W).
    labels : torch.Tensor
        int64 (N, H, W), `void` or an id below `classes`.

    Returns
    -------
    torch.Tensor
        Scalar in [0, 1].
    """
    classes = logits.shape[1]
    known = (labels != void).flatten()
    shares = logits.softmax(1).transpose(0, 1).flatten(1)  # (classes, pixels)
    ids = torch.arange(classes, device=labels.device)[:, None]
    truth = ((labels.flatten() == ids) & known).float()
    errors, order = ((truth - shares).abs() * known).sort(dim=1, descending=True)
    truth = truth.gather(1, order)
    total = truth.sum(1, keepdim=True)
    jaccard = 1 - (total - truth.cumsum(1)) / (total + (1 - truth).cumsum(1))
    growth = torch.diff(jaccard, dim=1, prepend=torch.zeros_like(total))
    present = (total > 0).float()[:, 0]
    return ((errors * growth).sum(1) * present).sum() / present.sum().clamp(min=1)
