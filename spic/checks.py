"""Whether the parts of a run fit each other, told before its first job and without loading a network."""

import json

from spic.errors import ConfigError, DataError
from spic.labels import LabelSpace, get_label_space
from spic.methods import get_method
from spic.protocols import get_protocol
from spic.segmentation import describe_segmenter
from spic.stages import open_dataset, sent_ssm


def check_networks(config: dict) -> None:
    """Segmenter, decoder and data set fit each other, as far as their files tell.

    Parameters
    ----------
    config : dict
        A validated config of the workflow.

    Raises
    ------
    ConfigError
        The maps that are sent mean something else to the decoder; the message names both label spaces.
    WeightsError
        Weights that nobody ships are missing; the message says which file to get.
    """
    segmenter = describe_segmenter(config["segmenter"], config["segmenter_weights"])
    dataset = open_dataset(config)
    _check_known(segmenter.label_space, f"segmenter {config['segmenter']}")
    _check_known(dataset.label_space, f"data set {config['dataset']}")
    methods = (get_method(name) for name in config["methods"])
    kinds = sorted({method.decoder for method in methods if method.decoder and method.needs_ssm})
    if not kinds:
        return
    for protocol in config.get("protocols", ["corrected"]):
        if sent_ssm(config, get_protocol(protocol)) == "segmenter":
            sender, space = f"segmenter {config['segmenter']}", segmenter.label_space
        else:
            sender, space = f"data set {config['dataset']}", dataset.label_space
        for kind in kinds:
            _check_space(config.get(kind), kind, sender, space)


def _check_known(space: LabelSpace | None, owner: str) -> None:
    """`ConfigError` unless files that name this label space, `.spic` ones for instance, can be read again."""
    try:
        if space is None or get_label_space(space.name) == space:
            return
        problem = f"another label space is called {space.name!r} too"
    except DataError as error:
        problem = str(error)
    raise ConfigError(f"{owner}: {problem} (entry points of the group spic.label_spaces add others)")


def _check_space(weights: str | None, kind: str, sender: str, space: LabelSpace | None) -> None:
    name, classes = _decoder_classes(weights)
    if space is None or classes is None or (name or space.name, classes) == (space.name, space.num_classes):
        return
    known = f"{name} ({classes} classes)" if name else f"{classes} classes"
    raise ConfigError(
        f"{sender} has the label space {space.name} ({space.num_classes} classes), decoder "
        f"{weights or 'street-decoder'} has {known}: {kind} must be for {space.name}"
    )


def _decoder_classes(weights) -> tuple[str | None, int | None]:
    """Name of a decoder's label space and number of its classes, None where its config does not say."""
    from spic.weights import FOLDER, weight_paths

    try:
        config = json.loads(weight_paths(weights or FOLDER / "street-decoder")[1].read_bytes())
        name = config.get("label_space")
        if name is not None:
            return name, get_label_space(name).num_classes
        return None, int(config.get("official", config.get("network"))["num_classes"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DataError):
        return None, None  # the job that loads it says what is wrong with it
