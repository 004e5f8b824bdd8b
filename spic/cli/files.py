"""What the commands read and write: files, folders, globs, stdin and stdout; nothing overwritten by accident."""

import glob
import io
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import typer

from spic.cli.common import about, complain, progress
from spic.errors import ConfigError, DataError, SpicError

STDIO = Path("-")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
_MAX_BYTES = 1 << 28  # of a file to decode


def find_sources(inputs: list[str], suffixes: tuple[str, ...]) -> list[Path]:
    """Files that arguments name: themselves, what is in folders (by suffix, not below them), what globs match, "-".

    `DataError` for a folder or glob without such files. Files that do not exist are left to the one who reads them.
    """
    found = []
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith("."))
            if not files:
                raise DataError(f"{name}: no {suffixes[0]} files in this folder")
        elif path != STDIO and glob.has_magic(name) and not path.exists():
            files = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
            if not files:
                raise DataError(f"{name}: no file matches")
        else:
            files = [path]
        found += files
    return list(dict.fromkeys(found))


def find_targets(inputs: list[str], sources: list[Path], output: str | None, suffix: str, force: bool) -> list[Path]:
    """Where the result of each source goes.

    Without `output` beside the source, with `suffix`; in a folder if `output` is one, ends in "/", or several results
    are to come; else to the file `output`. stdin goes to stdout by default.

    Raises
    ------
    ConfigError
        Two results in one place, a result in place of a source, or a file there already and not `force`.
    """
    several = len(sources) > 1 or any(Path(name).is_dir() for name in inputs)
    if output == "-":
        if several:
            raise ConfigError("several files do not fit into stdout: give a folder with --output")
        return [STDIO]
    if output is None:
        targets = [STDIO if source == STDIO else source.with_suffix(suffix) for source in sources]
    elif several or output.endswith("/") or Path(output).is_dir():
        names = ["stdin" if source == STDIO else source.stem for source in sources]
        targets = [Path(output) / f"{name}{suffix}" for name in names]
    else:
        targets = [Path(output)]
    taken = {}
    for source, target in zip(sources, targets, strict=True):
        if target in taken:
            raise ConfigError(f"{source} and {taken[target]} would both become {target}")
        taken[target] = source
        if target in sources and target != STDIO:
            raise ConfigError(f"{target} is an input: give another --output")
    for target in targets:
        check_target(target, force)
    return targets


def check_target(target: Path, force: bool) -> None:
    """`ConfigError` if a file is there and must not be overwritten."""
    if target != STDIO and not force and target.is_file():
        raise ConfigError(f"{target}: exists already; --force overwrites it")


def read_picture_from(source: Path):
    """A picture file or stdin as uint8 sRGB (H, W, 3)."""
    from spic.images import read_picture

    return read_picture(_Stdin(sys.stdin.buffer.read()) if source == STDIO else source)


def read_bytes_from(source: Path) -> bytes:
    """A coded file or stdin; `DataError` beyond 256 MB, which no `.spic` file has."""
    if source == STDIO:
        data = sys.stdin.buffer.read(_MAX_BYTES + 1)
    else:
        with source.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise DataError(f"{source}: larger than {_MAX_BYTES} bytes")
    return data


def write_bytes_to(target: Path, data: bytes) -> None:
    """All or nothing to a file, or to stdout."""
    from spic.images import write_bytes

    if target == STDIO:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        with about(target):
            write_bytes(target, data)


def image_format(path: Path) -> str:
    """Pillow's name of the picture format that a suffix says; PNG without one."""
    from PIL import Image

    formats = {suffix: name for suffix, name in Image.registered_extensions().items() if name in Image.SAVE}
    if path.suffix and path.suffix.lower() not in formats:
        raise ConfigError(f"{path}: no picture format has the suffix {path.suffix}")
    return formats.get(path.suffix.lower(), "PNG")


def write_picture_to(target: Path, image) -> None:
    """Write uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) in the format that the suffix says."""
    from PIL import Image

    gray = image.ndim == 3 and image.shape[2] == 1
    kind, out = image_format(target), io.BytesIO()
    with about(target):
        try:
            Image.fromarray(image[:, :, 0] if gray else image).save(out, format=kind)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"not to be written as {kind} ({error})") from None
    write_bytes_to(target, out.getvalue())


def for_each(what: str, sources: list[Path], work) -> None:
    """Call `work` for each source; one that fails is named on stderr, the rest goes on, and the exit status is 1."""
    failed = False
    with _ends_cleanly(), progress(what, len(sources)) as report:
        for source in sources:
            try:
                with about("stdin" if source == STDIO else source):
                    work(source)
            except BrokenPipeError:
                raise
            except (SpicError, OSError) as error:
                complain(error)
                failed = True
            report(source)
    if failed:
        raise typer.Exit(1)


@contextmanager
def _ends_cleanly():
    """SIGTERM as an exception, so that half-written temporary files are removed."""

    def stop(number, frame):
        sys.exit(128 + number)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Stdin(io.BytesIO):
    """Bytes that messages call by where they came from."""

    def __str__(self):
        return "stdin"
