"""From PyTorch checkpoints, the authors' `model.pt` for one, to safetensors and a JSON config."""

import json
from pathlib import Path

from spic.errors import ConfigError, WeightsError
from spic.pictures.labels import get_label_space
from spic.scsrdm.checkpoint import save_checkpoint
from spic.scsrdm.config import network_of
from spic.scsrdm.info import only_space
from spic.scsrdm.sampling import Sampling
from spic.weights.reading import expand, read_state_dict

_AVERAGED = ("ema", "model_ema", "ema_model", "ema_state_dict")
_RAW = ("model", "state_dict", "model_state_dict", "network")


def convert_checkpoint(
    source, target, config=None, *, label_space: str | None = None, ema: bool | None = None, dtype: str = "float16"
) -> str:
    """Write the network of a PyTorch file as a checkpoint of `spic.scsrdm.checkpoint`.

    Parameters
    ----------
    source : path-like
        A state dict, or a table that holds one (or two: raw and averaged); read without running its code.
    target : path-like
        Stem of the two files.
    config : path-like, optional
        JSON: {"official": the authors' options} or {"network": settings}, perhaps with "sampling" and more. By default
        the JSON beside `source`, or else the released network.
    label_space : str, optional
        Of the SSM; by default the one with the network's number of classes, if there is one.
    ema : bool, optional
        Averaged or raw tensors, where the file has both; by default averaged.
    dtype : str
        Storage format.

    Returns
    -------
    str
        SHA-256 of the tensor file.

    Raises
    ------
    WeightsError
        The file is missing or damaged or holds other things than tensors, or the tensors do not fit the network; the
        message names tensors that are missing, unknown or misshapen.
    ConfigError
        The config or the choice of tensors is wrong.
    """
    source = Path(expand(source))
    settings = _read_config(source, config)
    network = network_of({"network": {}, **settings})
    settings.pop("official", None)
    settings["network"] = network.to_dict()
    space = label_space or settings.get("label_space") or only_space(network.num_classes)
    if space is not None:
        if get_label_space(space).num_classes != network.num_classes:
            raise ConfigError(f"label space {space} does not have the {network.num_classes} classes of the network")
        settings["label_space"] = space
    settings.setdefault("sampling", Sampling().to_dict())
    state, kind = _choose(read_state_dict(source), ema, source)
    settings["converted"] = {"from": source.name, "tensors": kind}
    try:
        return save_checkpoint(target, state, settings, dtype)
    except WeightsError as error:
        raise WeightsError(f"{source}: {error}") from None


def _read_config(source: Path, config) -> dict:
    path = Path(expand(config)) if config is not None else source.with_suffix(".json")
    if config is None and not path.exists():
        return {}
    try:
        settings = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON ({error})") from None
    if not isinstance(settings, dict) or ("official" in settings) == ("network" in settings):
        raise ConfigError(f'{path}: expected a table with either "official" or "network"')
    if not isinstance(settings.get("official", {}), dict):
        raise ConfigError(f'{path}: "official" is not a table of options')
    return settings


def _choose(content: dict, ema: bool | None, path: Path) -> tuple[dict, str]:
    """The state dict that is meant, without the prefix of a wrapped network, and what it is."""
    found = {kind: content[key] for kind, keys in (("ema", _AVERAGED), ("raw", _RAW)) for key in keys if key in content}
    found = {kind: state for kind, state in found.items() if isinstance(state, dict)}
    if not found:
        if ema is not None:
            raise ConfigError(f"{path}: holds one set of tensors; there is nothing to choose between --ema and --raw")
        kind, state = "plain", content
    else:
        kind = "ema" if (ema is None and "ema" in found) or ema else "raw"
        if kind not in found:
            raise WeightsError(f"{path}: holds no {kind} tensors")
        state = found[kind]
    wrong = [str(name) for name, tensor in state.items() if not hasattr(tensor, "is_floating_point")]
    if wrong or not state:
        raise WeightsError(f"{path}: not a state dict ({', '.join(wrong[:4]) or 'empty'})")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}, kind
