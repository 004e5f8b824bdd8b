"""The settings of a run: config.yaml, overlays and `--config`, put together, completed and checked against the schema.

Snakemake has a way of its own for this, which will not do here. It joins the points of a method from two files, so that
an overlay could not set a method by another parameter, and it takes `null` and nested numbers of `--config` as text.
"""

import copy
import json
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from spic.errors import ConfigError


def read_config(clone, overlays=(), settings: Iterable[str] = (), replace: bool = False) -> dict:
    """Settings of a run, complete and valid.

    Parameters
    ----------
    clone : path-like
        Folder with `config.yaml` and `config/schema.yaml`; the latter says what each key means.
    overlays : iterable of path-like
        YAML or JSON files, each over what comes before it. A key replaces what was there, with one exception: of
        mappings (`methods`, `gallery`) each entry does. So a method has the points of the last file that names it.
    settings : iterable of str
        What `--config` was given, "key=text", over all files; the text is YAML. It stays text where the schema wants
        that: `run=007` is the run "007".
    replace : bool
        Leave out config.yaml (`--replace-workflow-config`).

    Returns
    -------
    dict
        Every key of the schema. `methods` has those that are not null, each with one list of points. Paths begin
        with the user's home where they began with `~`; relative ones that exist in `clone` only are those there.

    Raises
    ------
    ConfigError
        A file can not be read, or a setting is not one; in one line.
    """
    from spic.metrics import fid_weights_path, lpips_weights_path

    clone = Path(clone)
    schema = _schema(clone)
    layers = [] if replace else [load(clone / "config.yaml")]
    config = {}
    for layer in [*layers, *map(load, overlays), parse_settings(settings, schema)]:
        _put_over(config, layer)
    if isinstance(config.get("methods"), dict):
        # an overlay's null leaves out a method, or a list of points that it does not want
        named = {name: _without_nulls(points) for name, points in config["methods"].items()}
        config["methods"] = {name: points for name, points in named.items() if points is not None}
    _complete(config, schema)
    _check(config, schema)
    # Weights of metrics may come from the environment; what is found becomes part of the jobs' settings.
    for key, found in (("fid_weights", fid_weights_path), ("lpips_weights", lpips_weights_path)):
        path = found(config[key])
        config[key] = None if path is None else str(path)
    judges = {name: judge for name, judge in config["judges"].items() if judge is not None}
    config["judges"] = {name: {"segmenter": name, "weights": None, **judge} for name, judge in judges.items()}
    for judge in config["judges"].values():
        judge["weights"] = judge["weights"] and find(judge["weights"], clone)
    for key, entry in schema["properties"].items():
        if entry.get("format") == "path" and config[key] is not None:
            config[key] = find(config[key], clone)
    return config


@cache
def _schema(clone: Path) -> dict:
    return load(clone / "config" / "schema.yaml")


def load(path) -> dict:
    """Keys and values of a YAML or JSON file; `ConfigError` names a file that is not one. An empty file has none."""
    import yaml

    try:
        text = Path(path).read_text(encoding="utf-8")
        found = _parse(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(found, dict | None) or not _has_names(found):
        raise ConfigError(f"{path}: expected names of settings and their values")
    return found or {}


def _parse(text: str):
    import yaml

    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def _has_names(value) -> bool:
    """Whether all keys are text, as they are not in `{1: 2}` and `{on: 2}`."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _has_names(one) for key, one in value.items())
    return True


def parse_settings(settings: Iterable[str], schema: dict) -> dict:
    """What `--config` was given, "key=text" each, as values of the kind that the schema wants."""
    import yaml

    found = {}
    for setting in settings:
        key, _, text = setting.partition("=")
        entry = schema["properties"].get(key, {})
        value = text
        if not _kinds(entry).isdisjoint({"object", "array"}):
            try:
                value = yaml.load(text, yaml.BaseLoader)  # every leaf as text
            except yaml.YAMLError as error:
                raise ConfigError(f"--config {setting}: not YAML ({' '.join(str(error).split())})") from None
        _put_over(found, {key: _typed(value, entry)})
    return found


def find(path: str, clone) -> str:
    """Where a path of a config leads: `~` is the user's home; what is in `clone` only is taken from there.

    A path without a suffix may be that of weights, two files of which it is the beginning.
    """
    path = Path(path).expanduser()
    if path.is_absolute() or _exists(path) or not _exists(Path(clone) / path):
        return str(path)
    return str(Path(clone) / path)


def _exists(path: Path) -> bool:
    return path.exists() or path.with_name(f"{path.name}.safetensors").exists()


def _put_over(below: dict, above: dict) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            below[key] = {**below[key], **value}
        else:
            below[key] = value


def _without_nulls(points):
    """Points of a method without the parameters whose list is null; null, where there are no others."""
    if not isinstance(points, dict) or not points:
        return points
    return {name: values for name, values in points.items() if values is not None} or None


def _typed(value, schema: dict):
    """What `--config` says, all leaves text, with these as the schema wants them."""
    if isinstance(value, dict):
        return {key: _typed(one, schema.get("properties", {}).get(key) or _rest(schema)) for key, one in value.items()}
    if isinstance(value, list):
        return [_typed(one, schema.get("items", {})) for one in value]
    return value if value is None else _scalar(value, schema)


def _scalar(text: str, schema: dict):
    """The first of the meanings of a text that the schema allows; text stays text where that is allowed."""
    import yaml
    from jsonschema import Draft202012Validator

    kinds, meanings = _kinds(schema), []
    for meaning in (yaml.safe_load, float):  # YAML wants a dot in 1e-5
        with suppress(ValueError, yaml.YAMLError):
            meanings.append(meaning(text))
    fits = Draft202012Validator({"type": sorted(kinds)} if kinds else {}).is_valid
    fitting = [value for value in meanings if fits(value)]
    return fitting[0] if fitting else text if "string" in kinds else meanings[0] if meanings else text


def _kinds(schema: dict) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _rest(schema: dict) -> dict:
    """Schema of the entries that are not named one by one."""
    return schema.get("additionalProperties") or {}


def _complete(config: dict, schema: dict) -> None:
    """Put in the schema's defaults."""
    for key, entry in schema.get("properties", {}).items():
        if key not in config and "default" in entry:
            config[key] = copy.deepcopy(entry["default"])
        if isinstance(config.get(key), dict):
            config[key] = dict(config[key])
            _complete(config[key], entry)


def _check(config: dict, schema: dict) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is None:
        return
    message = error.message
    if error.validator == "maxProperties" and error.path and error.path[0] == "methods":
        message = f"one list of points, not {' and '.join(map(str, error.instance))}"
    elif error.validator == "pattern" and "expected" in error.schema:
        message = f"{error.instance!r}: expected {error.schema['expected']}"
    raise ConfigError(f"{error.json_path}: {message}")
