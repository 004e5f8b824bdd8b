"""Looking things up by name: built-in codecs, segmenters and methods, and those of other packages' entry points."""

from importlib import import_module
from importlib.metadata import entry_points

from spic.errors import ConfigError


def names(group: str, built_in: dict) -> list[str]:
    """Names of `built_in` and of the installed entry points of `group`, sorted."""
    return sorted({*built_in, *(point.name for point in entry_points(group=group))})


def module_of(group: str, name: str | None) -> str | None:
    """The module that an installed entry point called `name` loads from; None where there is no such entry point."""
    return next((point.module for point in entry_points(group=group) if point.name == name), None)


def find(group: str, built_in: dict, name: str, kind: str):
    """Return what makes the thing called `name`; built-in names win over entry points.

    Parameters
    ----------
    group : str
        Entry point group, "spic.codecs" and the like.
    built_in : dict
        Name to the maker itself, or to "module:attribute", imported only when it is asked for.
    name, kind : str
        What is wanted, and what the message of the `ConfigError` calls it that lists the known names.
    """
    if name in built_in:
        maker = built_in[name]
        if isinstance(maker, str):
            module, attribute = maker.split(":")
            maker = getattr(import_module(module), attribute)
        return maker
    for point in entry_points(group=group):
        if point.name == name:
            return point.load()
    raise ConfigError(f"unknown {kind} {name!r}; known: {', '.join(names(group, built_in))}")
