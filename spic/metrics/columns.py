"""What a metric is: a row of this table is a column of the benchmark's tables.

Everything that reads or shows a metric looks here: `spic.benchmark.summary` computes the columns in a loop over the
rows, and the tables, figures, claims, first page, gallery and the documentation's tables take label, unit, digits and
direction from them. docs/metrics.md says what the numbers mean, docs/extending.md how to add one:

- in this package: a module of `spic.metrics` with a tuple `COLUMNS`, a file of its own;
- in another package: an entry point of the group `spic.metrics` whose value is a `Metric`, an `Observation`, or a tuple
  of them. Built-in names win.
"""

import functools
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np

from spic import plugins
from spic.errors import ConfigError, DataError
from spic.metrics import statistics as of
from spic.metrics.observations import DISTORTION, INCEPTION, LITE0, LPIPS, Observation

GROUP = "spic.metrics"
NOT_METRICS = ("run", "protocol", "method", "point", "n", "name", "metric", "ssm_source")  # other columns of the tables


@dataclass(frozen=True)
class Metric:
    """One column of the tables, or a family of them.

    Attributes
    ----------
    name : str
        The column. One "*" makes a family: it stands for what "*" in `needs` stands for, a judge or a class.
    label : str
        What pages call it; "*" as in `name`.
    needs : str
        The array that it is computed from, `name` by default; the column is empty where that was not recorded:
        `confusion`, `confusion_gt` (segmenter's maps against those of the original, against ground truth),
        `confusion_judge`, `objects` (the judge), `confusion_by_<name>`, `confusion_gt_by_<name>` (a further judge),
        `names` (nothing but the images), or what an observation records.
    unit : str
        "dB" and so on; empty for numbers without one.
    digits : int
        Decimals where people read it.
    lower_is_better : bool
        Direction.
    compared : bool
        Whether methods are compared by it at equal rate (matched.csv, bd.csv); not so for rates.
    place : int or None
        Place on the first page, low numbers first; None leaves it out there and under the gallery's images.
    axis, short : str
        Its name on an axis and in narrow places; `label` (with the unit) by default.
    value : callable or None
        `value(evidence, needs) -> float`, or (float, spread), over the set (see `spic.metrics.statistics`): by default
        the mean over the images. None: the column is in the table of images only.
    interval : callable or None
        `interval(evidence, needs) -> (low, high)`, or None where there are too few images; None if it has none.
    each : callable or None
        `each(evidence, needs) -> float64 (N,)`, for the table of images; None for what only a set has.
    observation : Observation, optional
        What records the array. None where the stages do so by themselves (segmenter, judge, bytes).
    compute : callable, optional
        Instead: `compute(sample) -> float` from the pixels and maps of one image (`spic.metrics.Sample`).

    Raises
    ------
    ConfigError
        The name cannot be a column, or there is nothing to compute.
    """

    name: str
    label: str
    needs: str = ""
    unit: str = ""
    digits: int = 3
    lower_is_better: bool = False
    compared: bool = True
    place: int | None = 99
    axis: str = ""
    short: str = ""
    value: Callable | None = of.mean
    interval: Callable | None = of.mean_interval
    each: Callable | None = of.each
    observation: Observation | None = None
    compute: Callable | None = None

    def __post_init__(self):
        wrong = self.name in NOT_METRICS or self.name.endswith(("_low", "_high")) or self.name.count("*") > 1
        if wrong or not re.fullmatch(r"[a-z][a-z0-9_*-]*", self.name):
            raise ConfigError(f"metric {self.name!r}: not a name that a column may have")
        if self.compute is not None and (self.observation or "*" in self.name or self.needs not in ("", self.name)):
            raise ConfigError(f"metric {self.name!r}: compute gives one column; a family needs an observation")
        if self.value is None and self.each is None:
            raise ConfigError(f"metric {self.name!r}: neither a value over the set nor one of each image")
        for field, text in {"needs": self.name, "axis": self.with_unit, "short": self.label}.items():
            if not getattr(self, field):
                object.__setattr__(self, field, text)

    @property
    def with_unit(self) -> str:
        """Label, unit in brackets: "PSNR (dB)"."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def recorded_by(self) -> Observation | None:
        """What records the array: `observation`, or one that calls `compute`."""
        return _observing(self.name, self.compute) if self.compute is not None else self.observation

    @property
    def form(self) -> str:
        """Format of a value for readers: "{:.1f} dB"."""
        return f"{{:.{self.digits}f}} {self.unit}".rstrip()

    @property
    def signed_form(self) -> str:
        """Format of a difference: "{:+.1f} dB"."""
        return self.form.replace(":", ":+")

    def called(self, what: str) -> "Metric":
        """The member of a family that is called `what`: its "*" replaced."""
        fields = ("name", "label", "needs", "axis", "short")
        return replace(self, **{field: getattr(self, field).replace("*", what) for field in fields})


def registered() -> tuple[Metric, ...]:
    """Every row: the table below, modules of this package, then other packages; `ConfigError` if one cannot be used."""
    return tuple(thing for thing in _registered() if isinstance(thing, Metric))


def observations() -> dict[str, Observation]:
    """What is recorded of images for all rows, by name; `ConfigError` where two different ones have one name."""
    found = {}
    for thing in _registered():
        one = thing.recorded_by if isinstance(thing, Metric) else thing
        if one is not None and found.setdefault(one.name, one) != one:
            raise ConfigError(f"two metrics record {one.name!r} in different ways; rename one of them")
    return found


def columns_of(arrays: Iterable[str]) -> list[Metric]:
    """Every row, families replaced by their members among the names of arrays that were recorded."""
    return _members(arrays, lambda row: row.needs, keep=True)


def columns_in(table: Iterable[str]) -> list[Metric]:
    """The rows that a table with these column names has, in the order of the registry."""
    names = list(table)
    ends = {f"{name}_{end}" for name in names for end in ("low", "high")}  # of intervals
    return _members([name for name in names if name not in ends], lambda row: row.name, keep=False)


def column(name: str) -> Metric:
    """The row of one column; `DataError` if no metric has that name."""
    for row in columns_in([name]):
        return row
    raise DataError(f"no metric is called {name!r}")


def _members(names: Iterable[str], pattern_of: Callable, keep: bool) -> list[Metric]:
    """Rows in order; families by which `names` match, plain rows if their name does or all of them (`keep`)."""
    names, rows = list(dict.fromkeys(names)), registered()
    plain = {row.name for row in rows if "*" not in row.name}
    found = []
    for row in rows:
        if row.name in plain:
            found += [row] * (keep or row.name in names)
            continue
        before, after = map(re.escape, pattern_of(row).split("*"))
        matches = filter(None, (re.fullmatch(f"{before}(.+){after}", name) for name in names))
        found += [member for member in (row.called(match[1]) for match in matches) if member.name not in plain]
    return found


@functools.cache
def _registered() -> tuple:
    """Rows and bare observations; the first of a name wins."""
    modules = sorted(module.name for module in pkgutil.iter_modules(import_module(__package__).__path__))
    groups = [ROWS, *(getattr(import_module(f"{__package__}.{name}"), "COLUMNS", ()) for name in modules)]
    for name in plugins.names(GROUP, {}):  # of other packages
        offered = plugins.find(GROUP, {}, name, "metric")
        groups.append(tuple(offered) if isinstance(offered, Iterable) else (offered,))
        for one in groups[-1]:
            if not isinstance(one, (Metric, Observation)):
                raise ConfigError(f"metric {name!r}: its package offers {type(one).__name__}, not spic.metrics.Metric")
    found = {}
    for thing in (thing for group in groups for thing in group):
        found.setdefault((type(thing), thing.name), thing)
    return tuple(found.values())


def _observing(name: str, compute: Callable) -> Observation:
    """The observation of a number that `compute(sample)` gives for each image."""

    @functools.wraps(compute)
    def build(weights, device):
        def see(sample):
            value = compute(sample)
            try:
                return {name: np.float64(value)}
            except (TypeError, ValueError):
                raise DataError(f"metric {name}: {type(value).__name__} is not a number") from None

        return see

    return Observation(name, build, paired=True, maps=True)


# How columns of one kind are computed.
MIOU = {"value": of.miou, "interval": of.miou_interval, "each": of.miou_each}
FRECHET = {"value": of.frechet, "interval": of.frechet_interval, "each": None, "lower_is_better": True, "digits": 1}
RATE = {"needs": "names", "interval": None, "lower_is_better": True, "compared": False, "place": None}
COUNT = {"needs": "objects", "value": None, "interval": None, "digits": 0, "compared": False, "place": None}

ROWS = (
    Metric("bpp", "bpp", **RATE, **of.rate("bpp")),
    Metric("bpp_ssm", "bpp of the SSM", **RATE, short="SSM", **of.rate("ssm")),
    Metric(
        "bpp_coarse", "bpp of the coarse image", **RATE, short="coarse",
        **of.rate("coarse"),
    ),
    Metric("bpp_file", "bpp of the file", **RATE, short="file", **of.rate("file")),
    Metric("miou", "mIoU", "confusion", **MIOU, place=1, axis="mIoU to the segmented original"),
    Metric("miou_all", "mIoU over all classes", "confusion", value=of.miou_all, interval=None, each=None, place=None),
    Metric(
        "miou_image", "mIoU by the paper's formula", "confusion", **of.averaged(of.miou_of_interest_each),
        each=of.miou_of_interest_each, place=None,
    ),
    Metric("miou_gt", "mIoU to ground truth", "confusion_gt", **MIOU, place=None, short="to ground truth"),
    Metric("miou_independent", "mIoU by the judge", "confusion_judge", **MIOU, place=2, short="judge's mIoU"),
    Metric(
        "small_recall", "small objects found", "objects", value=of.recall_of_set, interval=of.recall_interval,
        each=None, place=5, short="small objects",
    ),
    Metric("small_found", "small objects found", **COUNT, each=of.objects_each("found")),
    Metric("small_total", "small objects", **COUNT, each=of.objects_each("total")),
    Metric("persons_found", "persons found", **COUNT, each=of.objects_each("found", persons=True)),
    Metric("persons_total", "persons", **COUNT, each=of.objects_each("total", persons=True)),
    Metric(
        "fd_lite0", "Fréchet distance (Lite0)", "lite0", **FRECHET, place=4, short="fd_lite0",
        axis="Fréchet distance (EfficientNet-Lite0 features)", observation=LITE0,
    ),
    Metric("fid", "FID", "inception", **FRECHET, place=3, observation=INCEPTION),
    Metric(
        "kid_lite0", "KID (Lite0)", "lite0", value=of.kernel, interval=of.kernel_interval, each=None,
        lower_is_better=True, place=None, observation=LITE0,
    ),
    Metric(
        "fd_patch", "Fréchet distance of patches (Lite0)", "patches", **FRECHET | {"interval": None}, place=None,
        observation=LITE0,
    ),
    Metric(
        "psnr", "PSNR", unit="dB", digits=1, place=6, **of.averaged(of.finite_psnr_each), observation=DISTORTION,
    ),
    Metric("ms_ssim", "MS-SSIM", place=None, observation=DISTORTION),
    Metric("lpips", "LPIPS", lower_is_better=True, place=None, observation=LPIPS),
    Metric(
        "pixel_accuracy", "pixel accuracy", "confusion", value=of.accuracy, interval=None, each=None, compared=False,
        place=None,
    ),
    Metric("miou_judge_*", "mIoU by *", "confusion_by_*", **MIOU),
    Metric("miou_gt_*", "mIoU of * to ground truth", "confusion_gt_by_*", **MIOU, place=None),
    Metric(
        "miou_small_gt_*", "mIoU of signs and persons, * to ground truth", "confusion_gt_by_*", value=of.miou_small,
        interval=of.miou_small_interval, each=None, place=None,
    ),
)  # fmt: skip
