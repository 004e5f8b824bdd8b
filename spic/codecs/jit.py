"""Compiling: how codecs use numba.

A `kernel` is called from Python and its machine code is kept on disk; a `helper` is only called from kernels, is
compiled into them and needs no file of its own. Kernels are always called with the same dtypes, so that each is
compiled for one set of types.

numba keeps machine code in NUMBA_CACHE_DIR, beside the source, or in the user's cache. Where it may write in none of
them (a read-only package and no home), we take a folder of this user in the temporary folder, or else none.
"""

import functools
import hashlib
import logging
import os
import time
from pathlib import Path

import numba

from spic.files import private_folder

LOG = logging.getLogger(__name__)
_QUICK = numba.__version__.startswith("0.68.")  # versions whose cache `_load` was tried with

_OPTIONS = {"nogil": True, "error_model": "numpy"}
helper = numba.njit(**_OPTIONS)


def kernel(function):
    """Compile `function` on its first call, or load it from numba's disk cache; log a cold compile.

    numba stamps a cached function with the file it is in, not with the files of the helpers compiled into it. The stamp
    is therefore replaced by a hash of all the files of the kernel's folder.
    """
    if numba.config.DISABLE_JIT:
        return function
    compiled = numba.njit(**_OPTIONS)(function)
    folder = Path(function.__code__.co_filename).resolve().parent

    @functools.wraps(function)
    def call(*arguments):
        if compiled.signatures:
            return compiled(*arguments)
        kept = _keep_on_disk(compiled, folder)
        started = time.perf_counter()
        try:
            result = compiled(*arguments)
        except OSError as error:  # never the function's own: a full disk, a file of another user
            _warn(f"{error.strerror or error}: machine code is not kept, and compiled by every process anew")
            kept = False
            compiled._cache.disable()
            result = compiled(*arguments)
        if kept and sum(compiled.stats.cache_misses.values()):
            LOG.info("compiled %s for this machine in %.1f s (once)", function.__name__, time.perf_counter() - started)
        return result

    call.dispatcher = compiled
    return call


def _keep_on_disk(compiled, sources: Path) -> bool:
    """Give a function of the folder `sources` numba's disk cache; whether there is a place for that."""
    try:
        if _homeless():
            raise RuntimeError("no home")
        compiled.enable_caching()
    except RuntimeError:  # numba's word for no folder that it may write in
        folder = private_folder("spic-numba")
        if folder is None:
            _warn("no folder to keep machine code in, so every process compiles anew; NUMBA_CACHE_DIR can name one")
            return False
        _warn(f"machine code is kept in {folder}, since nothing better is writable; NUMBA_CACHE_DIR can name a folder")
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
        try:
            compiled.enable_caching()
        finally:
            numba.config.CACHE_DIR = before
    compiled._cache._cache_file._source_stamp = _source_stamp(sources)
    if _QUICK:
        compiled._cache.load_overload = functools.partial(_load, compiled._cache)
    return True


def _load(cache, signature, target):
    """What numba's `load_overload` does, but its compiler is not made ready, which takes 0.2 s of CPU time.

    Machine code from the disk needs the runtime alone. Where there is none, the compiler makes itself ready.
    """
    from numba.core.runtime import rtsys

    rtsys.initialize(target)
    with cache._guard_against_spurious_io_errors():
        return cache._load_overload(signature, target)


def cache_folder(function) -> str | None:
    """Folder of a kernel's machine code; None where it can be kept nowhere."""
    compiled, sources = function.dispatcher, Path(function.__wrapped__.__code__.co_filename).resolve().parent
    return compiled.stats.cache_path if _keep_on_disk(compiled, sources) else None


def _homeless() -> bool:
    """Whether numba would take a folder below the current one for the user's cache, and none is named.

    So it does where Python knows no home, for a numeric user of a container for one, or XDG_CACHE_HOME is empty.
    """
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    return not numba.config.CACHE_DIR and not os.path.isabs(cache)


@functools.cache
def _source_stamp(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in [*sorted(folder.glob("*.py")), Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _warn(message: str) -> None:
    """Once per process, not once per function."""
    LOG.warning(message)
