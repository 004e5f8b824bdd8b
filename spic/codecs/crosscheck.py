"""Our files read by the reference tools, and theirs by us: `flif`, and `bpgdec` and `bpgenc`, where a user has them.

The tools are asked for on PATH and never needed otherwise.
"""

import inspect
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from spic.codecs.base import Codec
from spic.errors import BitstreamError, ConfigError

_SECONDS = 120  # more than any image of a sane size takes


@dataclass(frozen=True)
class _Tools:
    """Commands of a reference decoder and encoder; {source}, {target} and {quality} are filled in."""

    decode: str
    encode: str
    home: str


_TOOLS = {
    "bpg": _Tools("bpgdec -o {target} {source}", "bpgenc -q {quality} -o {target} {source}", "https://bellard.org/bpg"),
    "flif": _Tools(
        "flif --decode {source} {target}", "flif --encode {source} {target}", "https://github.com/FLIF-hub/FLIF"
    ),
}


def cross_check(codec: Codec, image: np.ndarray, data: bytes, quality: dict) -> list[str]:
    """Compare a codec with the reference tools.

    The reference decoder must read `data` to the same pixels as ours. Where the reference encoder is there too, it
    codes `image`, and both decoders must agree on its file.

    Parameters
    ----------
    codec : Codec
        Ours.
    image : numpy.ndarray
        What was coded.
    data : bytes
        Its code.
    quality : dict
        The setting it was coded with; empty for the codec's default.

    Returns
    -------
    list of str
        What was found, one line a tool.

    Raises
    ------
    ConfigError
        There is no reference tool for this codec, or it is not on PATH.
    BitstreamError
        A tool fails or sees other pixels.
    """
    if codec.name not in _TOOLS:
        raise ConfigError(f"--cross-check: no reference tool for {codec.name}; there are some for {', '.join(_TOOLS)}")
    tools = _TOOLS[codec.name]
    decoder, encoder = tools.decode.split()[0], tools.encode.split()[0]
    if shutil.which(decoder) is None:
        raise ConfigError(f"--cross-check: no {decoder} on PATH ({tools.home})")
    with tempfile.TemporaryDirectory(prefix="spic-") as folder:
        ours = Path(folder) / f"ours.{codec.extension}"
        ours.write_bytes(data)
        _compare(codec, tools, ours, "our file")
        lines = [f"{decoder} reads the same {image.shape[1]}x{image.shape[0]} pixels from our file"]
        if shutil.which(encoder) is None:
            return [*lines, f"{encoder} is not on PATH: no file of its own to read"]
        source, theirs = Path(folder) / "source.png", Path(folder) / f"theirs.{codec.extension}"
        Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image).save(source)
        _run(tools.encode, source, theirs, _value(codec, quality))
        _compare(codec, tools, theirs, f"the file of {encoder}")
        size = theirs.stat().st_size
    return [*lines, f"{encoder} takes {size} bytes, we {len(data)}; both decoders read the same pixels from its file"]


def _compare(codec, tools, path: Path, what: str) -> None:
    target = path.with_suffix(".png")
    _run(tools.decode, path, target)
    with Image.open(target) as picture:
        theirs = np.array(picture)
    ours = codec.decode(path.read_bytes())
    ours = ours[..., 0] if ours.shape[2:] == (1,) else ours
    decoder = tools.decode.split()[0]
    if ours.shape != theirs.shape:
        raise BitstreamError(f"{what}: {decoder} reads {theirs.shape}, we {ours.shape}")
    wrong = int((ours != theirs).sum())
    if wrong:
        raise BitstreamError(f"{what}: {decoder} and we differ in {wrong} of {ours.size} samples")


def _run(command: str, source: Path, target: Path, quality=None) -> None:
    arguments = [part.format(source=source, target=target, quality=quality) for part in command.split()]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BitstreamError(f"{arguments[0]} did not run ({error})") from None
    if done.returncode != 0 or not target.is_file():
        said = " ".join((done.stderr or done.stdout).split())[:200]
        raise BitstreamError(f"{arguments[0]} fails on {source.name} (status {done.returncode}): {said}")


def _value(codec, quality: dict):
    if codec.quality_name is None:
        return None
    return quality.get(codec.quality_name, inspect.signature(codec.encode).parameters[codec.quality_name].default)
