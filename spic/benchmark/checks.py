"""Whether the parts of a run fit each other, told before its first job and without loading a network."""

from contextlib import contextmanager, suppress
from pathlib import Path

from spic.benchmark.coding import check_classes, check_config, method_settings, open_dataset, segmenter_input, sent_ssm
from spic.benchmark.method import SHIPPED_DECODERS
from spic.benchmark.methods import get_method
from spic.benchmark.protocols import get_protocol
from spic.codecs import get_codec
from spic.errors import ConfigError, DataError, SpicError, WeightsError
from spic.pictures.labels import LabelSpace, get_label_space
from spic.segmentation import describe_segmenter

# What a decoder sees, by the setting that names its weights.
CONDITIONS = {"decoder_weights": "both", "sr_weights": "coarse", "sdm_weights": "ssm"}


def check_run(config: dict, points: bool = True) -> None:
    """All that can be told of a run before its first job.

    Parameters
    ----------
    config : dict
        What `spic.benchmark.config.read_config` gave.
    points : bool
        Whether to try every point of every method, on a black picture; this takes some hundredths of a second each.

    Raises
    ------
    ConfigError, WeightsError, DataError
        The first mistake, by the name of its setting.
    """
    for key in ("ssm_codec", "coarse_codec"):
        with _about(key):
            if (key, config[key]) != ("coarse_codec", "lossless"):
                get_codec(config[key])
    get_method("spic", method_settings({key: config[key] for key in ("ssm_codec", "coarse_codec")}))  # do they fit?
    check_files(config)
    check_config(config)
    open_dataset(config)
    check_decoders(config)
    check_networks(config)
    check_classes(config)
    segmenter_input(config)
    if points:
        check_points(config)


def check_files(config: dict) -> None:
    """`WeightsError` if weights, or `DataError` if another file that a run reads, are not there.

    `ConfigError` for a path that Snakemake can not read as one.
    """
    from spic.weights import FOLDER, weight_paths

    decoders = {get_method(name).decoder for name in config["methods"]} - {None}
    networks = {"segmenter", "judge"} if config["judge"] is not None else {"segmenter"}
    given = {}
    for kind in sorted(networks):
        with _about(kind):
            weights = describe_segmenter(config[kind], config[f"{kind}_weights"]).weights
        given[f"{kind}_weights"] = [] if weights is None else _with_config(Path(weights))
    for key in sorted(decoders):
        if config[key] is not None or key in SHIPPED_DECODERS:
            path = config[key] or FOLDER / SHIPPED_DECODERS[key]
            given[key] = _with_config(weight_paths(path)[0])
    given |= {key: [config[key]] for key in ("fid_weights", "lpips_weights", "steps_csv") if config[key] is not None}
    for key, files in given.items():
        for file in files:
            if {"{", "}"} & set(str(file)):  # there is no way to quote them
                raise ConfigError(f"{key}: {file}: Snakemake takes braces in a path for wildcards; a link will do")
            if not Path(file).is_file():
                kind = DataError if key == "steps_csv" else WeightsError
                raise kind(f"{key}: {file}: no such file")


def check_decoders(config: dict) -> None:
    """`ConfigError` if a decoder was trained for another method, as far as its config tells."""
    for kind in sorted({get_method(name).decoder for name in config["methods"]} & CONDITIONS.keys()):
        weights, wanted = config[kind], CONDITIONS[kind]
        network = _decoder_config(weights).get("network")
        found = network.get("condition", wanted) if isinstance(network, dict) else wanted
        if found != wanted:
            raise ConfigError(f"{kind}: {weights} was trained with --condition {found}, not {wanted}")


def check_device(config: dict) -> None:
    """`ConfigError` if the config names a card that this machine, where the run's jobs will be, does not have."""
    if config["device"].startswith("cuda"):  # else there is no need to load torch
        from spic.machine import pick_device

        pick_device(config["device"])


def check_points(config: dict) -> None:
    """`ConfigError` names the first point of a method that can not be coded, whatever the picture."""
    settings = method_settings(config)
    for name, points in config["methods"].items():
        method = get_method(name, settings)
        for value in next(iter(points.values())):
            with _about(f"methods.{name}"):
                method.check_point(value)


def _with_config(tensors: Path) -> list[Path]:
    """A tensor file and, where it is one of this project's, the config beside it."""
    return [tensors, tensors.with_suffix(".json")] if tensors.suffix == ".safetensors" else [tensors]


@contextmanager
def _about(setting: str):
    """Errors begin with the setting that is wrong."""
    try:
        yield
    except SpicError as error:
        raise type(error)(f"{setting}: {error}") from None


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
    try:
        config = _decoder_config(weights)
        name = config.get("label_space")
        if name is not None:
            return name, get_label_space(name).num_classes
        return None, int(config.get("official", config.get("network"))["num_classes"])
    except (ValueError, KeyError, TypeError, AttributeError, DataError):
        return None, None


def _decoder_config(weights) -> dict:
    """What lies beside a decoder's weights, nothing where it can not be read: the job that loads it says why."""
    from spic.weights import FOLDER, read_config

    with suppress(WeightsError):
        return read_config(weights or FOLDER / "street-decoder")
    return {}
