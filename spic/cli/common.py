"""What the commands share: options, errors in one line, progress."""

from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from spic.errors import DataError, SpicError


class Commands(TyperGroup):
    """Turns the errors a user can cause into one line."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except SpicError as error:
            message = str(error)
        except OSError as error:
            message = _reason(error)
        typer.echo(f"spic: {' '.join(message.split())}", err=True)
        raise typer.Exit(1)


def group(text: str, **options) -> typer.Typer:
    settings = {"no_args_is_help": True, "add_completion": False, "rich_markup_mode": None}
    return typer.Typer(help=text, pretty_exceptions_enable=False, **settings, **options)


Source = Annotated[Path, typer.Argument(metavar="IN", help="File to read.")]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="File to write.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Dtype = Annotated[str, typer.Option(help="auto, float32 or bfloat16.")]


def _reason(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return name + (error.strerror or str(error) or type(error).__name__)


@contextmanager
def about(path: Path):
    """Make errors begin with the file they are about, unless they do."""
    try:
        yield
    except SpicError as error:
        if str(error).startswith(f"{path}:"):
            raise
        raise type(error)(f"{path}: {error}") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


@contextmanager
def progress(what: str, total: int):
    """A progress bar on a terminal; gives the function to call after each piece."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda _: bar.advance(task)
