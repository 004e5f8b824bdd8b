"""SCSRDM: rebuilds an image from its segmentation map (SSM) and its coarse image by conditional diffusion.

torch loads when the first network is built, not when this package is imported.
"""

from importlib import import_module

from spic.scsrdm.config import ScsrdmConfig, config_from_official

__all__ = ["ScsrdmConfig", "build", "config_from_official", "load_checkpoint", "sample", "save_checkpoint"]


def build(config):
    """Make a network with fresh weights.

    Parameters
    ----------
    config : dict or ScsrdmConfig
        Settings of `ScsrdmConfig`; those not named have the released model's values.

    Returns
    -------
    torch.nn.Module
        `forward(x_t, t, ssm_onehot, coarse)`, see `spic.scsrdm.model.Scsrdm`.

    Raises
    ------
    ConfigError
        For unknown names, wrong values, contradictions.
    """
    config = config if isinstance(config, ScsrdmConfig) else ScsrdmConfig.from_dict(config)
    from spic.scsrdm.model import Scsrdm

    return Scsrdm(config)


def __getattr__(name: str):
    home = {"sample": "sampler", "save_checkpoint": "checkpoint", "load_checkpoint": "checkpoint"}.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"spic.scsrdm.{home}"), name)
