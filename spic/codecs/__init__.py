"""Every coder behind one small interface: `get_codec(name)`, then `encode` and `decode`.

Coders of other packages join by an entry point of the group `spic.codecs` whose name is the codec's and whose value
is a class like `spic.codecs.base.Codec`. Asking for one codec loads that codec's libraries only.
"""

from importlib import import_module
from importlib.metadata import entry_points

from spic.codecs.base import Codec
from spic.errors import ConfigError

__all__ = ["Codec", "codec_names", "get_codec"]

_BUILT_IN = {
    "bpg": "spic.codecs.bpg:BpgCodec",
    "flif": "spic.codecs.flif:FlifCodec",
    "jpeg2000": "spic.codecs.jpeg2000:Jpeg2000Codec",
    "jpegxl-lossless": "spic.codecs.jpegxl:JpegXlCodec",
    "png": "spic.codecs.png:PngCodec",
}


def codec_names() -> list[str]:
    """Names that `get_codec` knows, sorted: the built-in ones and those of installed entry points."""
    return sorted({*_BUILT_IN, *(point.name for point in entry_points(group="spic.codecs"))})


def get_codec(name: str) -> Codec:
    """Return a new codec called `name`; `ConfigError` lists the known ones. Built-in names win over entry points."""
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name].split(":")
        return getattr(import_module(module), attribute)()
    for point in entry_points(group="spic.codecs"):
        if point.name == name:
            return point.load()()
    raise ConfigError(f"unknown codec {name!r}; known: {', '.join(codec_names())}")
