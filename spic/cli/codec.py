"""`spic codec`: single files by any codec."""

from pathlib import Path
from typing import Annotated

import typer

from spic.cli.common import Source, Target, about, group
from spic.errors import ConfigError, DataError

app = group("Encode and decode single files by any codec.")

CodecName = Annotated[str, typer.Argument(metavar="NAME", help="A name of `spic codec list`.")]


@app.command("list")
def list_codecs():
    """Every codec: name, kind, file extension, quality setting."""
    from spic.codecs import codec_names, get_codec

    for name in codec_names():
        codec = get_codec(name)
        typer.echo(f"{name:18}{codec.kind:9}{codec.extension:6}{codec.quality_name or 'lossless'}")


@app.command()
def encode(
    name: CodecName,
    source: Source,
    target: Target,
    quality: Annotated[float | None, typer.Option(help="Value of the codec's quality setting (qp, bpp).")] = None,
):
    """Code a picture, or for label codecs a label map (one 8-bit channel)."""
    from spic.codecs import get_codec
    from spic.images import write_bytes

    codec = get_codec(name)
    setting = _quality(codec, quality)
    image = _read_image(source, codec.kind)
    with about(source):
        data = codec.encode(image, **setting)
    with about(target):
        write_bytes(target, data)
    _print_rate(target, len(data), image)


@app.command()
def decode(name: CodecName, source: Source, target: Target):
    """Decode a file to PNG, or to what the suffix of OUT says."""
    from spic.codecs import get_codec

    codec = get_codec(name)
    image_format = _image_format(target)
    with about(source):
        data = source.read_bytes()
        image = codec.decode(data)
    _write_image(target, image, image_format)
    _print_rate(source, len(data), image)


def _quality(codec, value: float | None) -> dict:
    if value is None:
        return {}
    if codec.quality_name is None:
        raise ConfigError(f"codec {codec.name} is lossless: it takes no --quality")
    return {codec.quality_name: int(value) if value.is_integer() else value}


def _read_image(path: Path, kind: str):
    """What a codec of `kind` takes; for "both", a file with one channel is a label map and any other a picture."""
    from spic.images import read_labels, read_picture

    if kind == "both":
        try:
            return read_labels(path)
        except DataError:
            return read_picture(path)
    return read_labels(path) if kind == "label" else read_picture(path)


def _image_format(path: Path) -> str:
    from PIL import Image

    formats = {suffix: name for suffix, name in Image.registered_extensions().items() if name in Image.SAVE}
    if path.suffix and path.suffix.lower() not in formats:
        raise ConfigError(f"{path}: no picture format has the suffix {path.suffix}")
    return formats.get(path.suffix.lower(), "PNG")


def _write_image(path: Path, image, image_format: str) -> None:
    from PIL import Image

    from spic.images import atomic_path

    gray = image.ndim == 3 and image.shape[2] == 1
    with about(path), atomic_path(path) as temporary:
        try:
            Image.fromarray(image[:, :, 0] if gray else image).save(temporary, format=image_format)
        except (ValueError, KeyError) as error:
            raise DataError(f"not to be written as {image_format} ({error})") from None


def _print_rate(path: Path, num_bytes: int, image) -> None:
    from spic.metrics.rate import bpp

    typer.echo(f"{path}: {num_bytes} bytes, {bpp(num_bytes, *image.shape[:2]):.4f} bpp")
