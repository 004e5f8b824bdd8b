"""What the commands read and write: files, folders, globs, stdin and stdout; nothing overwritten by accident."""

import glob
import io
import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path

import typer

from spic.cli.common import complain, progress
from spic.errors import ConfigError, DataError, SpicError, about
from spic.files import check_folder, descriptor, files_in, is_stream, only_files, write_bytes
from spic.weights import weight_paths

STDIO = Path("-")
_MAX_BYTES = 1 << 28  # of a file to decode


def find_sources(inputs: list[str], endings: tuple[str, ...], beside: tuple[str, ...] = ()) -> list[Path]:
    """Files that arguments name: themselves, what is in folders (as `spic.files.files_in`), what globs match, "-".

    `DataError` for a folder or glob without such files. Files that do not exist are left to their reader.
    """
    found = []
    for name in inputs:
        path = STDIO if descriptor(name) == 0 else Path(name)
        if path.is_dir():
            taken, lack = files_in(path, endings, beside), f"no {endings[0]} files in this folder"
        elif path != STDIO and glob.has_magic(name) and not os.path.lexists(path):
            taken, lack = only_files(map(Path, glob.glob(name, recursive=True)), name), "no file matches"
        else:
            taken, lack = [path], None
        if not taken:
            raise DataError(f"{name}: {lack}")
        found += taken
    return list(dict.fromkeys(found))


def find_targets(
    inputs: list[str], sources: list[Path], output: str | None, suffix: str, force: bool
) -> dict[Path, Path]:
    """Where the result of each source goes, {source: target}.

    Without `output` beside the source, with `suffix`; in a folder if `output` is one, ends in "/", or several results
    are to come; else to the file `output`. stdin, and what else is an open file (/dev/fd/3), goes to stdout by default.

    Raises
    ------
    ConfigError
        Two results in one place, or one that `check_target` refuses.
    """
    several = len(sources) > 1 or any(Path(name).is_dir() for name in inputs)
    if output is not None and as_target(output) == STDIO:
        if several:
            raise ConfigError("several files do not fit into stdout: give a folder with --output")
        targets = [STDIO]
    elif output is None:
        targets = [
            STDIO if source == STDIO or descriptor(source) is not None else source.with_suffix(suffix)
            for source in sources
        ]
    elif several or output.endswith("/") or Path(output).is_dir():
        targets = [Path(output) / f"{stem(source)}{suffix}" for source in sources]
    else:
        targets = [Path(output)]
    check_distinct(sources, targets)
    for target in targets:
        check_target(target, force, sources)
    return dict(zip(sources, targets, strict=True))


def stem(source: Path) -> str:
    """What results of a source are called."""
    return "stdin" if source == STDIO else source.stem


def as_target(path) -> Path:
    """The path to write to, "-" for all the names of stdout: /dev/stdout, /dev/fd/1, links to them."""
    return STDIO if descriptor(path) == 1 else Path(path)


def check_distinct(sources: list[Path], targets: list[Path]) -> None:
    """`ConfigError` if two results would go to one place, links followed."""
    taken = {}
    for source, target in zip(sources, targets, strict=True):
        first = taken.setdefault(os.path.realpath(target), source)
        if first != source:
            raise ConfigError(f"{first} and {source} would both become {target}")


def check_target(target: Path, force: bool, sources=()) -> None:
    """Check what can be known of a place before the work begins.

    Raises
    ------
    ConfigError
        A source is there, or a folder, or a file that must not be overwritten, or what is above it is no folder.
    """
    if target == STDIO:
        return
    if os.path.realpath(target) in {os.path.realpath(source) for source in sources if source != STDIO}:
        raise ConfigError(f"{target} is an input: give another output")
    if is_stream(target) and not target.is_block_device():
        return
    with about(target):
        check_folder(target.parent)
    if target.is_dir():
        raise ConfigError(f"{target}: is a folder")
    if not force and target.exists():
        raise ConfigError(f"{target}: exists already; --force overwrites it")


def check_weights_target(target: Path, force: bool) -> None:
    """Check the places of two files of weights, as `check_target`; `ConfigError` for a pipe or device, which is one."""
    places = weight_paths(target)
    if target not in places and is_stream(target):
        raise ConfigError(f"{target}: weights are two files: give the beginning of their names")
    for path in places:
        check_target(path, force)


def size_of(path: Path) -> str:
    """How much a file that was just written holds; unknown for a pipe."""
    return f"{path.stat().st_size} bytes" if path.is_file() else "written"


def open_source(source: Path):
    """What reads an image: the path of a file; the bytes of what can be read once only, stdin or a pipe."""
    return _Bytes(read_bytes_from(source), source) if source == STDIO or is_stream(source) else source


def read_picture_from(source: Path):
    """An image file, a pipe or stdin as uint8 sRGB (H, W, 3)."""
    from spic.pictures.reading import read_picture

    return read_picture(open_source(source))


def read_bytes_from(source: Path) -> bytes:
    """A coded file, a pipe or stdin; `DataError` beyond 256 MB, which no `.spic` file has."""
    with nullcontext(sys.stdin.buffer) if source == STDIO else source.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise DataError(f"{source}: larger than {_MAX_BYTES} bytes")
    return data


def write_bytes_to(target: Path, data: bytes) -> None:
    """All or nothing to a file, or through a pipe, a device or stdout."""
    if target == STDIO:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        with about(target):
            write_bytes(target, data)


def image_format(path: Path) -> str:
    """Pillow's name of the image format that a suffix says, one that it both writes and reads; PNG without one."""
    from PIL import Image

    known = Image.registered_extensions()  # fills in what can be written and read, too
    formats = {suffix: name for suffix, name in known.items() if name in Image.SAVE and name in Image.OPEN}
    if path.suffix and path.suffix.lower() not in formats and not is_stream(path):
        raise ConfigError(f"{path}: no picture format has the suffix {path.suffix}")
    return formats.get(path.suffix.lower(), "PNG")


def write_picture_to(target: Path, image) -> None:
    """Write uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) in the format that the suffix says.

    `DataError` where that format can not hold the image: its size, its colours or, of (H, W), the exact ids.
    """
    from PIL import Image

    kind, out = image_format(target), io.BytesIO()
    with about(target):
        try:
            given = Image.fromarray(image[:, :, 0] if image.shape[2:] == (1,) else image)
            given.save(out, format=kind)
            _check_held(given, kind, out, exact=image.ndim == 2)
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


def _check_held(given, kind: str, file, exact: bool) -> None:
    """`DataError` if a file does not hold the image: made smaller (ICO), without alpha (BMP), of 256 colours (GIF).

    A format that is lossy in itself may change the values, unless they have to be `exact`.
    """
    import numpy as np
    from PIL import Image

    with warnings.catch_warnings(action="ignore"):  # Pillow's limit on sizes
        found = Image.open(file)
    if found.size != given.size:
        raise DataError(f"{kind} would make {found.width}x{found.height} of {given.width}x{given.height} pixels")
    if exact and not np.array_equal(np.asarray(found), np.asarray(given)):
        raise DataError(f"{kind} would change the ids of this label map")
    same = found.mode == given.mode or (given.mode, found.mode) == ("L", "RGB")
    if not same and not np.array_equal(np.asarray(found.convert(given.mode)), np.asarray(given)):
        raise DataError(f"{kind} would change the colours or the transparency: it makes {found.mode} of {given.mode}")


@contextmanager
def _ends_cleanly():
    """SIGTERM as an exception, so that half-written temporary files are removed."""

    def stop(number, frame):
        sys.exit(128 + number)

    in_main = threading.current_thread() is threading.main_thread()  # where alone signals are handled
    before = signal.signal(signal.SIGTERM, stop) if in_main else None
    try:
        yield
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


class _Bytes(io.BytesIO):
    """Bytes that messages call by where they came from."""

    def __init__(self, data: bytes, source: Path):
        super().__init__(data)
        self.source = source

    def __str__(self):
        return "stdin" if self.source == STDIO else str(self.source)
