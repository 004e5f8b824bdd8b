"""Looking things up by name: what is built in, and what other packages offer by entry points.

The groups are `spic.codecs`, `spic.segmenters`, `spic.methods`, `spic.datasets`, `spic.label_spaces` and
`spic.metrics`; docs/extending.md says what each takes. (`spic.learned` is looked up by the worker of a learned codec,
in its own environment.)
"""

import pkgutil

from spic.errors import ConfigError

DISTRIBUTION = "semantic-image-coding"


def entry_points(group: str):
    """The installed entry points of a group. Python's reader takes longer to import than `spic --help` may."""
    from importlib import metadata

    return metadata.entry_points(group=group)


def install(extra: str) -> str:
    """The command that installs an extra of this distribution, for messages."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def names(group: str, built_in: dict) -> list[str]:
    """Names of `built_in` and of the installed entry points of `group`, sorted."""
    return sorted({*built_in, *(point.name for point in entry_points(group=group))})


def module_of(group: str, name: str | None) -> str | None:
    """The module that an installed entry point called `name` loads from; None where there is no such entry point."""
    return next((point.module for point in entry_points(group=group) if point.name == name), None)


def find(group: str, built_in: dict, name: str, kind: str):
    """Return the thing called `name`, or what makes it; built-in names win over entry points.

    Parameters
    ----------
    group : str
        Entry point group, "spic.codecs" and the like.
    built_in : dict
        Name to the thing itself, or to "module:attribute", imported only when it is asked for.
    name, kind : str
        What is wanted, and what messages call it.

    Raises
    ------
    ConfigError
        There is none of that name (the message lists the known ones), or its package cannot be imported.
    """
    if name in built_in:
        maker = built_in[name]
        return pkgutil.resolve_name(maker) if isinstance(maker, str) else maker
    for point in (one for one in entry_points(group=group) if one.name == name):
        try:
            return point.load()
        except Exception as error:  # whatever the import of another package raises
            raise ConfigError(f"{kind} {name!r}: its package cannot be loaded ({error})") from None
    raise ConfigError(f"unknown {kind} {name!r}; known: {', '.join(names(group, built_in))}")
