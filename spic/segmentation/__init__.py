"""Segmenters: pictures in, label maps (SSM) out, behind one small interface."""

from spic import registry

_BUILT_IN = {
    "street": "spic.segmentation.segmenter:street_segmenter",
    "judge": "spic.segmentation.segmenter:judge_segmenter",
}


def segmenter_names() -> list[str]:
    """Names that `get_segmenter` knows, those of other packages' entry points (`spic.segmenters`) included."""
    return registry.names("spic.segmenters", _BUILT_IN)


def get_segmenter(name: str, weights=None, device: str = "auto", dtype: str = "auto"):
    """Return the segmenter called `name`.

    Parameters
    ----------
    name : str
        "street", "judge", or one that a package offers under the entry point group `spic.segmenters`.
    weights : path-like, optional
        A weights file of that segmenter; None takes the shipped one.
    device, dtype : str
        As in `spic.devices.pick_device` and `pick_dtype`.

    Returns
    -------
    Segmenter
        With `segment(uint8 (N, H, W, 3)) -> uint8 (N, H, W)` and `label_space`.

    Raises
    ------
    ConfigError
        No segmenter has that name.
    WeightsError
        The weights file is missing, damaged or of another network.
    """
    make = registry.find("spic.segmenters", _BUILT_IN, name, "segmenter")
    return make(weights=weights, device=device, dtype=dtype)
