"""Files and folders on disk: what is written is there whole or not at all, and which files of a folder are meant.

What is neither a regular file nor missing (a pipe, a device, /dev/stdout) is never replaced: it is written through once
everything is there. Links are followed.
"""

import errno
import logging
import os
import re
import shutil
import stat
import sys
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

LOG = logging.getLogger(__name__)
IMAGES = tuple(  # endings of images, wherever a folder of them is read
    ".png .jpg .jpeg .jfif .webp .avif .bmp .gif .tif .tiff .ppm .pgm .pnm .jp2 .j2k".split()
)
_NAME_BYTES = 143  # of temporary names: the least that common file systems allow (eCryptfs)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_NAMED = 4  # of what is left out


@contextmanager
def atomic_path(path):
    """Context manager: gives a temporary path; on success its content goes to `path`, on failure it is removed.

    A regular file is replaced in one step by one of the same permissions.

    Parameters
    ----------
    path : path-like
        Where to; missing folders above it are made.

    Raises
    ------
    OSError
        `path` is a folder, what is above it is none, or it can not be written.
    """
    path = Path(path)
    if is_stream(path):
        import tempfile

        with tempfile.TemporaryDirectory(prefix="spic-") as folder:
            temporary = Path(folder, "file")
            yield temporary
            _write_through(temporary, path)
        return
    target, temporary = _places(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        mode = (target if target.exists() else temporary).stat().st_mode
        yield temporary
        temporary.chmod(stat.S_IMODE(mode))  # safetensors puts a file of its own there, that no other user may read
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path):
    """Context manager: gives an empty temporary folder; on success it takes the place of `path`, else it is removed.

    `OSError` where something else than a folder is there, or above it.
    """
    target, temporary = _places(Path(path))
    check_folder(target)
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path, data: bytes) -> None:
    """Write `data` to `path`, all or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def make_folder(path) -> None:
    """Make a folder and those above it; `NotADirectoryError` names what is in the way."""
    check_folder(path)
    Path(path).mkdir(parents=True, exist_ok=True)


def check_folder(path) -> None:
    """`NotADirectoryError` where `path` can not be a folder, since it or something above it is none."""
    path = Path(path)
    there = next((part for part in (path, *path.parents) if os.path.lexists(part)), None)
    if there is not None and not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{there} is not a folder")


def private_folder(name: str) -> Path | None:
    """A folder of this user in the temporary folder, the same each time; None where there is none to be trusted.

    No other user may own it or write in it, since programs are kept there.
    """
    import tempfile

    with suppress(OSError):
        folder = Path(tempfile.gettempdir(), f"{name}-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return folder
    return None


def is_stream(path) -> bool:
    """Whether what is written to a path goes through it: a pipe, a device, a socket, or an open file of this process.

    `OSError` for a link that leads to itself, or where one may not look.
    """
    try:
        return descriptor(path) is not None or stat.S_IFMT(os.stat(path).st_mode) not in (stat.S_IFREG, stat.S_IFDIR)
    except (FileNotFoundError, NotADirectoryError):
        return False


def descriptor(path) -> int | None:
    """Number of the open file that a path means: 1 for /dev/stdout, /dev/fd/1, /proc/self/fd/1 or a link to them."""
    path, own = os.fspath(path), os.path.realpath("/proc/self/fd")
    for _ in range(40):  # links, as many as Linux follows
        folder, name = os.path.realpath(os.path.dirname(path)), os.path.basename(path)
        if folder in ("/dev/fd", own) and name.isdecimal():
            return int(name)
        if not os.path.islink(path):
            break
        path = os.path.join(folder, os.readlink(path))
    return None


def left_overs(path) -> list[Path]:
    """Temporary files and folders that killed writers of `path` left beside it."""
    path = Path(path)
    ours = re.compile(re.escape(_prefix(path)) + r"[0-9a-f]{8}\.tmp")
    return [one for one in path.parent.glob(".*.tmp") if ours.fullmatch(one.name)]


def _places(path: Path) -> tuple[Path, Path]:
    """Where a path leads, links followed, and a temporary name beside that; the folders above are made."""
    make_folder(path.parent)
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    return target, target.with_name(f"{_prefix(target)}{os.urandom(4).hex()}.tmp")


def _prefix(path: Path) -> str:
    """How temporary names for `path` begin: a dot, as much of its name as fits, a dot."""
    return os.fsencode(f".{path.name}")[: _NAME_BYTES - 13].decode("utf-8", "ignore") + "."


def _write_through(source: Path, path: Path) -> None:
    sys.stdout.flush()  # which `path` may be
    number = descriptor(path)
    # not O_CREAT: in /tmp Linux refuses that for others' pipes
    out = os.open(path, os.O_WRONLY | os.O_NOCTTY) if number is None else os.dup(number)
    with source.open("rb") as data, open(out, "wb") as file:
        shutil.copyfileobj(data, file)


def files_in(folder, endings: tuple[str, ...], beside: tuple[str, ...] = ()) -> list[Path]:
    """The files of a folder that have one of some endings, in the order of their names: what every door takes.

    Hidden files and what lies in folders below do not count. What else is left out is listed in one line of the log.

    Parameters
    ----------
    folder : path-like
        An existing folder.
    endings : tuple of str
        In lower case, with the dot; files may have them in capitals.
    beside : tuple of str
        Endings of files that belong there too: not worth a word.

    Returns
    -------
    list of pathlib.Path
        Regular files; and links that lead nowhere, so that their reader reports what is wrong.
    """
    return only_files(Path(folder).iterdir(), folder, endings, beside)


def only_files(paths, where, endings: tuple[str, ...] | None = None, beside: tuple[str, ...] = ()) -> list[Path]:
    """Those of some paths that `files_in` would take, sorted; any ending will do where `endings` is None.

    `where` is what the line about the others calls the place.
    """
    taken, odd, other = [], [], []
    for path in sorted(path for path in paths if not path.name.startswith(".")):
        ending, kind = path.suffix.lower(), _kind(path)
        if endings is None or ending in endings:
            (taken if kind is None else odd).append(path)
        elif kind is None and ending not in beside:
            other.append(ending or "none")
    said = [f"{path.name} ({_kind(path)})" for path in odd[:_NAMED]]
    if len(odd) > _NAMED:
        said.append(f"{len(odd) - _NAMED} more that are no files")
    if other:
        said.append(f"{len(other)} of other endings ({', '.join(sorted(set(other)))})")
    if said:
        _warn(f"{spelled(where)}: left out: {spelled(', '.join(said))}")
    return taken


def spelled(name) -> str:
    """A file's name as text: bytes that are not UTF-8, which Python keeps as surrogates, become %E9 and the like."""
    return re.sub("[\udc80-\udcff]", lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", str(name))


def _kind(path: Path) -> str | None:
    """What a path is that is no file; None for files and where that is unknown."""
    with suppress(OSError):
        return _KINDS.get(stat.S_IFMT(path.stat().st_mode))
    return None


@cache
def _warn(message: str) -> None:
    """Once per process: a run opens its data set more often than that."""
    LOG.warning(message)
