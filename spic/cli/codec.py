"""`spic codec`: single files by any codec."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from spic.cli import files
from spic.cli.common import Force, MaxPixels, Source, Target, complain, group, whole
from spic.errors import ConfigError, about
from spic.files import spelled
from spic.pictures.limits import MAX_PIXELS

app = group("Encode and decode single files by any codec.")

CodecName = Annotated[str, typer.Argument(metavar="NAME", help="A name of `spic codec list`.")]


@app.command("list")
def list_codecs():
    """Every codec: name, kind, file extension, quality setting, longest side it takes; then all other methods."""
    from spic.benchmark.methods import get_method, method_names
    from spic.codecs import codec_names, get_codec

    for name in codec_names():
        try:
            codec = get_codec(name)
        except ConfigError as error:  # another package's, which does not hide the others
            complain(error)
            continue
        sides = f"sides up to {codec.max_side}" if codec.max_side else ""
        typer.echo(f"{name:18}{codec.kind:9}{codec.extension:6}{codec.quality_name or 'lossless':10}{sides}".rstrip())
    for name in sorted(set(method_names()) - set(codec_names())):
        try:
            method = get_method(name)
        except ConfigError as error:
            complain(error)
            continue
        setting = method.parameter if isinstance(method.parameter, str) else ", ".join(method.parameter)
        needs = f"needs {method.missing}" if method.missing else ""
        typer.echo(f"{name:18}{'method':9}{'':6}{setting:10} {needs}".rstrip())


@app.command()
def encode(
    name: CodecName,
    source: Source,
    target: Target,
    quality: Annotated[float | None, typer.Option(help="Value of the codec's quality setting (qp, bpp, ...).")] = None,
    cross_check: Annotated[
        bool, typer.Option("--cross-check", help="Compare with the reference tools (bpgdec, bpgenc, flif) on PATH.")
    ] = False,
    force: Force = False,
):
    """Code an image, or for label codecs a label map (one 8-bit channel)."""
    from spic.codecs import crosscheck, get_codec
    from spic.pictures import reading

    target = files.as_target(target)
    files.check_target(target, force, [source])
    codec = get_codec(name)
    if quality is not None and codec.quality_name is None:
        raise ConfigError(f"codec {codec.name} is lossless: it takes no --quality")
    setting = {} if quality is None else {codec.quality_name: whole(quality)}
    # of "both", a file with one gray channel stays one, any other is an image
    read = {"both": reading.read_either, "label": reading.read_labels, "picture": reading.read_picture}[codec.kind]
    with about(source):
        image = read(files.open_source(source))
        data = codec.encode(image, **setting)
        found = crosscheck.cross_check(codec, image, data, setting) if cross_check else []
    files.write_bytes_to(target, data)
    _print_rate(target, len(data), image, target)
    for line in found:
        typer.echo(f"cross-check: {line}", err=target == files.STDIO)


@app.command("test")
def try_codec(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of `spic codec list`, or MODULE:CLASS.")],
):
    """Try whether a codec keeps what codecs promise: one line per check, exit status 1 where one fails.

    MODULE:CLASS needs no entry point; MODULE may be a file of the present folder.
    """
    from spic.codecs.contract import check_codec

    failed = 0
    for what, problem in check_codec(_codec_of(name)):
        failed += bool(problem)
        typer.echo(f"failed  {what}: {problem}" if problem else f"ok      {what}")
    if failed:
        raise ConfigError(f"{name}: {failed} of the checks failed; docs/extending.md says what a codec promises")


def _codec_of(name: str):
    from spic.codecs import get_codec

    module, _, attribute = name.partition(":")
    if not attribute:
        return get_codec(name)
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), attribute)
        return found() if isinstance(found, type) else found
    except Exception as error:  # whatever the user's module raises
        raise ConfigError(f"{name} cannot be loaded: {type(error).__name__}: {error}") from None


@app.command()
def decode(name: CodecName, source: Source, target: Target, max_pixels: MaxPixels = MAX_PIXELS, force: Force = False):
    """Decode a file to PNG, or to what the suffix of OUT says."""
    from spic.codecs import get_codec
    from spic.codecs.base import at_most

    target = files.as_target(target)
    files.check_target(target, force, [source])
    codec = get_codec(name)
    files.image_format(target)
    with about(source), at_most(max_pixels):
        data = files.read_bytes_from(source)
        image = codec.decode(data)
    files.write_picture_to(target, image)
    _print_rate(source, len(data), image, target)


def _print_rate(path: Path, num_bytes: int, image, target: Path) -> None:
    from spic.metrics.rate import bpp

    typer.echo(
        spelled(f"{path}: {num_bytes} bytes, {bpp(num_bytes, *image.shape[:2]):.4f} bpp"), err=target == files.STDIO
    )
