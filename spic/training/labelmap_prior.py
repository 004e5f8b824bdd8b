"""Recipe of the label-map coder's prior: the network on pixels of training maps, then what adapts, on whole maps.

The second half runs the actual coder over the maps, one after another, and keeps what it ends with: weights of the
mixer, chances of uniform pixels and of spelt labels. Its learning rate drops halfway.
"""

from collections.abc import Callable

import numpy as np

from spic.codecs.labelmap.network import num_rows
from spic.codecs.labelmap.prior import MAX_CLASSES, Prior, fresh_prior, pack_prior
from spic.codecs.labelmap.samples import samples
from spic.codecs.labelmap.stream import learned
from spic.errors import ConfigError, DataError
from spic.pictures.limits import MAX_PIXELS
from spic.training.labelmap_network import fit, quantized

HIDDEN = (128, 32)
SHARE = 0.3  # of a map's modelled pixels that the network is trained on: neighbours are nearly the same
RATES = (24, 8)  # of the mixer, in the two halves of the maps


def collect_maps(dataset, segmenter=None, leave_out: tuple[str, ...] = (), report=None) -> list[np.ndarray]:
    """Label maps of a data set, uint8 (H, W) at working size: ground truth, and the segmenter's where one is given.

    Parameters
    ----------
    dataset : spic.datasets.Dataset
        Its train split; images without labels give the segmenter's map only.
    segmenter : optional
        What `spic.segmentation.get_segmenter` returns; it must label in the data set's space.
    leave_out : tuple of str
        Images whose names start with one of these are skipped.
    report : callable, optional
        Called after each image.

    Raises
    ------
    DataError, ConfigError
        A file is damaged; the label spaces differ; nothing is left.
    """
    if segmenter is not None and segmenter.label_space.name != dataset.label_space.name:
        spaces = f"{segmenter.label_space.name} and {dataset.label_space.name}"
        raise ConfigError(f"segmenter and data set have different label spaces: {spaces}")

    def maps_of(i):
        seen = None if segmenter is None else segmenter.segment(dataset.picture(i)[None])[0]
        return [labels for labels in (dataset.labels(i), seen) if labels is not None]

    return collected(dataset, leave_out, maps_of, "no label maps to learn from", report)


def collected(dataset, leave_out: tuple[str, ...], of: Callable[[int], list], lacking: str, report) -> list:
    """What `of` makes of each image but those to leave out, joined; `DataError` where that is nothing."""
    found = []
    for i, name in enumerate(dataset.names):
        if not name.startswith(leave_out or ("/",)):
            found += of(i)
        if report is not None:
            report(i)
    if not found:
        raise DataError(f"{dataset.name}: {lacking}")
    return found


def train_prior(maps, steps: int, *, classes: int, hidden=HIDDEN, mixer_maps=None, seed=0, report=None) -> Prior:
    """Train a prior.

    Parameters
    ----------
    maps : sequence of numpy.ndarray
        uint8 (H, W) label maps: ground truth, and what the segmenter makes of the same images.
    steps : int
        Steps of the network's training, of 512 pixels each.
    classes : int
        Ids that matter, void counted; the network takes larger ones for one and the same.
    hidden : (int, int)
        Widths of the network's layers.
    mixer_maps : int, optional
        How many maps, drawn at random, the adaptive part sees; by default all.
    report : callable, optional
        Called with a short text and a cost now and then.

    Returns
    -------
    Prior
        Its tag is zeros: the tag proper is the hash of its file.

    Raises
    ------
    DataError, ConfigError
        No maps, or one of another type; settings out of range.
    """
    if steps < 1 or not 0 < classes < MAX_CLASSES or not 0 < hidden[0] <= 1024 or not 0 < hidden[1] <= 256:
        raise ConfigError(f"{steps} steps, {classes} classes, layers of {hidden[0]} and {hidden[1]}: out of range")
    if not len(maps):
        raise DataError("no label maps to learn from")
    for labels in maps:
        if labels.dtype != np.uint8 or labels.ndim != 2 or not 0 < labels.size <= MAX_PIXELS:
            raise DataError(f"expected uint8 (H, W), got {labels.dtype} {labels.shape}")
    rng = np.random.default_rng(seed)
    classes += 1  # one row for all other ids
    parts = [samples(labels, rng.random(labels.shape) < SHARE, classes) for labels in maps]
    network = trained_network(parts, hidden, num_rows(classes), steps, seed, report)
    chosen = [maps[i] for i in rng.permutation(len(maps))[:mixer_maps]]
    return adapted(fresh_prior(network, classes), chosen, learned, "maps", report)


def trained_network(parts: list, hidden, rows: int, steps: int, seed: int, report) -> tuple[np.ndarray, ...]:
    """The integer network, with so many rows of its table, of features and answers: `parts`, a list that is emptied."""
    features, answers = (np.concatenate([part[i] for part in parts]) for i in range(2))
    parts.clear()
    if not len(features):
        raise DataError("the label maps have no outlines to learn from")

    def step(number, bits):
        if report is not None:
            report(f"network, step {number} of {steps}: bits per pixel", bits)

    return quantized(fit(features, answers, hidden, rows, steps, seed=seed, report=step))


def adapted(prior: Prior, chosen: list, code: Callable, what: str, report) -> Prior:
    """A prior whose adaptive part has seen the maps or clips `chosen`; `code(item, prior, rate)`: bytes, next prior."""
    sizes = []
    for place, item in enumerate(chosen):
        size, prior = code(item, prior, RATES[2 * place >= len(chosen)])
        sizes.append(size)
    if report is not None:
        half = float(np.mean(sizes[len(sizes) // 2 :]))
        report(f"adaptive part, {len(chosen)} {what}: mean bytes of the second half", half)
    return prior


def write_prior(path, prior: Prior, about: dict) -> str:
    """Write a prior as weights (`PATH.safetensors`, `PATH.json` with `about`); returns the SHA-256 of its file."""
    import torch

    from spic.weights import write_weights

    state = {name: torch.from_numpy(array.copy()) for name, array in pack_prior(prior).items()}
    kind = "labelmap-after" if prior.after else "labelmap-prior"
    return write_weights(path, state, {"arch": kind, **about})
