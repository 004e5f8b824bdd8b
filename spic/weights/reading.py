"""Files of tensors as they come from outside: one reader, which names what is wrong with a file in one short line."""

import os
import re
import warnings
from pathlib import Path

from spic.errors import WeightsError, memory_shortage

_HEAD = 512  # bytes that tell what a file is
_LONGEST = 120  # characters of another library's complaint


def expand(path):
    """A path, of the type given, with a leading `~` replaced by the home folder; shells do so only between spaces."""
    expanded = os.path.expanduser(path)
    return expanded if isinstance(path, str) else Path(expanded)


def check_file(path) -> None:
    """`WeightsError` where a weights file is missing or empty, or a web page or Git LFS pointer is in its place."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except OSError as error:
        raise WeightsError(f"{path}: not readable ({error.strerror})") from None
    if (what := _what_else(head)) is not None:
        raise WeightsError(f"{path}: not readable ({what})")


def read_tensors(path, load=None):
    """Read a weights file without running code that it may hold.

    Parameters
    ----------
    path : path-like
        `.safetensors`, or a file of `torch.save` by any other name.
    load : callable, optional
        load(path) in place of these two readers.

    Returns
    -------
    object
        {name: torch.Tensor} of safetensors; of PyTorch whatever the file holds, tensors on the CPU.

    Raises
    ------
    WeightsError
        The file is missing, damaged, something else, or holds more than tensors.
    """
    check_file(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, about the formats of pickles
            return (load or _reader(Path(path)))(path)
    except Exception as error:  # the readers raise a dozen kinds for damaged bytes
        reason = memory_shortage(error) or f"not readable ({_reason(error)})"
        raise WeightsError(f"{path}: {reason}") from None


def read_state_dict(path, advice: str = "") -> dict:
    """`read_tensors` of a file that holds a table; `advice` says in each `WeightsError` which file it should be."""
    end = f"; {advice}" if advice else ""
    try:
        state = read_tensors(path)
    except WeightsError as error:
        raise WeightsError(f"{error}{end}") from None
    if not isinstance(state, dict):
        raise WeightsError(f"{path}: not a state dict{end}")
    return state


def _reader(path: Path):
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file
    import torch

    return lambda file: torch.load(file, map_location="cpu", weights_only=True)


def _what_else(head: bytes) -> str | None:
    """What a file is that begins so, if that is no weights file."""
    if not head:
        return "the file is empty"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer; `git lfs pull` brings the file"
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|head)", head, re.IGNORECASE):
        return "a web page in place of the file"
    return None


def _reason(error: Exception) -> str:
    """The cause in one short line, without torch's advice to run the code in the file."""
    text = str(error)
    if found := re.search(r"Unsupported \w+: (?:GLOBAL )?([\w.]+)", text):
        return f"it holds more than tensors: {found[1]}"
    first = text.partition("\n")[0].partition(". ")[0][:_LONGEST]
    damaged = "damaged, or not a weights file"
    return damaged if not first or "Weights only load failed" in first else f"{damaged}: {first}"
