"""What a transmitter must know of the decoder it codes for, read from the weights' config without loading them."""

from dataclasses import dataclass
from pathlib import Path

from spic.errors import ConfigError, WeightsError
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.scsrdm.sampling import Sampling

SHIPPED_DECODERS = {"decoder_weights": "street-decoder"}  # by the setting that names other weights
CONDITIONS = {"decoder_weights": "both", "sr_weights": "coarse", "sdm_weights": "ssm"}  # what their networks see


@dataclass(frozen=True)
class DecoderInfo:
    """What a transmitter must know of a decoder, read without loading it.

    Attributes
    ----------
    path : pathlib.Path
        Its weights file.
    weights_id : str
        First 8 hexadecimal digits of that file's SHA-256.
    label_space : str or None
        Name of the label space it was trained on; where its config does not say, that of so many classes, if any.
    sampling : spic.scsrdm.sampling.Sampling
        Recommended settings.
    size_multiple : int
        Sides of images must be multiples of this.
    """

    path: Path
    weights_id: str
    label_space: str | None
    sampling: Sampling
    size_multiple: int


def find_decoder(setting: str, weights=None):
    """The weights given for a setting of `CONDITIONS`, or the shipped ones; `ConfigError` where there are neither."""
    if weights is not None:
        return weights
    from spic.weights import shipped

    if setting not in SHIPPED_DECODERS:
        raise ConfigError(f"{setting}: none are shipped, and none are given (docs/decoder.md)")
    return shipped(SHIPPED_DECODERS[setting])


def describe_decoder(weights=None) -> DecoderInfo:
    """Read the config of decoder weights, None for the shipped; `WeightsError` if that fails."""
    from spic.scsrdm.config import network_of
    from spic.weights import read_config, sha256, weight_paths

    weights = find_decoder("decoder_weights", weights or None)
    path, sidecar = weight_paths(weights)
    config = read_config(weights)
    try:
        digest = config["weights"]["sha256"] if "weights" in config else sha256(path)
        network = network_of(config)
        return DecoderInfo(
            path=path,
            weights_id=bytes.fromhex(digest)[:4].hex(),
            label_space=config.get("label_space") or only_space(network.num_classes),
            sampling=Sampling.from_dict(config.get("sampling", {})),
            size_multiple=network.size_multiple,
        )
    except OSError as error:
        raise WeightsError(f"{error.filename}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigError) as error:
        raise WeightsError(f"{sidecar}: not the config of a decoder ({error!r})") from None


def only_space(num_classes: int) -> str | None:
    """Name of the built-in label space with so many classes; None where there is none."""
    return {space.num_classes: space.name for space in (CAMVID11, CITYSCAPES19)}.get(num_classes)
