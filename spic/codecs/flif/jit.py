"""Compiling: how this codec uses numba.

A `kernel` is called from Python and cached on disk; a `helper` is only called from kernels, is compiled into them and
needs no cache of its own. Kernels are always called with the same dtypes, so that each is compiled for one set of
types.
"""

import functools
import hashlib
import logging
import time
from pathlib import Path

import numba

LOG = logging.getLogger(__name__)

helper = numba.njit(nogil=True, error_model="numpy")


@functools.cache
def _source_stamp(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def kernel(function):
    """Compile `function` on its first call, or load it from numba's disk cache; log a cold compile.

    numba stamps a cached function with the file it is in, not with the files of the helpers compiled into it. The stamp
    is therefore replaced by a hash of all the files of the kernel's folder.
    """
    if numba.config.DISABLE_JIT:
        return function
    compiled = numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    index = getattr(compiled._cache, "_cache_file", None)
    if index is not None:
        index._source_stamp = _source_stamp(Path(function.__code__.co_filename).resolve().parent)

    @functools.wraps(function)
    def call(*arguments):
        if compiled.signatures:
            return compiled(*arguments)
        started = time.perf_counter()
        result = compiled(*arguments)
        if sum(compiled.stats.cache_misses.values()):
            LOG.info("compiled %s for this machine in %.1f s (once)", function.__name__, time.perf_counter() - started)
        return result

    call.dispatcher = compiled
    return call
