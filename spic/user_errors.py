"""How errors reach a user: one clear line and a non-zero exit."""

import sys
from contextlib import contextmanager

from spic.errors import SpicError


@contextmanager
def one_line_errors(log=None):
    """Turn a `SpicError` or an error of the file system into one line on stderr (and in the file `log`) and exit 1."""
    try:
        yield
    except (SpicError, OSError) as error:
        message = f"spic: {error}"
        if log:
            with open(log, "a") as file:
                print(message, file=file)
        print(message, file=sys.stderr)
        sys.exit(1)
