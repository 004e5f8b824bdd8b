"""The settings of a run: config.yaml, overlays and `--config`, put together, completed and checked against the schema.

Snakemake has a way of its own for this, which will not do here. It joins the points of a method from two files, so that
an overlay could not set a method by another parameter, and it takes `null` and nested numbers of `--config` as text.
"""

import copy
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from spic.errors import ConfigError
from spic.metrics import fid_weights_path, lpips_weights_path


def read_config(clone, overlays=(), settings: Iterable[str] = (), replace: bool = False) -> dict:
    """Settings of a run, complete and valid.

    Parameters
    ----------
    clone : path-like
        Folder with `config.yaml` and `config/schema.yaml`; the latter says what each key means.
    overlays : iterable of path-like or dict
        YAML or JSON files, or what is in one, each over what comes before it. A key replaces what was there, with one
        exception: of mappings (`methods`, `gallery`) each entry does. So a method has the points of the last file
        that names it.
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
    clone, config = Path(clone), {}
    schema = load(clone / "config" / "schema.yaml")
    layers = [*([] if replace else [clone / "config.yaml"]), *overlays]
    layers = [layer if isinstance(layer, dict) else load(layer) for layer in layers]
    for layer in [*layers, parse_settings(settings, schema)]:
        _put_over(config, layer)
    if isinstance(config.get("methods"), dict):
        # an overlay's null leaves out a method, or a list of points that it does not want
        config["methods"] = _without_nulls({name: _points(entry) for name, entry in config["methods"].items()})
    _put_in_defaults(config, schema)
    _check(config, schema)
    # Weights of metrics may come from the environment; what is found becomes part of the jobs' settings.
    for key, found in (("fid_weights", fid_weights_path), ("lpips_weights", lpips_weights_path)):
        path = found(config[key])
        config[key] = None if path is None else str(path)
    for key, entry in schema["properties"].items():
        if entry.get("format") == "path":
            config[key] = find(config[key], clone)
    config["judges"] = {
        name: {"segmenter": name, **judge, "weights": find(judge.get("weights"), clone)}
        for name, judge in _without_nulls(config["judges"]).items()
    }
    return config


def load(path) -> dict:
    """Keys and values of a YAML or JSON file; `ConfigError` names a file that is not one. An empty file has none."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        try:
            found = json.loads(text)
        except ValueError:
            found = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(found, dict | None) or not _has_names(found):
        raise ConfigError(f"{path}: expected names of settings and their values")
    return found or {}


def _has_names(value) -> bool:
    """Whether all keys are text, as they are not in `{1: 2}` and `{on: 2}`."""
    return not isinstance(value, dict) or all(isinstance(key, str) and _has_names(value[key]) for key in value)


def parse_settings(settings: Iterable[str], schema: dict) -> dict:
    """What `--config` was given, "key=text" each, as values of the kind that the schema wants."""
    found = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        entry = schema["properties"].get(key, {})
        if _kinds(entry) & {"object", "array"}:
            try:
                value = yaml.load(value, yaml.BaseLoader)  # every leaf as text
            except yaml.YAMLError as error:
                raise ConfigError(f"--config {setting}: not YAML ({' '.join(str(error).split())})") from None
        _put_over(found, {key: _typed(value, entry)})
    return found


def find(path: str | None, clone) -> str | None:
    """Where a path of a config leads: `~` is the user's home; what is in `clone` only is taken from there.

    A path without a suffix may be that of weights, two files of which it is the beginning. None stays None.
    """
    if not path:
        return path
    path = Path(path).expanduser()
    return str(path if _exists(path) or not _exists(clone / path) else clone / path)


def _exists(path: Path) -> bool:
    return path.exists() or path.with_name(f"{path.name}.safetensors").exists()


def _put_over(below: dict, above: dict) -> None:
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        below[key] = {**below[key], **value} if both else value


def _without_nulls(entries: dict) -> dict:
    return {name: entry for name, entry in entries.items() if entry is not None}


def _points(entry):
    """Points of a method without the parameters whose list is null; null, where there are no others."""
    return _without_nulls(entry) or None if isinstance(entry, dict) and entry else entry


def _typed(value, schema: dict):
    """What `--config` says, all leaves text, with these as the schema wants them."""
    if isinstance(value, dict):
        named, other = schema.get("properties", {}), schema.get("additionalProperties") or {}
        return {key: _typed(one, named.get(key, other)) for key, one in value.items()}
    if isinstance(value, list):
        return [_typed(one, schema.get("items", {})) for one in value]
    return value if value is None else _scalar(value, schema)


def _scalar(text: str, schema: dict):
    """The first of the meanings of a text that the schema allows; text stays text where that is allowed."""
    kinds, meanings = _kinds(schema), []
    for meaning in (yaml.safe_load, float):  # YAML wants a dot in 1e-5
        with suppress(ValueError, yaml.YAMLError):
            meanings.append(meaning(text))
    fits = Draft202012Validator({"type": sorted(kinds)} if kinds else {}).is_valid
    others = [text] if "string" in kinds else [*meanings, text]
    return next(value for value in [*filter(fits, meanings), *others])


def _kinds(schema: dict) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _put_in_defaults(config: dict, schema: dict) -> None:
    for key, entry in schema.get("properties", {}).items():
        if key not in config and "default" in entry:
            config[key] = copy.deepcopy(entry["default"])
        if isinstance(config.get(key), dict):
            config[key] = dict(config[key])
            _put_in_defaults(config[key], entry)


def _check(config: dict, schema: dict) -> None:
    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is None:
        return
    message = error.message
    if error.validator == "maxProperties" and error.path and error.path[0] == "methods":
        message = f"one list of points, not {' and '.join(map(str, error.instance))}"
    elif error.validator == "pattern" and "expected" in error.schema:
        message = f"{error.instance!r}: expected {error.schema['expected']}"
    raise ConfigError(f"{error.json_path}: {message}")
