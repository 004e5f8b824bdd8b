"""JSON that every reader takes: Python's own writer makes `NaN` and `Infinity` of floats, which are no JSON."""

import json
import math


def to_json(value, *, infinite: str | None = None, **layout) -> str:
    """A value as JSON text; every JSON text that leaves the package is made here.

    Parameters
    ----------
    value : object
        Dicts, lists, tuples, strings, numbers, and numpy's arrays and scalars.
    infinite : str, optional
        What an infinite number becomes, with a "-" before it where it is negative; null by default. NaN is always null.
    **layout
        Options of `json.dumps`, such as `indent`; not `allow_nan`.
    """
    return json.dumps(_plain(value, infinite), allow_nan=False, **layout)


def _plain(value, infinite):
    if hasattr(value, "tolist"):  # numpy, without importing it
        value = value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item, infinite) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, infinite) for item in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    if infinite is None or math.isnan(value):
        return None
    return infinite if value > 0 else f"-{infinite}"
