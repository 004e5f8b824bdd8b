"""The sheet: a small YAML file beside a network from outside, which says what the network takes and gives.

It is `NAME.yaml` beside `NAME.onnx` or beside the folder `NAME`; docs/segmenters.md has an example.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spic.errors import DataError, WeightsError
from spic.pictures.labels import LabelSpace, get_label_space
from spic.pictures.limits import MAX_PIXELS

MAPS = Path(__file__).parent / "maps"  # FROM-TO.yaml: {class of FROM: class of TO}
_KEYS = ("label_space", "classes", "to", "map", "mask", "size", "mean", "std")


@dataclass(frozen=True)
class Sheet:
    """What a network takes and gives.

    Attributes
    ----------
    classes : tuple of str
        Its output classes, in their order.
    space : spic.pictures.labels.LabelSpace
        What the ids of the maps mean.
    table : numpy.ndarray
        uint8 (classes,): the id that each output class becomes; void for what has no counterpart.
    masked : numpy.ndarray
        bool (classes,): output classes that no pixel gets; the best of the others takes their place.
    size : (int, int) or None
        Height and width that the network sees; None: those of the image.
    mean, std : tuple of float
        Of red, green and blue in 0..1; the network sees (image / 255 - mean) / std.
    """

    classes: tuple[str, ...]
    space: LabelSpace
    table: np.ndarray
    masked: np.ndarray
    size: tuple[int, int] | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def sheet_path(weights: Path) -> Path:
    """Where the sheet of an ONNX file or a folder is."""
    weights = weights.absolute() if weights.suffix == ".onnx" else weights.resolve()  # which may be "." or end in ".."
    return weights.with_name(f"{weights.name.removesuffix('.onnx')}.yaml")


def read_sheet(weights: Path) -> Sheet:
    """Read the sheet beside a network; `WeightsError` says in one line what is missing or wrong."""
    path = sheet_path(weights)
    try:
        return _sheet(_load(path))
    except (DataError, ValueError) as error:
        raise WeightsError(f"{path}: {error}") from None


def _load(path: Path) -> dict:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(
            f"{path}: no such file; it says what the network beside it sees (docs/segmenters.md)"
        ) from None
    except OSError as error:
        raise WeightsError(f"{path}: not readable ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not YAML ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(found, dict):
        raise ValueError("expected keys and values")
    return found


def _sheet(given: dict) -> Sheet:
    for key in given:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}; known: {', '.join(_KEYS)}")
    if ("label_space" in given) == ("classes" in given):
        raise ValueError("name either label_space or classes, what the network gives")
    own = get_label_space(_text(given["label_space"], "label_space")) if "label_space" in given else None
    classes = own.classes if own else _names(given["classes"], "classes")
    if not own and "to" not in given:
        raise ValueError("classes need `to`, the label space of the maps")
    space = get_label_space(_text(given["to"], "to")) if "to" in given else own
    masked = _names(given.get("mask") or [], "mask")
    for name in masked:
        if name not in classes:
            raise ValueError(f"mask: {name!r} is none of the network's classes")
    if len(masked) == len(classes):
        raise ValueError("mask leaves no class")
    ids = _counterparts(classes, own, space, given.get("map") or {}, masked)
    return Sheet(
        classes,
        space,
        np.array(ids, np.uint8),
        np.isin(classes, masked) if masked else np.zeros(len(classes), bool),
        _size(given.get("size")),
        _numbers(given, "mean", -1, 1),
        _numbers(given, "std", 1e-4, 2),
    )


def _counterparts(classes, own: LabelSpace | None, space: LabelSpace, wanted, masked) -> list[int]:
    """The id in `space` of each class: what the sheet says, else a map that ships, else the class of the same name."""
    if not isinstance(wanted, dict):
        raise ValueError("map: expected {class of the network: class of the maps, or null}")
    for name in wanted:
        if name not in classes:
            raise ValueError(f"map: {name!r} is none of the network's classes")
    shipped = MAPS / f"{own.name}-{space.name}.yaml" if own and own != space else None
    known = _load(shipped) if shipped and shipped.is_file() else {}
    ids = []
    for name in classes:
        target = wanted[name] if name in wanted else known.get(name, name)
        if target is None or (name in masked and target not in space.classes):
            ids.append(space.void)
        elif target in space.classes:
            ids.append(space.id(target))
        else:
            raise ValueError(f"class {name!r} has no counterpart in {space.name}: name it under map or mask")
    return ids


def _size(value) -> tuple[int, int] | None:
    if value is None:
        return None
    sides = isinstance(value, list) and [isinstance(side, int) and not isinstance(side, bool) for side in value]
    if sides != [True, True] or min(value) < 1 or value[0] * value[1] > MAX_PIXELS:
        raise ValueError(f"size: {value!r}, expected [height, width] in pixels")
    return tuple(value)


def _numbers(given: dict, key: str, low: float, high: float) -> tuple[float, float, float]:
    values = given.get(key)
    right = isinstance(values, list) and [isinstance(value, int | float) and low <= value <= high for value in values]
    if right != [True] * 3:
        raise ValueError(f"{key}: {values!r}, expected three numbers, of red, green and blue in 0..1")
    return tuple(map(float, values))


def _names(values, key: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"{key}: {values!r}, expected a list of names")
    if len(set(values)) < len(values) or len(values) > 255:
        raise ValueError(f"{key}: expected at most 255 different names")
    return tuple(values)


def _text(value, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key}: {value!r}, expected a name")
    return value
