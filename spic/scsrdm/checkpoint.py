"""Checkpoints: a network, and how to sample from it, side by side on disk.

The config file is {"network": settings of `ScsrdmConfig`, "sampling": settings of `sample`, ...}. For the authors'
`model.pt`, a `model.json` with {"official": their options} beside it does.
"""

import torch

from spic.errors import ConfigError, WeightsError
from spic.scsrdm import build
from spic.scsrdm.config import ScsrdmConfig, network_of
from spic.scsrdm.sampling import Sampling
from spic.weights import check_state, load_state, read_weights, write_weights

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def save_checkpoint(path, model, config: dict | None = None, dtype: str = "float16") -> str:
    """Write `path`.safetensors and `path`.json, each all or nothing.

    Parameters
    ----------
    path : path-like
        Stem or file name.
    model : torch.nn.Module or dict
        A network of `build`, or a state dict (of averaged weights, say); then `config` must hold "network".
    config : dict, optional
        "sampling": recommended sampler, steps or timesteps, start, guidance; anything else JSON can hold, for the card.
    dtype : str
        Storage format of the tensors.

    Returns
    -------
    str
        SHA-256 of the tensor file.

    Raises
    ------
    ConfigError, WeightsError
        If the config is wrong, or the tensors do not fit it or are not finite.
    """
    config = dict(config or {})
    if isinstance(model, torch.nn.Module):
        config["network"] = model.config.to_dict()
        state = model.state_dict()
    else:
        state = model
    network = network_of(config)
    Sampling.from_dict(config.get("sampling", {}))  # or `ConfigError`
    check_state(_empty(network).state_dict(), state, "the network of this config")
    return write_weights(path, state, {**config, "network": network.to_dict()}, dtype)


def load_checkpoint(path, device="cpu", dtype="float32"):
    """Read a checkpoint.

    Parameters
    ----------
    path : path-like
        Stem or file name, also the authors' `.pt`.
    device : str or torch.device
        Device of the network.
    dtype : str or torch.dtype
        Format of its parameters. Leave it float32 and use autocast for speed.

    Returns
    -------
    model : torch.nn.Module
        In eval mode, channels_last.
    config : dict
        "network" and "sampling" (possibly empty), and what else was stored. `sample(model, ..., **config["sampling"])`.

    Raises
    ------
    WeightsError
        If files are missing or damaged, the config is wrong, or tensors are missing, too many or misshapen.
    """
    dtype = _DTYPES.get(dtype, dtype)
    if dtype not in _DTYPES.values():
        raise ConfigError(f"dtype {dtype!r}: expected {', '.join(_DTYPES)}")
    state, config = read_weights(path)
    try:
        network = network_of(config)
        Sampling.from_dict(config.setdefault("sampling", {}))
    except ConfigError as error:
        raise WeightsError(f"{path}: {error}") from None
    model = _empty(network)
    load_state(model, state, f"the network of {path}")
    config["network"] = network.to_dict()
    return model.to(device=device, dtype=dtype, memory_format=torch.channels_last).eval(), config


def _empty(network: ScsrdmConfig):
    with torch.device("meta"):  # no memory of its own, no time lost on fresh weights
        return build(network)
