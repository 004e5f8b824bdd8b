"""How a workflow job speaks: all it says goes into its log, and a user's mistake is one clear line there."""

import logging
import sys
import traceback
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from spic.errors import SpicError


@contextmanager
def job(log):
    """Send stderr to the file `log` while the job runs; end with exit status 1 on any error.

    A `SpicError` or an error of the file system becomes one line, anything else (a bug) its traceback.
    """
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file, redirect_stderr(file):
        logging.basicConfig(stream=file, format="spic: %(message)s", force=True)
        logging.getLogger("spic").setLevel(logging.INFO)
        try:
            yield
        except (SpicError, OSError) as error:
            print(f"spic: {error}", file=file)
            code = 1
        except Exception:
            traceback.print_exc(file=file)
            code = 1
        else:
            code = 0
    if code:
        sys.exit(code)
