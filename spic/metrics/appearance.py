"""Whether images look right, by counts that no network has a part in: colour, hatching, grid, pattern, texture.

Each is a ratio of sums over the pixels of some classes, by the ground truth or else by the SSM, and over a set the sums
add up. A decoder that pleases a segmenter by signals shows in the first four; one that blurs, or adds
noise, in the last. Luma and chroma are those of ITU-R BT.601, values 0..255.
"""

import numpy as np

from spic.metrics.columns import Metric
from spic.metrics.observations import Observation
from spic.metrics.statistics import Evidence
from spic.pictures.labels import LabelSpace

_PLANES = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))  # Y, Cb, Cr
_SMOOTH = (1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8)
GROUPS = {  # classes whose look is measured, by their names in the label spaces
    "objects": ("sign", "traffic sign", "pedestrian", "person", "bicyclist", "rider", "bicycle"),
    "tree": ("tree", "vegetation"),
    "road": ("road",),
    "pavement": ("pavement", "sidewalk"),
    "building": ("building",),
}
ARRAY, PLACES, PATTERN = "appearance", "grid_places", "pattern_places"
CHROMA, HATCHING, TEXTURE = range(3)  # second halves of the counts below


def group_map(labels: np.ndarray, space: LabelSpace) -> np.ndarray:
    """Number of the group of each pixel, uint8 like `labels`; `len(GROUPS)` where it is in none."""
    table = np.full(256, len(GROUPS), np.uint8)
    for number, names in enumerate(GROUPS.values()):
        table[[space.id(name) for name in names if name in space.classes]] = number
    return table[labels]


def appearance(image: np.ndarray, original: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sums over the pixels of each group of one image.

    Parameters
    ----------
    image, original : numpy.ndarray
        uint8 (H, W, 3) sRGB, sides at least 6.
    groups : numpy.ndarray
        uint8 (H, W) of `group_map`.

    Returns
    -------
    numpy.ndarray
        float64 (groups, 3, 2), pixels and sum: of (|Cb - Cb of the original| + |Cr - Cr of the original|) / 2; of
        |Laplacian of Cb| + |Laplacian of Cr|; of |difference of luma to the left| + |difference to above|.
    """
    y, cb, cr = _planes(image)
    _, cb0, cr0 = _planes(original)
    quantities = [
        ((np.abs(cb - cb0) + np.abs(cr - cr0)) / 2, groups),
        (_laplacian(cb) + _laplacian(cr), groups[1:-1, 1:-1]),
        (np.abs(np.diff(y, axis=1))[1:] + np.abs(np.diff(y, axis=0))[:, 1:], groups[1:, 1:]),
    ]
    count = len(GROUPS)
    sums = [
        [np.bincount(where.ravel(), weights, count + 1)[:count] for weights in (None, values.ravel())]
        for values, where in quantities
    ]
    return np.moveaxis(np.array(sums, np.float64), 2, 0)


def grid_places(image: np.ndarray) -> np.ndarray:
    """Sums of |Laplacian of luma| by its place in blocks of 2x2, then of 4x4 pixels: float64 (20,)."""
    laplacian = _laplacian(next(_planes(image)))
    return np.concatenate([_places(laplacian, period).ravel() for period in (2, 4)])


def pattern_places(image: np.ndarray) -> np.ndarray:
    """Sums of the detail of luma by its place in blocks of 4x4 pixels, then the sum of |detail|: float64 (17,).

    Detail is luma minus its mean over 5x5 pixels, weighted (1, 2, 2, 2, 1) / 8 along rows and along columns: no part of
    a pattern that repeats after 4 pixels is in that mean.
    """
    y = next(_planes(image))
    along = sum(weight * y[:, i : i + y.shape[1] - 4] for i, weight in enumerate(_SMOOTH))
    detail = y[2:-2, 2:-2] - sum(weight * along[i : i + y.shape[0] - 4] for i, weight in enumerate(_SMOOTH))
    height, width = (side // 4 * 4 for side in detail.shape)
    return np.append(_places(detail, 4), np.abs(detail[:height, :width]).sum(dtype=np.float64))


def pattern(evidence: Evidence, key: str) -> float:
    """How much of the detail of luma is one 4x4 pattern all over the set: its standard deviation over mean |detail|."""
    sums = evidence.scores[key].sum(axis=0)
    return _ratio(16 * sums[:16].std(), sums[16])


def colour_error(evidence: Evidence, key: str) -> float:
    """Mean difference of Cb and Cr to the original in small objects, 0..255; NaN without such pixels."""
    pixels, total = _sums(evidence, key, 0, "objects", CHROMA)
    return _ratio(total, pixels)


def relative(quantity: int, group: str):
    """A sum in a group over the original's: 1 as there.

    Of `HATCHING`, |Laplacian of Cb and Cr|, above 1 are coloured patterns; of `TEXTURE`, |gradient of luma|, below 1 is
    blur, above 1 noise.
    """

    def value(evidence: Evidence, key: str) -> float:
        own, original = (_sums(evidence, key, which, group, quantity)[1] for which in (0, 1))
        return _ratio(own, original)

    return value


def grid(period: int):
    """How much |Laplacian of luma| depends on the place in blocks of `period` (2 or 4): (max - min) / mean."""

    def value(evidence: Evidence, key: str) -> float:
        places = evidence.scores[key].sum(axis=0)[slice(4) if period == 2 else slice(4, None)]
        return _ratio(places.max() - places.min(), places.mean())

    return value


def _sums(evidence, key, which, group, quantity):
    """Pixels and sum over the set, (2,): of the reconstructions (0) or the originals (1)."""
    return evidence.scores[key][:, which].sum(axis=0)[list(GROUPS).index(group), quantity]


def _build(weights, device):
    def see(sample):
        labels, space = (sample.truth, sample.truth_space) if sample.truth is not None else (sample.ssm, sample.space)
        groups = group_map(labels, space)
        sums = [appearance(image, sample.original, groups) for image in (sample.decoded, sample.original)]
        image = sample.decoded
        return {ARRAY: np.stack(sums), PLACES: grid_places(image), PATTERN: pattern_places(image)}

    return see


def _planes(image):
    return (image.astype(np.float32) @ np.array(weights, np.float32) for weights in _PLANES)


def _laplacian(x):
    return np.abs(4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:])


def _places(values, period):
    height, width = (side // period for side in values.shape)
    return values[: height * period, : width * period].reshape(height, period, width, period).sum((0, 2), np.float64)


def _ratio(a, b) -> float:
    return float(a / b) if b > 0 else float("nan")


APPEARANCE = Observation("appearance", _build, paired=True, maps=True, version=2)
_ROW = {"observation": APPEARANCE, "interval": None, "each": None, "place": None}
_OF_GROUP = {**_ROW, "needs": ARRAY, "digits": 2}
_WORSE = {**_OF_GROUP, "lower_is_better": True}

COLUMNS = (
    Metric("colour_error", "colour error of small objects", value=colour_error, **_WORSE),
    Metric("hatching", "colour hatching of small objects", value=relative(HATCHING, "objects"), **_WORSE),
    Metric("hatching_tree", "colour hatching of trees", value=relative(HATCHING, "tree"), **_WORSE),
    *(
        Metric(f"grid{period}", f"grid of {period}x{period}", PLACES, value=grid(period), lower_is_better=True, **_ROW)
        for period in (2, 4)
    ),
    Metric("pattern4", "pattern of 4x4", PATTERN, value=pattern, lower_is_better=True, **_ROW),
    *(
        Metric(f"texture_{group}", f"texture, {group}", value=relative(TEXTURE, group), compared=False, **_OF_GROUP)
        for group in ("road", "pavement", "building", "tree")
    ),
)
