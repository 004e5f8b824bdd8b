"""The method `learned`: any codec with `compress` and `decompress` of real bytes, in a Python environment of its own.

Learned codecs want other versions of numpy and torch than this project; a worker (`learned_worker.py`) runs them in the
interpreter that `learned_python` names, and images and bytes go there and back over pipes.
"""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Timer

import numpy as np

from spic.benchmark.learned_worker import write
from spic.benchmark.method import Method
from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures.limits import MAX_PIXELS

_WORKER = Path(__file__).with_name("learned_worker.py")
_LONGEST_TABLE = 1 << 16
_TIMEOUT = 600.0  # seconds for one image, and for loading the codec


class LearnedMethod(Method):
    """A codec with `compress(image, quality)` and `decompress(bytes)`, learned or not, in any Python environment.

    Options: `codec`, "module:name", "file.py:name" or an entry point of the group `spic.learned`; `options`, its
    keyword arguments; `timeout`, seconds for one image. `learned_python` is its interpreter, by default this one.
    """

    parameter = "quality"
    reads = ("learned_python",)

    def __init__(self, settings):
        super().__init__(settings)
        given = {"codec": None, "options": {}, "timeout": _TIMEOUT, **settings.options}
        self.codec, self.options, self.timeout = (given.pop(key) for key in ("codec", "options", "timeout"))
        if given:
            raise ConfigError(f"method_options: learned has codec, options and timeout, not {', '.join(given)}")
        if not isinstance(self.codec, str | None) or not isinstance(self.options, dict):
            raise ConfigError("method_options: learned: codec is a text, options a table")
        if type(self.timeout) not in (int, float) or not 0 < self.timeout < 1e6:
            raise ConfigError(f"method_options: learned: timeout {self.timeout!r}: seconds, above 0")

    @property
    def missing(self):
        return "method_options" if self.codec is None else None

    @property
    def lack(self):
        if self.codec is None:
            return "a codec, method_options: {learned: {codec: FILE.py:NAME}} (docs/extending.md)"
        file, python = self._source, self.settings.learned_python
        if file and not file.is_file():
            return f"a codec; {file}: no such file"
        return f"learned_python; {python}: no such program" if python and not shutil.which(python) else None

    @property
    def _source(self) -> Path | None:
        """The file of the codec, where it is named by one."""
        file = self.codec.rpartition(":")[0] if self.codec else ""
        return Path(file).expanduser() if file.endswith(".py") else None

    def files(self):
        """The codec's file and every text among its options that is the path of a file."""
        named = [text for text in _texts(self.options) if len(text) < 4096 and Path(text).is_file()]
        return [*([str(self._source)] if self._source else []), *named]

    def codecs(self):
        return {}

    def extension(self, part):
        return "learned"

    def encode(self, picture, value):
        table = {"do": "compress", "shape": picture.pixels.shape, "quality": value}
        return {"picture": self._worker.ask(table, picture.pixels.tobytes(), DataError)[1]}

    def decode(self, parts, names):
        return [self._decoded(part["picture"]) for part in parts]

    def _decoded(self, data: bytes) -> np.ndarray:
        table, pixels = self._worker.ask({"do": "decompress"}, data, BitstreamError)
        shape = table.get("shape")
        try:
            return np.frombuffer(pixels, np.uint8).reshape(shape).copy()
        except (TypeError, ValueError):
            raise ConfigError(f"codec {self.codec}: an image of {len(pixels)} bytes cannot be {shape}") from None

    @cached_property
    def _worker(self):
        if self.lack:
            raise ConfigError(f"method learned needs {self.lack}")
        worker = Worker(self.settings.learned_python, self.codec, self.timeout, self.settings.machine.threads)
        worker.ask({"do": "open", "codec": self.codec, "options": self.options}, b"", ConfigError)
        return worker


def _texts(value) -> list[str]:
    """Every text in a table of options, in their order."""
    if isinstance(value, dict | list):
        return [text for one in (value.values() if isinstance(value, dict) else value) for text in _texts(one)]
    return [value] if isinstance(value, str) else []


class Worker:
    """A process that runs a codec; it ends with this object.

    Parameters
    ----------
    python : str or None
        Its interpreter; None takes this one.
    codec : str
        What messages call it.
    timeout : float
        Seconds after which an answer is no longer waited for.
    threads : int or None
        Its CPU threads, as far as its libraries ask the environment; None leaves them their own choice.
    """

    def __init__(self, python: str | None, codec: str, timeout: float, threads: int | None = None):
        self.codec, self.timeout, self.late = codec, timeout, False
        self._said = tempfile.TemporaryFile()
        isolated = ["-I"] if python else []  # this project's PYTHONPATH is not for another environment
        limits = {} if threads is None else {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL")}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._said}
        try:
            self._process = subprocess.Popen(
                [python or sys.executable, *isolated, str(_WORKER)],
                env={**os.environ, **limits},
                start_new_session=True,  # so that it can be stopped with all that it started
                **pipes,
            )
        except OSError as error:
            raise ConfigError(f"learned_python: {python}: {error.strerror}") from None
        self._stop = weakref.finalize(self, _end, self._process)

    def ask(self, table: dict, data: bytes, complaint: type[Exception]) -> tuple[dict, bytes]:
        """Send a request and wait for the answer, (table, bytes).

        Raises
        ------
        complaint
            The codec itself raised something.
        ConfigError
            The worker ended, answered something else, or took too long; it is stopped.
        """
        timer = Timer(self.timeout, self._give_up)
        timer.start()
        try:
            write(self._process.stdin, table, data)
            answer, found = self._read()
        except (OSError, EOFError):
            raise ConfigError(f"codec {self.codec}: {self._why()}") from None
        except ValueError:
            self._stop()
            raise ConfigError(f"codec {self.codec}: its worker answered no message of the protocol") from None
        finally:
            timer.cancel()
            timer.join()  # it holds this object
        if "error" in answer:
            raise complaint(f"codec {self.codec}: {' '.join(str(answer['error']).split())}")
        return answer, found

    def _read(self) -> tuple[dict, bytes]:
        length = struct.unpack(">I", self._exactly(4))[0]
        if length > _LONGEST_TABLE:
            raise ValueError
        table = json.loads(self._exactly(length))
        size = table.get("bytes") if isinstance(table, dict) else None
        if type(size) is not int or not 0 <= size <= 3 * MAX_PIXELS:
            raise ValueError
        return table, self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        data = self._process.stdout.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def _give_up(self) -> None:
        self.late = True
        self._stop()

    def _why(self) -> str:
        """Why there is no answer, with the last line that the worker said."""
        if self.late:
            return f"no answer within {self.timeout:g} s"
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._stop()
        self._said.seek(0)
        lines = self._said.read()[-2000:].decode(errors="replace").strip().splitlines()
        return f"its worker ended (exit status {self._process.returncode}): {lines[-1][:200] if lines else 'no word'}"


def _end(process: subprocess.Popen) -> None:
    """Stop a worker and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            pipe.close()
