"""Recipe of the label-map coder's prior for clips: what a map looks like after the ones before.

Training images of a street are seldom a clip. So each of them is made into a short one: the camera turns and drives a
little, brightness and noise change from frame to frame, and the segmenter labels what it sees. What the prior must know
of a segmenter, how its outlines move and flicker, is there; moving things are not.
"""

import numpy as np

from spic.codecs.labelmap import previous
from spic.codecs.labelmap.clip import MapsEncoder
from spic.codecs.labelmap.coder import frames_before
from spic.codecs.labelmap.prior import Prior, fresh_prior
from spic.codecs.labelmap.samples import samples
from spic.codecs.smooth import Smoother
from spic.errors import ConfigError, DataError
from spic.training.labelmap_prior import HIDDEN, adapted, collected, trained_network

FRAMES = 6
SHARE, FIRST_SHARE = 0.03, 0.006  # of the modelled pixels that the network is trained on; of a map with one map before
_ZOOM, _TURN, _SHAKE, _NOISE, _LIGHT = 0.025, 1.2, 0.6, 2.5, 0.01


def shaken(image: np.ndarray, rng: np.random.Generator, frames: int = FRAMES):
    """Yield the frames, uint8 (H, W, 3), of a short clip made of one image by a camera that turns and drives."""
    import torch
    from torch.nn import functional as F

    source = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    height, width = image.shape[:2]
    speed, turn = rng.uniform(0, _ZOOM), rng.normal(0, _TURN)
    zoom, right, down = 1 + rng.uniform(0, 0.02), 0.0, 0.0
    for _ in range(frames):
        place = [[1 / zoom, 0, 2 * right / width], [0, 1 / zoom, 2 * down / height]]
        grid = F.affine_grid(torch.tensor([place], dtype=torch.float32), source.shape, align_corners=False)
        seen = F.grid_sample(source, grid, mode="bicubic", padding_mode="border", align_corners=False)[0]
        seen = seen.permute(1, 2, 0).numpy() * (1 + rng.normal(0, _LIGHT)) + rng.normal(0, _NOISE, image.shape)
        yield np.rint(np.clip(seen, 0, 255)).astype(np.uint8)
        zoom *= 1 + speed * rng.uniform(0.8, 1.2)
        right, down = right + turn + rng.normal(0, _SHAKE / 2), down + rng.normal(0, _SHAKE)


def collect_clips(dataset, segmenter, leave_out: tuple[str, ...] = (), seed: int = 0, report=None) -> list[np.ndarray]:
    """Label maps of a short clip for every image of a data set, uint8 (FRAMES, H, W) each.

    Images whose names start with one of `leave_out` are skipped; `report` is called with the number of each one done.
    """

    def clip_of(i):
        frames = shaken(dataset.picture(i), np.random.default_rng((seed, i)))
        return [np.stack([segmenter.segment(frame[None])[0] for frame in frames])]

    return collected(dataset, leave_out, clip_of, "no images to make clips of", report)


def smoothed(clip: np.ndarray) -> np.ndarray:
    """A clip of maps as `spic.codecs.smooth` makes it; the last map, which has no next one, is left out."""
    smoother = Smoother()
    return np.stack([smoother.push(labels) for labels in clip][1:])


def train_after(clips, steps: int, *, classes: int, hidden=HIDDEN, mixer_maps=None, seed=0, report=None) -> Prior:
    """Train a prior of P maps.

    Parameters
    ----------
    clips : sequence of numpy.ndarray
        uint8 (T, H, W) label maps, T at least 3.
    steps : int
        Steps of the network's training, of 512 pixels each.
    classes : int
        Ids that matter, void counted.
    hidden : (int, int)
        Widths of the network's layers.
    mixer_maps : int, optional
        How many clips, drawn at random, the adaptive part sees; by default all.
    report : callable, optional
        Called with a short text and a cost now and then.

    Returns
    -------
    Prior
        Its tag is zeros: the tag proper is the hash of its file.

    Raises
    ------
    DataError, ConfigError
        No clips, or too short ones; settings out of range.
    """
    if steps < 1:
        raise ConfigError(f"{steps} steps: expected 1 or more")
    if not len(clips) or any(clip.dtype != np.uint8 or clip.ndim != 3 or len(clip) < 3 for clip in clips):
        raise DataError("expected clips of label maps, uint8 (T, H, W) of 3 maps or more")
    rng = np.random.default_rng(seed)
    classes += 1  # one row for all other ids
    clips = [seen for clip in clips for seen in (clip, smoothed(clip))]
    parts = [part for clip in clips for part in _described(clip, rng, classes)]
    network = trained_network(parts, hidden, previous.num_rows_after(classes), steps, seed, report)
    chosen = [clips[i] for i in rng.permutation(len(clips))[:mixer_maps]]
    return adapted(fresh_prior(network, classes, after=True), chosen, _learned, "clips", report)


def _learned(clip, prior, rate):
    coder = MapsEncoder(None, prior, rate)
    sizes = [len(coder.encode(labels)) for labels in clip]
    return float(np.mean(sizes[1:])), coder.learned()


def _described(clip, rng, classes):
    """Features and answers of a share of the modelled pixels of each P map."""
    for i in range(1, len(clip)):
        before = frames_before(clip[i - 1], clip[max(i - 2, 0)])
        chosen = rng.random(clip[i].shape) < (SHARE if i > 1 else FIRST_SHARE)
        yield samples(clip[i], chosen, classes, before)
