"""A metric of another package: how much of an image's colourfulness is kept (Hasler and Süsstrunk 2003)."""

import numpy as np

from spic.metrics import Metric


def colourfulness(image):
    """Colourfulness of uint8 (H, W, 3); 0 for grey images."""
    red, green, blue = image.astype(float).transpose(2, 0, 1)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    return np.hypot(*opponents.std(axis=(1, 2))) + 0.3 * np.hypot(*opponents.mean(axis=(1, 2)))


def kept(sample):
    """Colourfulness of the decoded image over that of the original; NaN where the original is grey."""
    before = colourfulness(sample.original)
    return colourfulness(sample.decoded) / before if before > 0 else float("nan")


COLOURFULNESS = Metric("colourfulness", "colourfulness kept", digits=2, compute=kept)
