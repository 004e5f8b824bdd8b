"""Shapes of networks as frozen dataclasses, read from the JSON beside their weights."""

from dataclasses import fields

from spic.errors import ConfigError


class Shape:
    """Base of the dataclasses."""

    @classmethod
    def from_dict(cls, values: dict):
        """Build from JSON values, lists as tuples; `ConfigError` names what is no table or an unknown setting."""
        if not isinstance(values, dict):
            raise ConfigError(f"a network config is a table of settings, got {type(values).__name__}")
        unknown = sorted(set(map(str, values)) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError(f"unknown network settings: {', '.join(map(repr, unknown))}")
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
