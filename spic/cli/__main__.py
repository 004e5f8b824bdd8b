"""`spic`, and `python -m spic.cli`."""

import atexit
import gc
import os
import sys
import threading

from spic.cli import app


def _with_room(call) -> None:
    call()


# CPython keeps the frames of Python functions in chunks of 16 KiB. A loop that calls where one chunk ends maps and
# unmaps the next one each time: 30,000 times while torch is imported, 0.3 s of CPU time. A large frame gets a chunk
# that has room for all others.
_with_room.__code__ = _with_room.__code__.replace(co_stacksize=1 << 14)


def main() -> None:
    """Run the command line and leave.

    A command lives for seconds, and most of what it allocates are modules that stay. So garbage is looked for rarely,
    and the way out does not take torch apart piece by piece; together 0.6 s of CPU time.
    """
    gc.set_threshold(50_000)
    try:
        _with_room(app)
    except SystemExit as end:
        if not isinstance(end.code, int | None) or threading.active_count() > 1:
            raise
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:  # nobody reads any more: Python knows what to say
            raise end from None
        atexit._run_exitfuncs()
        os._exit(end.code or 0)


if __name__ == "__main__":
    main()
