"""Files of tensors as they come from outside: one reader, which names what is wrong with a file in one short line."""

import os
import re
import warnings
from pathlib import Path

from spic.errors import WeightsError, memory_shortage

_HEAD = 512  # bytes that tell what a file is
_LONGEST = 120  # characters of another library's complaint
_NO_WEIGHTS = {  # how files begin that are something else
    rb"\Z": "the file is empty",
    rb"version https://git-lfs": "a Git LFS pointer; `git lfs pull` brings the file",
    rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|head)": "a web page in place of the file",
}


def expand(path):
    """A path, of the type given, with a leading `~` replaced by the home folder; shells do so only between spaces."""
    return os.path.expanduser(path) if isinstance(path, str) else Path(path).expanduser()


def check_file(path) -> None:
    """`WeightsError` where a weights file is missing or empty, or a web page or Git LFS pointer is in its place."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except OSError as error:
        raise WeightsError(f"{path}: not readable ({error.strerror})") from None
    for beginning, what in _NO_WEIGHTS.items():
        if re.match(beginning, head, re.IGNORECASE):
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
            return (load or _load)(path)
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


def _load(path):
    import torch
    from safetensors.torch import load_file

    tensors = Path(path).suffix == ".safetensors"
    return load_file(path) if tensors else torch.load(path, map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    """The cause in one short line, without torch's advice to run the code in the file."""
    if found := re.search(r"Unsupported \w+: (?:GLOBAL )?([\w.]+)", str(error)):
        return f"it holds more than tensors: {found[1]}"
    first = str(error).partition("\n")[0].partition(". ")[0][:_LONGEST]
    damaged = "damaged, or not a weights file"
    return damaged if not first or "Weights only load failed" in first else f"{damaged}: {first}"
