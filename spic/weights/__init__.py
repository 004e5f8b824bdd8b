"""Network weights on disk: `NAME.safetensors` with the tensors, `NAME.json` with the config, and the shipped ones.

Every failure is a `WeightsError`; nothing is ever loaded in part. torch and safetensors load when a file is touched.
A tensor stored as int8 has the tensor NAME:scale beside it, one float32 factor for each of its first dimension.
The manifest of shipped weights, `manifest.json`, is {name: {file, sha256, bytes, config_sha256, released}}; `released`
says which tensor file each release of this package had, {release: SHA-256}.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

from spic.errors import ConfigError, WeightsError
from spic.files import atomic_path, write_bytes
from spic.strict_json import to_json
from spic.weights.reading import check_file, expand, read_tensors

FOLDER = Path(__file__).parent
_SCALE = ":scale"
_NAMED = 4  # how many tensors an error message names
_PLAIN = r"[A-Za-z0-9][A-Za-z0-9._-]*"  # names of weights and releases


def weight_paths(path) -> tuple[Path, Path]:
    """Tensor file and config file of a weights path: the stem, or either of the two, or a `.pt` file."""
    path = Path(expand(path))
    if path.suffix in (".pt", ".pth"):
        return path, path.with_suffix(".json")
    stem = path.name.removesuffix(".safetensors").removesuffix(".json")
    return path.with_name(f"{stem}.safetensors"), path.with_name(f"{stem}.json")


def write_weights(path, state: dict, config: dict, dtype: str = "float16") -> str:
    """Write tensors and config side by side, each all or nothing.

    Parameters
    ----------
    path : path-like
        Stem, or one of the two file names.
    state : dict of str to torch.Tensor
        A state dict, on any device.
    config : dict
        What JSON can hold; the key `weights` is added and says size and hash of the tensor file.
    dtype : str
        Format in which floating-point tensors are stored: "float16", "bfloat16", "float32"; or "int8", which rounds
        tensors of two and more dimensions to 255 levels an output channel and keeps the others in float32.

    Returns
    -------
    str
        SHA-256 of the tensor file.

    Raises
    ------
    WeightsError
        If a value is not finite in that format: such weights are not worth keeping.
    ConfigError
        If `config` or `dtype` can not be written.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    if dtype not in ("float16", "bfloat16", "float32", "int8"):
        raise ConfigError(f"dtype {dtype!r}: weights are stored as float16, bfloat16, float32 or int8")
    stored = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point():
            tensor = tensor.to(torch.float32 if dtype == "int8" else getattr(torch, dtype))
            if not torch.isfinite(tensor).all():
                raise WeightsError(f"tensor {name} has values that are not finite in {dtype}")
            if dtype == "int8" and tensor.ndim > 1:
                # values times factors is the tensor, to half a 127th of each channel's largest
                factors = tensor.abs().flatten(1).amax(1).clamp(min=1e-30) / 127
                tensor = (tensor / _of_channels(factors, tensor)).round().clamp(-127, 127).to(torch.int8)
                stored[name + _SCALE] = factors
        stored[name] = tensor.clone(memory_format=torch.contiguous_format)
    tensors, sidecar = weight_paths(path)
    if tensors.suffix != ".safetensors":
        raise ConfigError(f"{path}: weights are written as .safetensors")
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the config does not fit into JSON ({error})") from None
    with atomic_path(tensors) as temporary:
        try:
            save_file(stored, temporary)
        except SafetensorError as error:  # its form of a full disk
            raise WeightsError(f"{tensors}: not written ({error})") from None
        digest, size = sha256(temporary), temporary.stat().st_size
    _write_json(sidecar, {**config, "weights": {"sha256": digest, "bytes": size, "dtype": dtype}})
    return digest


def read_weights(path) -> tuple[dict, dict]:
    """Read tensors and config.

    Parameters
    ----------
    path : path-like
        As for `write_weights`, or a PyTorch state dict `.pt` with a `.json` beside it (read without running its code).

    Returns
    -------
    state : dict of str to torch.Tensor
        On the CPU, floating-point tensors as float32.
    config : dict
        As given to `write_weights`.

    Raises
    ------
    WeightsError
        If a file is missing or damaged, or the two do not belong together.
    """
    tensors, sidecar = weight_paths(path)
    check_file(tensors)
    config = read_config(path)
    said = config.pop("weights", None)
    if said is not None and (not isinstance(said, dict) or said.get("sha256") != sha256(tensors)):
        raise WeightsError(f"{tensors} is not the file that {sidecar.name} describes (hash differs)")
    state = read_tensors(tensors)
    if not isinstance(state, dict) or not all(hasattr(tensor, "is_floating_point") for tensor in state.values()):
        raise WeightsError(f"{tensors}: not a plain state dict")
    for name in [name for name in state if name.endswith(_SCALE)]:
        scale, of = state.pop(name), name.removesuffix(_SCALE)
        if of not in state or scale.shape != state[of].shape[:1] or not state[of].ndim:
            raise WeightsError(f"{tensors}: {name} belongs to no tensor")
        state[of] = state[of].float() * _of_channels(scale.float(), state[of])
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}, config


def read_config(path) -> dict:
    """The config of weights, without their tensors; `path` as for `read_weights`.

    Raises
    ------
    WeightsError
        There is no config, or it is damaged; of a file of tensors that is missing or something else it says so first.
    """
    tensors, sidecar = weight_paths(path)
    if not sidecar.exists():
        check_file(tensors)
        advice = "" if tensors.suffix == ".safetensors" else "; `spic weights convert` makes a file with one"
        raise WeightsError(f"{tensors}: there is no config {sidecar.name} beside it{advice}")
    return _read_json(sidecar, "config")


def load_state(module, state: dict, what: str = "network") -> None:
    """Put a state dict into a module, all of it or nothing.

    Parameters
    ----------
    module : torch.nn.Module
        Also one made on the "meta" device: it takes the tensors themselves.
    state : dict of str to torch.Tensor
        Exactly the module's tensors.
    what : str
        What the message calls the weights.

    Raises
    ------
    WeightsError
        Names some of the tensors that are missing, too many, of another shape or not finite; the module is unchanged.
    """
    own = module.state_dict()
    check_state(own, state, what)
    module.load_state_dict(state, assign=any(tensor.is_meta for tensor in own.values()))


def check_state(own: dict, state: dict, what: str = "network") -> None:
    """`WeightsError` unless `state` has exactly the tensors of `own`, of the same shapes and finite; it names some."""
    both = [name for name in own if name in state]
    found = {
        "missing": [name for name in own if name not in state],
        "unknown": [str(name) for name in state if name not in own],
        "misshapen": [
            f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
            for name in both
            if state[name].shape != own[name].shape
        ],
        "not finite": [name for name in both if state[name].is_floating_point() and not state[name].isfinite().all()],
    }
    complaints = [
        f"{len(names)} {kind} ({', '.join([*names[:_NAMED], *['...'] * (len(names) > _NAMED)])})"
        for kind, names in found.items()
        if names
    ]
    if complaints:
        raise WeightsError(f"weights do not fit {what}: " + "; ".join(complaints))


def shipped(name: str, folder: Path | None = None) -> Path:
    """Path of shipped weights after checking their hashes; `WeightsError` if unknown, missing or changed."""
    folder = folder or FOLDER
    known = manifest(folder)
    if name not in known:
        raise WeightsError(f"no shipped weights {name!r}; there are: {', '.join(sorted(known)) or 'none'}")
    tensors, sidecar = weight_paths(folder / known[name]["file"])
    for file, digest in {tensors: known[name]["sha256"], sidecar: known[name]["config_sha256"]}.items():
        if not file.is_file():
            raise WeightsError(f"shipped weights {name!r}: {file.name} is missing")
        if file == tensors:
            check_file(file)
        if sha256(file) != digest:
            raise WeightsError(f"shipped weights {name!r}: {file.name} is not the released file (hash differs)")
    return tensors


class Known(NamedTuple):
    """Shipped weights: their name, and the release that had them, None for those that are shipped now."""

    name: str
    release: str | None = None

    def __str__(self):
        return f"{self.name} of {self.release}" if self.release else self.name


def known_as(weights_id: str, folder: Path | None = None) -> Known | None:
    """What weights are whose tensor file's SHA-256 begins with `weights_id`; None where that is not known."""
    entries = manifest(folder)
    now = [Known(name) for name, entry in entries.items() if entry["sha256"].startswith(weights_id)]
    earlier = [
        Known(name, release)
        for name, entry in entries.items()
        for release, digest in entry.get("released", {}).items()
        if digest.startswith(weights_id)
    ]
    return next(iter([*now, *earlier]), None)


def register(name: str, path, folder: Path | None = None) -> Path:
    """Ship weights: copy the two files into the folder as NAME.* and enter them in the manifest; returns the path.

    What releases had under that name stays known. `ConfigError` unless `name` is letters, digits and "._-", and begins
    with one of the former.
    """
    folder = folder or FOLDER
    if not re.fullmatch(_PLAIN, name):
        raise ConfigError(f"{name!r} is not a plain name")
    read_weights(path)
    sources, targets = weight_paths(path), weight_paths(folder / name)
    for source, target in zip(sources, targets, strict=True):
        if source.resolve() != target.resolve():
            write_bytes(target, source.read_bytes())
    tensors, sidecar = targets
    known = manifest(folder)
    entry = {
        "file": tensors.name,
        "sha256": sha256(tensors),
        "bytes": tensors.stat().st_size,
        "config_sha256": sha256(sidecar),
        "released": known.get(name, {}).get("released", {}),
    }
    _write_json(folder / "manifest.json", dict(sorted({**known, name: entry}.items())))
    return tensors


def record_release(release: str, folder: Path | None = None) -> dict[str, str]:
    """Enter in the manifest that a release has the weights that are shipped now; returns {name: SHA-256}.

    Files that were made with them can then be told once other weights have their names. `ConfigError` for a release
    that had others, or that is no plain name; `WeightsError` unless all files are as the manifest says.
    """
    folder = folder or FOLDER
    if not re.fullmatch(_PLAIN, release):
        raise ConfigError(f"{release!r} is not a plain name")
    entries = manifest(folder)
    for name, entry in entries.items():
        shipped(name, folder)
        released = entry.setdefault("released", {})
        if released.setdefault(release, entry["sha256"]) != entry["sha256"]:
            raise ConfigError(f"release {release} had another {name} ({released[release][:8]}): it can not be changed")
    _write_json(folder / "manifest.json", entries)
    return {name: entry["sha256"] for name, entry in entries.items()}


def manifest(folder: Path | None = None) -> dict:
    """What weights a folder ships, {name: entry}; empty without a manifest, `WeightsError` for a damaged one."""
    path = (folder or FOLDER) / "manifest.json"
    entries = _read_json(path, "damaged, the manifest") if path.exists() else {}
    for name, entry in entries.items():
        try:
            values = [entry["file"], entry["sha256"], entry["config_sha256"], *entry.get("released", {}).values()]
        except (KeyError, TypeError, AttributeError):
            values = [None]
        if not all(isinstance(value, str) for value in values):
            raise WeightsError(f"the manifest entry of {name!r} is damaged")
    return entries


def sha256(path) -> str:
    """SHA-256 of a file, hexadecimal."""
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_channels(factors, tensor):
    return factors.view(-1, *[1] * (tensor.ndim - 1))


def _write_json(path: Path, value: dict) -> None:
    write_bytes(path, (to_json(value, indent=2) + "\n").encode())


def _read_json(path: Path, what: str) -> dict:
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{path}: {what} not readable ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: {what} is not JSON ({error})") from None
    if not isinstance(config, dict):
        raise WeightsError(f"{path}: {what} is not a table")
    return config
