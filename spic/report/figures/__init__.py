"""The figures of a run. A module of this package with a tuple `FIGURES` adds its own; nothing else has to change.

The rules of the workflow, the report and `scripts/figures.py` read them here.
"""

import functools
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Figure:
    """One figure of a run.

    Attributes
    ----------
    name : str
        Of its files, `figures/<name>.svg` and `.png`. A file `report/<name>.rst` is its caption in the report.
    category, what : str
        Where the report puts it, and what it is called there.
    draw : callable, optional
        `draw(tables, stem)` writes `stem`.svg and `stem`.png. `tables` has the data frames points, per_class, recall
        and intervals of the run's first protocol by name, steps where the config has `steps_csv`, the list anchors, and
        frame_rate (of a clip, else None). None for a figure that a rule of its own draws.
    wanted : callable
        `wanted(config) -> bool`: whether a run with this configuration has what it takes.
    """

    name: str
    category: str
    what: str
    draw: Callable | None = None
    wanted: Callable = lambda config: True


@functools.cache
def figures() -> dict[str, Figure]:
    """All figures by name."""
    modules = (import_module(f"{__package__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return {figure.name: figure for module in modules for figure in getattr(module, "FIGURES", ())}


def plots(config: dict) -> list[str]:
    """Names of the figures that a run draws from its tables."""
    return [figure.name for figure in figures().values() if figure.draw and figure.wanted(config)]
