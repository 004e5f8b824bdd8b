"""Segmenters: images in, label maps (SSM) out, behind one small interface."""

from pathlib import Path

from spic import plugins
from spic.errors import ConfigError
from spic.pictures.labels import LabelSpace
from spic.segmentation.info import SegmenterInfo, describe_shipped
from spic.segmentation.internimage import SIZES, Maker
from spic.segmentation.outside import Outside
from spic.weights.reading import expand

_BUILT_IN = {
    "street": "spic.segmentation.segmenter:street_segmenter",
    "judge": "spic.segmentation.segmenter:judge_segmenter",
    "espnet": "spic.segmentation.espnet:EspNetSegmenter",
    "onnx": Outside("onnx"),
    "transformers": Outside("transformers"),
    **{f"internimage-{size}": Maker(size) for size in SIZES},
}


def segmenter_names() -> list[str]:
    """Names that `get_segmenter` knows, those of other packages' entry points (`spic.segmenters`) included."""
    return plugins.names("spic.segmenters", _BUILT_IN)


def describe_segmenter(name: str, weights=None) -> SegmenterInfo:
    """What is known of a segmenter without loading it; arguments and errors as for `get_segmenter`.

    What a package offers may have a method `describe(weights)` that gives a `SegmenterInfo`, or raises `WeightsError`
    where a file is missing; else an attribute `label_space` will do.
    """
    weights = weights and expand(weights)
    if (shipped := describe_shipped(name, weights)) is not None:
        return shipped
    make = plugins.find("spic.segmenters", _BUILT_IN, name, "segmenter")
    if hasattr(make, "describe"):
        return make.describe(weights)
    return SegmenterInfo(weights and Path(weights), getattr(make, "label_space", None))


def get_segmenter(name: str, weights=None, device: str = "auto", dtype: str = "auto", input_size: str | None = None):
    """Return the segmenter called `name`.

    Parameters
    ----------
    name : str
        "street", "judge", "espnet", "internimage-t" (s, b, l, xl), "onnx", "transformers", or one that a package offers
        under the entry point group `spic.segmenters`.
    weights : path-like, optional
        A weights file of that segmenter, a folder for "transformers"; None takes the shipped one.
    device, dtype : str
        As in `spic.machine.pick_device` and `pick_dtype`.
    input_size : str, optional
        One of its `describe_segmenter(name).inputs`; None takes the first.

    Returns
    -------
    Segmenter
        With `segment(uint8 (N, H, W, 3)) -> uint8 (N, H, W)` and `label_space`.

    Raises
    ------
    ConfigError
        No segmenter has that name, or this one does not look at that size.
    WeightsError
        The weights file is missing, damaged or of another network.
    """
    make, weights = plugins.find("spic.segmenters", _BUILT_IN, name, "segmenter"), weights and expand(weights)
    if input_size == "working" and describe_segmenter(name, weights).inputs == ("working",):
        input_size = None  # it knows no other, and need not take the argument
    settings = {} if input_size is None else {"input_size": input_size}
    segmenter = make(weights=weights, device=device, dtype=dtype, **settings)
    if not isinstance(getattr(segmenter, "label_space", None), LabelSpace):
        raise ConfigError(f"segmenter {name!r} has no label_space of the kind spic.pictures.labels.LabelSpace")
    return segmenter
