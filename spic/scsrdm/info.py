"""What a transmitter must know of the decoder it codes for, read from the weights' config without loading them."""

from dataclasses import dataclass
from pathlib import Path

from spic.errors import ConfigError, WeightsError
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.scsrdm.sampling import Sampling

# By the setting that names other weights: what is shipped, or will be (`shipped_decoder` says whether it is).
SHIPPED_DECODERS = {
    "decoder_weights": "street-decoder",
    "spic_20_weights": "street-decoder-20",
    "sr_weights": "street-sr",
    "sdm_weights": "street-sdm",
}
# What their networks see.
CONDITIONS = {"decoder_weights": "both", "spic_20_weights": "both", "sr_weights": "coarse", "sdm_weights": "ssm"}


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


def shipped_decoder(setting: str, weights=None) -> str | None:
    """Name of the shipped weights that are meant by what is given for a setting of `CONDITIONS`; None for a file.

    A file that is there comes before shipped weights of its name. None also where nothing is given or shipped.
    """
    from spic.weights import manifest, weight_paths

    if weights is None:
        name = SHIPPED_DECODERS[setting]
    else:
        name = None if weight_paths(weights)[0].exists() else str(weights)
    return name if name in manifest() else None


def shipped_decoders(condition: str | None = None) -> list[str]:
    """Names of all shipped weights that are a decoder's, sorted; on request those of one condition alone."""
    from spic import weights

    found = {name: weights.read_config(weights.FOLDER / entry["file"]) for name, entry in weights.manifest().items()}
    return [
        name
        for name, config in found.items()
        if {"network", "official"} & config.keys()
        and condition in (None, config.get("network", {}).get("condition", "both"))
    ]


def decoder_path(setting: str, weights=None):
    """Where the weights are that `find_decoder` gives, without looking: there may be none."""
    from spic.weights import FOLDER

    name = SHIPPED_DECODERS[setting] if weights is None else shipped_decoder(setting, weights)
    return weights if name is None else FOLDER / name


def find_decoder(setting: str, weights=None):
    """The weights that are given for a setting of `CONDITIONS`, or the shipped ones.

    Parameters
    ----------
    setting : str
        "decoder_weights" and so on.
    weights : path-like, optional
        A file, or the name of shipped weights.

    Returns
    -------
    path-like
        Checked against the manifest where they are shipped.

    Raises
    ------
    ConfigError
        None are given and none are shipped.
    WeightsError
        There is neither a file nor shipped weights of that name, or the shipped file is damaged.
    """
    from spic.weights import shipped, weight_paths

    name = shipped_decoder(setting, weights)
    if name is not None:
        return shipped(name)
    if weights is None:
        raise ConfigError(f"{setting}: none are shipped, and none are given (docs/decoder.md)")
    path = weight_paths(weights)[0]
    if not path.exists() and str(weights) == path.stem:
        known = ", ".join(shipped_decoders(CONDITIONS[setting])) or "none"
        raise WeightsError(f"{path}: no such file, nor is a decoder of that name shipped (there are: {known})")
    return weights


def describe_decoder(weights=None, setting: str = "decoder_weights") -> DecoderInfo:
    """Read the config of a decoder, which `find_decoder` finds.

    Raises
    ------
    ConfigError
        None are given and none are shipped, or it was trained for another condition than the setting's.
    WeightsError
        It can not be read, or is not that of a decoder.
    """
    from spic.scsrdm.config import network_of
    from spic.weights import read_config, sha256, weight_paths

    weights = find_decoder(setting, weights or None)
    path, sidecar = weight_paths(weights)
    config = read_config(weights)
    try:
        digest = config["weights"]["sha256"] if "weights" in config else sha256(path)
        network = network_of(config)
        info = DecoderInfo(
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
    check_condition(setting, weights, network.condition)
    return info


def check_condition(setting: str, weights, condition: str) -> None:
    """`ConfigError` unless weights were trained with the condition that their setting wants."""
    wanted = CONDITIONS[setting]
    if condition != wanted:
        raise ConfigError(f"{setting}: {weights} was trained with --condition {condition}, not {wanted}")


def only_space(num_classes: int) -> str | None:
    """Name of the built-in label space with so many classes; None where there is none."""
    return {space.num_classes: space.name for space in (CAMVID11, CITYSCAPES19)}.get(num_classes)
