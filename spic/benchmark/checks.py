"""Check, before the first job and without loading a network, that the parts of a run fit each other."""

from contextlib import suppress
from itertools import product
from pathlib import Path

from spic.benchmark.anchors import read_anchor
from spic.benchmark.coding import method_settings
from spic.benchmark.methods import get_method
from spic.benchmark.plan import Plan
from spic.codecs import get_codec
from spic.errors import ConfigError, DataError, WeightsError, about
from spic.machine import pick_device
from spic.pictures.labels import LabelSpace, get_label_space
from spic.scsrdm.info import CONDITIONS, check_condition, decoder_path, find_decoder, shipped_decoder
from spic.weights import read_config, weight_paths

_TABLES = ("steps_csv", "second_segmenter")


def check_run(plan: Plan, points: bool = True) -> None:
    """Check all that is known of a run before its first job.

    Parameters
    ----------
    plan : Plan
        Of a config that `spic.benchmark.config.read_config` gave.
    points : bool
        Whether to try every point of every method, on a black image; this takes some hundredths of a second each.

    Raises
    ------
    ConfigError, WeightsError, DataError
        The first mistake, by the name of its setting.
    """
    config = plan.config
    for key in ("ssm_codec", "coarse_codec"):
        with about(key):
            if (key, config[key]) != ("coarse_codec", "lossless"):
                get_codec(config[key])
    get_method("spic", method_settings({key: config[key] for key in ("ssm_codec", "coarse_codec")}))  # do they fit?
    check_files(plan)
    check_decoders(config)
    check_methods(plan)
    for protocol in plan.protocols:
        plan.sent(protocol)
    for folder in plan.coders:
        plan.sends(folder)
    check_networks(plan)
    check_classes(plan)
    plan.segmenter_input()
    if plan.painted:
        plan.painted_chunks()
    if config["channel"]:
        from spic.benchmark.channel import check_channel

        check_channel(config["channel"], {name: plan.method(name, plan.first) for name in plan.points})
    if points:
        check_points(plan)


def check_methods(plan: Plan) -> None:
    """`ConfigError` unless methods exist, have the parameter that their points set, and have weights.

    `DataError` names another file of a method that is not there.
    """
    methods = plan.config["methods"]
    if not methods:
        raise ConfigError("no method is left to compare")
    for name in set(plan.config.get("method_options", {})) - set(methods):
        plan.method(name)  # a wrong name, or options that it does not take
    for name, points in plan.points.items():
        method = plan.method(name)
        wanted = [method.parameter] if isinstance(method.parameter, str) else method.parameter
        for point in points.values():
            if sorted(point) != sorted(wanted):
                told, found = (" and ".join(map(repr, names)) for names in (wanted, point))
                raise ConfigError(f"method {name} is set by {told}, not {found}")
        if method.lack:
            raise ConfigError(f"method {name} needs {method.lack}")
        for file in method.files():
            if not Path(file).is_file():
                raise DataError(f"method {name}: {file}: no such file")


def check_classes(plan: Plan) -> None:
    """`ConfigError` if a class of interest is not one of the segmenter's, as far as that is known before it loads."""
    space = plan.network("segmenter").label_space
    for name in plan.config["classes_of_interest"] or []:
        if space is not None and name not in space.classes:
            raise ConfigError(f"classes_of_interest: {name!r} is none of {', '.join(space.classes)}")


def check_files(plan: Plan) -> None:
    """`WeightsError` if weights, or `DataError` if another file that a run reads, are not there."""
    config, given = plan.config, {}
    decoders = {get_method(name).decoder for name in config["methods"]} - {None}
    for kind in ("judge", "judges", "segmenter"):
        with about(kind):
            networks = [one for one in plan.networks(kind) if one.weights is not None]
        given[f"{kind}_weights"] = [
            file
            for one in networks
            for file in ((one.weights, *one.beside) if one.beside else _with_config(Path(one.weights)))
        ]
    for key in sorted(decoders):
        if config[key] is not None or shipped_decoder(key):
            with about(key):
                given[key] = _with_config(weight_paths(find_decoder(key, config[key]))[0])
    given |= {key: [config[key]] for key in (*_TABLES, *plan.metric_weights) if config[key] is not None}
    with about("anchors"):
        for file in plan.anchors:
            read_anchor(file)
    for key, files in given.items():
        for file in files:
            if not Path(file).is_file():
                raise (DataError if key in _TABLES else WeightsError)(f"{key}: {file}: no such file")


def check_decoders(config: dict) -> None:
    """`ConfigError` if a decoder was trained for another method, as far as its config tells."""
    for kind in sorted({get_method(name).decoder for name in config["methods"]} & CONDITIONS.keys()):
        network = _decoder_config(kind, config[kind]).get("network")
        if isinstance(network, dict):
            check_condition(kind, config[kind] or shipped_decoder(kind), network.get("condition", CONDITIONS[kind]))


def check_device(config: dict) -> None:
    """`ConfigError` if the config names a card that this machine, where the run's jobs will be, does not have."""
    if config["device"].startswith("cuda"):  # else there is no need to load torch
        pick_device(config["device"])


def check_points(plan: Plan) -> None:
    """`ConfigError` names the first point of a method that can not be coded, whatever the image."""
    for name, points in plan.points.items():
        for point in points:
            with about(f"methods.{name}"):
                plan.method(name).check_point(plan.value(name, point))


def _with_config(tensors: Path) -> list[Path]:
    return [tensors, tensors.with_suffix(".json")] if tensors.suffix == ".safetensors" else [tensors]


def check_networks(plan: Plan) -> None:
    """Segmenter, decoder and data set fit each other, as far as their files tell.

    Raises
    ------
    ConfigError
        The maps that are sent mean something else to the decoder; the message names both label spaces.
    WeightsError
        Weights that are not shipped are missing; the message says which file to get.
    """
    config = plan.config
    owners = {
        "segmenter": (f"segmenter {config['segmenter']}", plan.network("segmenter").label_space),
        "ground_truth": (f"data set {config['dataset']}", plan.dataset.label_space),
    }
    for owner, space in owners.values():
        _check_known(space, owner)
    kinds = {method.decoder for method in map(get_method, config["methods"]) if method.decoder and method.needs_ssm}
    for protocol, kind in product(plan.protocols, sorted(kinds)):
        _check_space(config.get(kind), kind, *owners[plan.sent(protocol)])


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
    name, classes = _decoder_classes(kind, weights)
    if space is None or classes is None or (name or space.name, classes) == (space.name, space.num_classes):
        return
    known = f"{name} ({classes} classes)" if name else f"{classes} classes"
    raise ConfigError(
        f"{sender} has the label space {space.name} ({space.num_classes} classes), decoder "
        f"{weights or shipped_decoder(kind)} has {known}: {kind} must be for {space.name}"
    )


def _decoder_classes(kind: str, weights) -> tuple[str | None, int | None]:
    """Name of a decoder's label space and number of its classes, None where its config does not say."""
    try:
        config = _decoder_config(kind, weights)
        name = config.get("label_space")
        if name is not None:
            return name, get_label_space(name).num_classes
        return None, int(config.get("official", config.get("network"))["num_classes"])
    except (ValueError, KeyError, TypeError, AttributeError, DataError):
        return None, None


def _decoder_config(kind: str, weights) -> dict:
    """What lies beside a decoder's weights, nothing where it can not be read: the job that loads it says why."""
    with suppress(WeightsError):
        return read_config(decoder_path(kind, weights))
    return {}
