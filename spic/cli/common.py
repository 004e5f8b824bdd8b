"""What the commands share: options, errors in one line, progress."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from spic.errors import SpicError, memory_shortage
from spic.files import spelled
from spic.strict_json import to_json
from spic.weights import known_as


class Commands(TyperGroup):
    """Turns the errors a user can cause into one line."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except Exception as error:
            expected = isinstance(error, (SpicError, OSError)) or memory_shortage(error)
            if isinstance(error, BrokenPipeError) or not expected:
                raise
            complain(error)
            raise typer.Exit(1) from None


def complain(error: Exception) -> None:
    """Say an error in one line on stderr."""
    message = memory_shortage(error) or (_reason(error) if isinstance(error, OSError) else str(error))
    typer.echo(f"spic: {' '.join(spelled(message).split())}", err=True)


def group(text: str, add_completion: bool = False, **options) -> typer.Typer:
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=add_completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        **options,
    )


Source = Annotated[Path, typer.Argument(metavar="IN", help="File to read.")]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="File to write.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Dtype = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; torch's choice by default.")]
Segmenter = Annotated[str, typer.Option(help="Network that makes the map (docs/segmenters.md).")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Refuse images with more pixels.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per file, one per line.")]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="OUT", help="File, folder, or - for stdout; beside IN by default."),
]


def _reason(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return name + (error.strerror or str(error) or type(error).__name__)


@contextmanager
def progress(what: str, total: int | None):
    """A progress bar on a terminal, unless there is but one piece; gives the function to call after each piece."""
    if (total is not None and total < 2) or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda _: bar.advance(task)


def report(record: dict, line: str, as_json: bool, data_on_stdout: bool = False) -> None:
    """Print a result, as a line for people or as JSON; on stderr where stdout carries a file."""
    typer.echo(to_json(record) if as_json else spelled(line), err=data_on_stdout)


def decoder_of(weights_id: str) -> tuple[str | None, str]:
    """What weights are called, for `--json` and behind their id in a text: "street-decoder of 0.1.0"."""
    known = known_as(weights_id)
    if known is None:
        return None, ""
    return str(known), f" ({known})" if known.release else f" (shipped: {known})"


def whole(value: float | None):
    """A number from the command line: 35.0 is the QP 35."""
    return int(value) if value is not None and float(value).is_integer() else value
