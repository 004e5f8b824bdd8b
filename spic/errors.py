"""The one exception family of the project: everything a user can cause ends in one of these, or is out of memory."""

import re
from contextlib import contextmanager

_MEMORY = re.compile("out of memory|allocate memory|bad_alloc|_ALLOC_FAILED|create a memory object", re.IGNORECASE)


class SpicError(Exception):
    """Base of all errors that spic raises on purpose; its text is one clear line for the user."""


class BitstreamError(SpicError):
    """Coded bytes are damaged, hostile, truncated or of an unsupported kind."""


class DataError(SpicError):
    """An image, label map or data set is missing, unreadable or of the wrong shape."""


class ConfigError(SpicError):
    """A setting is unknown, out of range or contradicts another one."""


class WeightsError(SpicError):
    """A weights file is missing, damaged, or does not fit the model it is meant for."""


def memory_shortage(error: BaseException) -> str | None:
    """What to say where memory ran out, which no class of exceptions tells; None for every other error.

    Python and numpy raise `MemoryError`, the system `OSError`, torch and its libraries `RuntimeError` of many wordings
    (`torch.OutOfMemoryError` among them).
    """
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, SpicError) or not _MEMORY.search(str(error)):
        return None
    return "out of memory on the GPU" if re.search("CUDA|CUBLAS|CUDNN", str(error)) else "out of memory"


@contextmanager
def about(what):
    """Context in which errors begin with the file or setting that they are about, unless they do."""
    try:
        yield
    except SpicError as error:
        if str(error).startswith(f"{what}:"):
            raise
        raise type(error)(f"{what}: {error}") from None
    except Exception as error:
        reason = memory_shortage(error) or (isinstance(error, OSError) and (error.strerror or str(error)))
        if isinstance(error, BrokenPipeError) or not reason:
            raise
        raise DataError(f"{what}: {reason}") from None
