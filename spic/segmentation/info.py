"""What is known of a segmenter before it is loaded: a run whose parts do not fit stops before it starts."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spic.errors import SpicError
from spic.pictures.labels import LabelSpace, get_label_space

_SHIPPED = {"street": "street-segmenter", "judge": "street-judge"}


@dataclass(frozen=True)
class SegmenterInfo:
    """What is known of a segmenter.

    Attributes
    ----------
    weights : pathlib.Path or None
        File that its jobs read, with its config beside it where it is one of this project's; None where it needs none.
    label_space : spic.pictures.labels.LabelSpace or None
        What its maps mean; None where only the loaded network knows.
    inputs : tuple of str
        Sizes at which it can look, its usual one first: "working" (the image as it comes), "native" (that of its
        training), "sliding" (windows of the latter).
    beside : tuple of pathlib.Path
        Further files that its jobs read.
    """

    weights: Path | None
    label_space: LabelSpace | None
    inputs: tuple[str, ...] = ("working",)
    beside: tuple[Path, ...] = ()


def describe_shipped(name: str, weights=None) -> SegmenterInfo | None:
    """What the config beside the weights says of `street` or `judge`; None for other names."""
    from spic.weights import FOLDER, read_config, weight_paths

    if name not in _SHIPPED:
        return None
    weights, space = weights or FOLDER / _SHIPPED[name], None
    with suppress(SpicError, KeyError, TypeError):  # the loader of the file reports what is wrong with it
        space = get_label_space(read_config(weights)["label_space"])
    return SegmenterInfo(weight_paths(weights)[0], space)
