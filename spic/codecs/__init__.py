"""Every coder behind one small interface: `get_codec(name)`, then `encode` and `decode`.

Coders of other packages join by an entry point of the group `spic.codecs` whose name is the codec's and whose value
is a subclass of `Codec`. Asking for one codec loads that codec's libraries only.
"""

from spic import plugins
from spic.codecs.base import Codec
from spic.errors import ConfigError

__all__ = ["Codec", "codec_names", "get_codec"]

_BUILT_IN = {
    "avif": "spic.codecs.avif:AvifCodec",
    "bpg": "spic.codecs.bpg:BpgCodec",
    "flif": "spic.codecs.flif:FlifCodec",
    "jpeg": "spic.codecs.jpeg:JpegCodec",
    "jpeg2000": "spic.codecs.jpeg2000:Jpeg2000Codec",
    "jpegxl": "spic.codecs.jpegxl:JpegXlCodec",
    "jpegxl-lossless": "spic.codecs.jpegxl:JpegXlLosslessCodec",
    "labelmap": "spic.codecs.labelmap:LabelMapCodec",
    "labelmap-plain": "spic.codecs.labelmap:LabelMapPlainCodec",
    "png": "spic.codecs.png:PngCodec",
    "webp": "spic.codecs.webp:WebpCodec",
    "webp-lossless": "spic.codecs.webp:WebpLosslessCodec",
}


def codec_names() -> list[str]:
    """Names that `get_codec` knows, sorted: the built-in ones and those of installed entry points."""
    return plugins.names("spic.codecs", _BUILT_IN)


def get_codec(name: str) -> Codec:
    """Return a new codec called `name`; `ConfigError` lists the known ones. Built-in names win over entry points."""
    codec = plugins.find("spic.codecs", _BUILT_IN, name, "codec")()
    if not isinstance(codec, Codec) or codec.name != name:
        raise ConfigError(f"codec {name!r}: its entry point gives no Codec of that name but {codec!r}")
    return codec
