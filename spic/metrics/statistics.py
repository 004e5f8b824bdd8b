"""From what was recorded of each image to the numbers of one point: a value, its interval, a number of each image.

The functions take an `Evidence` and the name of an array in it, as a `Metric` of `spic.metrics.columns` calls them.
"""

from dataclasses import dataclass

import numpy as np

from spic.metrics import intervals
from spic.metrics.distortion import finite_psnr
from spic.metrics.frechet import frechet_distance, kid, squared_mmd
from spic.metrics.miou import mean_iou, mean_of_present, miou_per_picture, pixel_accuracy
from spic.metrics.objects import PERSONS, SIGNS, recall
from spic.metrics.rate import bpp

NAN = float("nan")
PAYLOADS = ("ssm", "coarse", "picture")  # what the paper's rate adds up
MAX_GROUPS = 20  # of a distance's jackknife: each is one more evaluation


@dataclass(frozen=True)
class Evidence:
    """All that was recorded of one point, N images, and how it is read.

    Attributes
    ----------
    scores : dict
        Arrays of each image, (N, ...), as `spic.benchmark.scores.read_scores` gives them.
    features, originals : dict
        Arrays of each reconstruction and of each original, as `spic.benchmark.scores.read_features` gives them.
    absent : str
        What a class without a pixel counts in `miou`: "skip" or "zero".
    interest : list of int or None
        Class ids of `miou_image`; None takes all.
    block : int
        Neighbouring images that an interval draws together.
    """

    scores: dict
    features: dict
    originals: dict
    absent: str = "skip"
    interest: list[int] | None = None
    block: int = 1

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.scores["names"])

    @property
    def arrays(self) -> list[str]:
        """Names of all arrays: those of scores, then features that both sides have."""
        return [*self.scores, *(key for key in self.features if key in self.originals and key not in self.scores)]


def each(evidence: Evidence, key: str) -> np.ndarray:
    """The number of each image as it was recorded, float64 (N,)."""
    return np.asarray(evidence.scores[key], np.float64)


def averaged(numbers) -> dict:
    """How a column is computed that is the mean over those images which have a number, NaN where none has.

    `numbers(evidence, key)` gives them, float64 (N,). Returns `value` and `interval` of a `Metric`.
    """

    def value(evidence: Evidence, key: str) -> float:
        return mean_of_present(numbers(evidence, key))

    def interval(evidence: Evidence, key: str) -> intervals.Interval:
        return intervals.mean_interval(numbers(evidence, key), block=evidence.block)

    return {"value": value, "interval": interval}


mean, mean_interval = averaged(each).values()  # of the numbers as they were recorded


def finite_psnr_each(evidence: Evidence, key: str) -> np.ndarray:
    """PSNR of each image, identical ones as `spic.metrics.distortion.finite_psnr` counts them."""
    samples = 3 * int(evidence.scores["height"]) * int(evidence.scores["width"])
    return finite_psnr(evidence.scores[key], samples)


def miou(evidence: Evidence, key: str) -> float:
    """Mean IoU from the totals of the set's confusion matrices, absent classes as the protocol says."""
    return mean_iou(evidence.scores[key].sum(axis=0), evidence.absent)


def miou_interval(evidence: Evidence, key: str) -> intervals.Interval:
    """Interval of that mean IoU."""
    return intervals.miou_interval(evidence.scores[key], evidence.absent, block=evidence.block)


def miou_each(evidence: Evidence, key: str) -> np.ndarray:
    """Mean IoU of each image over the classes in it."""
    return miou_per_picture(evidence.scores[key], None)


def miou_small(evidence: Evidence, key: str) -> float:
    """Mean IoU of signs and persons alone, from the totals of the set; NaN in a judge's label space without them."""
    classes = _signs_and_persons(evidence, key)
    return mean_iou(evidence.scores[key].sum(axis=0), evidence.absent, classes) if classes else NAN


def miou_small_interval(evidence: Evidence, key: str) -> intervals.Interval | None:
    """Interval of that mean IoU."""
    classes = _signs_and_persons(evidence, key)
    options = {"classes": classes, "block": evidence.block}
    return intervals.miou_interval(evidence.scores[key], evidence.absent, **options) if classes else None


def _signs_and_persons(evidence, key):
    classes = evidence.scores.get(key.replace("confusion_gt", "classes"), ())  # of the judge, not of the SSM
    return [i for i, name in enumerate(map(str, classes)) if name in (*PERSONS, *SIGNS)]


def miou_all(evidence: Evidence, key: str) -> float:
    """Mean IoU over all classes, absent ones as 0."""
    return mean_iou(evidence.scores[key].sum(axis=0), "zero")


def miou_of_interest_each(evidence: Evidence, key: str) -> np.ndarray:
    """The paper's mean IoU of each image, over the classes of interest."""
    return miou_per_picture(evidence.scores[key], evidence.interest)


def accuracy(evidence: Evidence, key: str) -> float:
    """Share of the pixels with one class in both maps."""
    return pixel_accuracy(evidence.scores[key].sum(axis=0))


def recall_of_set(evidence: Evidence, key: str) -> float:
    """Share of all small objects that are found."""
    return float(recall(evidence.scores[key].sum(axis=(0, 1, 2))))


def recall_interval(evidence: Evidence, key: str) -> intervals.Interval:
    """Interval of that share."""
    return intervals.recall_interval(evidence.scores[key].sum(axis=1), block=evidence.block)


def objects_each(what: str, persons: bool = False):
    """Number of small objects in each image, "found" or "total": of all classes, or of persons alone."""

    def count(evidence: Evidence, key: str) -> np.ndarray:
        chosen = evidence.scores["persons"] if persons else slice(None)
        counts = evidence.scores[key][:, chosen].sum(axis=(1, 2))
        return counts[:, ("found", "total").index(what)].astype(float)

    return count


def frechet(evidence: Evidence, key: str) -> float:
    """Fréchet distance of the features to those of the originals; NaN below two images."""
    if evidence.count < 2:
        return NAN
    originals, features = evidence.originals[key], evidence.features[key]
    return frechet_distance(*(found.reshape(-1, found.shape[-1]) for found in (originals, features)))


def kernel(evidence: Evidence, key: str):
    """KID of the features to those of the originals, and its spread; NaN below four images."""
    if evidence.count < 4:
        return NAN
    found = kid(evidence.originals[key], evidence.features[key])
    return found.mean, found.std


def rate(part: str) -> dict:
    """Bits per pixel spent on "bpp" (all payloads), "ssm", "coarse" or "file": `value` and `each` of a `Metric`."""

    def value(evidence: Evidence, key: str) -> float:
        scores, spent = evidence.scores, _spent(evidence.scores)[part]
        if spent is None:
            return NAN
        return bpp(int(spent.sum()), int(scores["height"]), int(scores["width"]) * evidence.count)

    def each(evidence: Evidence, key: str):
        spent, pixels = _spent(evidence.scores)[part], int(evidence.scores["height"]) * int(evidence.scores["width"])
        return NAN if spent is None else 8 * spent / pixels

    return {"value": value, "each": each}


def _spent(scores: dict) -> dict:
    """Bytes of each image by purpose, int64 (N,) or None where a method sends no such part."""
    spent = {key.removeprefix("bytes_"): scores[key] for key in scores if key.startswith("bytes_")}
    payloads = [spent[part] for part in PAYLOADS if part in spent]
    total = sum(payloads) if payloads else spent.get("file")
    return {"bpp": total, "ssm": spent.get("ssm"), "coarse": spent.get("coarse"), "file": spent.get("file", total)}


def _jackknife(distance):
    """The interval of a distance; None where leaving out a block leaves fewer than two images."""

    def interval(evidence: Evidence, key: str) -> intervals.Interval | None:
        block = max(evidence.block, -(-evidence.count // MAX_GROUPS))
        if evidence.count - block < 2:
            return None
        return intervals.distance_interval(distance, evidence.originals[key], evidence.features[key], block=block)

    return interval


frechet_interval, kernel_interval = _jackknife(frechet_distance), _jackknife(squared_mmd)
