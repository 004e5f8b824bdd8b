"""SCSRDM: rebuilds a picture from its segmentation map (SSM) and its coarse image by conditional diffusion.

torch loads when the first network is built, not when this package is imported.
"""

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


def sample(model, ssm_onehot, coarse, **settings):
    """Rebuild pictures: see `spic.scsrdm.sampler.sample`."""
    from spic.scsrdm.sampler import sample

    return sample(model, ssm_onehot, coarse, **settings)


def save_checkpoint(path, model, config=None, dtype="float16"):
    """Write a network and its config: see `spic.scsrdm.checkpoint.save_checkpoint`."""
    from spic.scsrdm.checkpoint import save_checkpoint

    return save_checkpoint(path, model, config, dtype)


def load_checkpoint(path, device="cpu", dtype="float32"):
    """Read a network and its config: see `spic.scsrdm.checkpoint.load_checkpoint`."""
    from spic.scsrdm.checkpoint import load_checkpoint

    return load_checkpoint(path, device, dtype)
