"""The stages up to the pictures, each from folder to folder: what the workflow's scripts call.

What is seen in the pictures, and scored, is in `spic.benchmark.observations` and `spic.benchmark.scores`.
Every output is written under a temporary name and renamed, so that a killed job leaves nothing half-written behind.
"""

import csv
import io
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from spic.benchmark.method import SHIPPED_DECODERS, Method, Picture, Settings
from spic.benchmark.methods import get_method, point_name
from spic.benchmark.protocols import Protocol, get_protocol
from spic.datasets import Dataset, get_dataset
from spic.errors import ConfigError, DataError
from spic.files import atomic_folder, write_bytes
from spic.machine import AUTO, Machine, set_threads
from spic.pictures.labels import LabelSpace
from spic.pictures.reading import read_labels, read_picture, write_png
from spic.segmentation import describe_segmenter
from spic.strict_json import to_json

BATCH = 4  # pictures a method decodes at once


def open_dataset(config: dict) -> Dataset:
    """The data set that a config names."""
    return get_dataset(config["dataset"], config["dataset_root"], config["split"], config["limit"])


def chunk_names(config: dict) -> list[str]:
    """Names of the chunks of a run: "0000", "0001", ...; one chunk where `chunk_size` is null."""
    count = len(open_dataset(config))
    size = config["chunk_size"] or count
    return [f"{i:04d}" for i in range(-(-count // size))]


def protocol_chunks(config: dict, chunks: list[str], protocol: Protocol) -> dict[str, int | None]:
    """The chunks that a protocol looks at, each with how many of its first pictures count (None: all of them)."""
    if protocol.pictures is None:
        return dict.fromkeys(chunks)
    size = config["chunk_size"] or protocol.pictures
    left = {chunk: protocol.pictures - i * size for i, chunk in enumerate(chunks)}
    return {chunk: min(size, count) for chunk, count in left.items() if count > 0}


def coder_folder(method: Method, name: str) -> str:
    """Folder of what a method makes, "spic" or "spic@official": one a protocol only where the protocols differ."""
    own = method.follows_protocol and method.settings.protocol != "corrected"
    return f"{name}@{method.settings.protocol}" if own else name


def sent_ssm(config: dict, protocol: Protocol) -> str:
    """Whose label map is sent, "segmenter" or "ground_truth"; `ConfigError` where there is no such map."""
    wanted = config["ssm_source"] if protocol.ssm_source is None else protocol.ssm_source
    if wanted == "ground_truth" and open_dataset(config).labels(0) is None:
        if protocol.ssm_source is None:
            raise ConfigError(f"ssm_source ground_truth: data set {config['dataset']} has no labels")
        return "segmenter"
    return wanted


def method_points(settings: dict) -> dict:
    """Points of a method from its config entry: {"qp": [30, 40]} becomes {"qp30": 30, "qp40": 40}."""
    ((parameter, values),) = settings.items()
    return {point_name(parameter, value): value for value in values}


def check_config(config: dict) -> None:
    """What the schema can not know: methods exist and have the parameter their points set. Raises `ConfigError`."""
    if not config["methods"]:
        raise ConfigError("no method is left to compare")
    for protocol in config.get("protocols", []):
        sent_ssm(config, get_protocol(protocol))
    for name in set(config.get("method_options", {})) - set(config["methods"]):
        get_method(name, method_settings(config))  # a wrong name, or options that it does not take
    for name, settings in config["methods"].items():
        (parameter,) = settings
        method = get_method(name, method_settings(config))
        if parameter != method.parameter:
            raise ConfigError(f"method {name} is set by {method.parameter!r}, not {parameter!r}")
        if method.missing:
            raise ConfigError(f"method {name} needs {method.missing}, and none are shipped (docs/decoder.md)")


def method_settings(config: dict, machine: Machine = AUTO) -> Settings:
    """The part of a config that methods need, and where they run; missing keys take their defaults."""
    names = Settings.__dataclass_fields__
    return Settings(**{key: config[key] for key in names if key in config}, machine=machine)


def weights_file(path: str | None, shipped_name: str) -> str:
    """Path of a weights file, for a job's inputs: `path` itself or the shipped file of that name."""
    from spic.weights import FOLDER, weight_paths

    return str(weight_paths(path or FOLDER / shipped_name)[0])


def decoder_files(method: Method, config: dict) -> list[str]:
    """Weights file of a method's decoder, for a job's inputs, and its other files; empty where it has none."""
    name = method.decoder
    own = [weights_file(config[name], SHIPPED_DECODERS.get(name, ""))] if name else []
    return own + [str(path) for path in method.files()]


def segmenter_files(name: str | None, weights: str | None) -> list[str]:
    """Weights file of a segmenter, for a job's inputs; empty where it needs none or there is no segmenter."""
    path = describe_segmenter(name, weights).weights if name is not None else None
    return [] if path is None else [str(path)]


def segmenter_input(config: dict, protocol: Protocol | None = None) -> str:
    """Size at which the segmenter looks, for the SSM that is sent or as a protocol evaluates."""
    inputs = describe_segmenter(config["segmenter"], config["segmenter_weights"]).inputs
    wanted = config["segmenter_input"] or inputs[0]
    if wanted not in inputs:
        raise ConfigError(f"segmenter_input {wanted!r}: {config['segmenter']} looks at {', '.join(inputs)}")
    return protocol.segmenter_input if protocol and protocol.segmenter_input in inputs else wanted


def check_classes(config: dict) -> None:
    """`ConfigError` if a class of interest is not one of the segmenter's, as far as that is known before it loads."""
    space = describe_segmenter(config["segmenter"], config["segmenter_weights"]).label_space
    for name in config["classes_of_interest"] or []:
        if space is not None and name not in space.classes:
            raise ConfigError(f"classes_of_interest: {name!r} is none of {', '.join(space.classes)}")


def resolve(config: dict, out) -> None:
    """Decide once what "auto" means and write it: {"device", "dtype", "torch_threads"}."""
    machine = Machine(config["device"], config["dtype"], config["torch_threads"]).decided()
    decided = {**config, "device": machine.device, "dtype": machine.dtype}
    write_bytes(out, (to_json(decided, indent=1) + "\n").encode())


def prepare(config: dict, chunk: str, pictures, labels) -> None:
    """Write pictures and label maps of a chunk as PNG; the label folder stays empty where there are no labels."""
    dataset = open_dataset(config)
    size = config["chunk_size"] or len(dataset)
    first = int(chunk) * size
    with atomic_folder(pictures) as picture_folder, atomic_folder(labels) as label_folder:
        for i in range(first, min(first + size, len(dataset))):
            picture, label_map = dataset.picture(i), dataset.labels(i)
            what = f"data set {config['dataset']}, {dataset.names[i]}"
            _check_picture(picture, (*dataset.size, 3), what)
            write_png(picture_folder / f"{dataset.names[i]}.png", picture)
            if label_map is not None:
                _check_labels(label_map, picture, dataset.label_space, what)
                write_png(label_folder / f"{dataset.names[i]}.png", label_map)


def segment(
    pictures,
    out,
    space,
    segmenter: str,
    segmenter_weights=None,
    segmenter_input=None,
    machine: Machine = AUTO,
) -> None:
    """Segment every picture of a folder: label maps as PNG of the same name, and their label space as JSON."""
    network = load_segmenter(segmenter, segmenter_weights, machine, segmenter_input)
    with atomic_folder(out) as folder:
        for name, picture in read_folder(pictures):
            labels = network.segment(picture[None])[0]
            _check_labels(labels, picture, network.label_space, f"segmenter {segmenter}, {name}")
            write_png(folder / f"{name}.png", labels)
    write_bytes(space, (to_json(asdict(network.label_space)) + "\n").encode())


def encode(method: str, value, settings: Settings, pictures, ssm, out, timing, limit=None) -> None:
    """Code the first `limit` pictures of a folder at one point: files <name>.<part>.<extension> in `out`."""
    coder = get_method(method, settings)
    seconds = []
    with atomic_folder(out) as folder:
        for name, picture in _transmitted(coder, pictures, ssm, limit):
            start = time.perf_counter()
            parts = coder.encode(picture, value)
            seconds.append(time.perf_counter() - start)
            for part, data in parts.items():
                write_bytes(folder / f"{name}.{part}.{coder.extension(part)}", data)
    _write_timing(timing, seconds)


def count(method: str, value, settings: Settings, pictures, ssm, out, limit=None) -> None:
    """Write the files whose bytes protocol `official` counts; nobody decodes them."""
    coder = get_method(method, settings)
    with atomic_folder(out) as folder:
        for name, picture in _transmitted(coder, pictures, ssm, limit):
            for part, data in coder.official_parts(picture, value).items():
                write_bytes(folder / f"{name}.{part}", data)


def decode(method: str, settings: Settings, coded, out, timing) -> None:
    """Rebuild every picture of a folder of coded files, from those files alone; PNG of the same name."""
    coder = get_method(method, settings)
    by_name = read_coded(coded)
    names, seconds = list(by_name), []
    with atomic_folder(out) as folder:
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            began = time.perf_counter()
            pictures = coder.decode([by_name[name] for name in batch], batch)
            seconds += [(time.perf_counter() - began) / len(batch)] * len(batch)
            for name, picture in zip(batch, pictures, strict=True):
                _check_picture(picture, (*np.shape(picture)[:2], 3), f"method {method}, {name}")
                write_png(folder / f"{name}.png", picture)
    _write_timing(timing, seconds)


def _check_picture(picture, shape: tuple[int, int, int], what: str) -> None:
    """`DataError` unless what came from a data set or method, perhaps another package's, is uint8 of that shape."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape != shape:
        raise DataError(f"{what}: expected uint8 {shape}, got {getattr(picture, 'dtype', '')} {np.shape(picture)}")


def _check_labels(labels, picture: np.ndarray, space: LabelSpace, what: str) -> None:
    """The same for a label map of an image."""
    if space.check(np.asarray(labels), what).shape != picture.shape[:2]:
        raise DataError(f"{what}: a map of {np.shape(labels)} for an image of {picture.shape[:2]}")


def png_files(folder) -> dict[str, Path]:
    """The PNG files of a folder by the names of their images, sorted as `Dataset.names` is; hidden files are left out.

    Every list of images of a folder comes from here or from `read_coded`. Sorted by file name, "a.left.png" would come
    before "a.png", though "a" comes before "a.left".
    """
    return dict(sorted((path.stem, path) for path in Path(folder).glob("[!.]*.png")))


def read_folder(folder):
    """Yield (name, uint8 (H, W, 3)) of every PNG of a folder, by name."""
    for name, path in png_files(folder).items():
        yield name, read_picture(path)


def load_segmenter(name, weights, machine: Machine, input_size=None):
    """The segmenter of that name on that machine; `input_size` is the config's `segmenter_input`."""
    from spic.segmentation import get_segmenter

    set_threads(machine.threads)
    return get_segmenter(name, weights, machine.device, machine.dtype, input_size)


def partner(folder, name: str) -> Path:
    """The PNG of that name in a folder; `DataError` names the picture that has none."""
    path = Path(folder) / f"{name}.png"
    if not path.exists():
        raise DataError(f"{path}: no such file, though there is a picture {name}")
    return path


def read_coded(folder) -> dict[str, dict[str, bytes]]:
    """What `encode` or `count` wrote, {name: {part: bytes}} by name; hidden files are the workflow's."""
    by_name = {}
    for path in sorted(Path(folder).glob("[!.]*.*.*")):
        name, part, _ = path.name.rsplit(".", 2)
        by_name.setdefault(name, {})[part] = path.read_bytes()
    return dict(sorted(by_name.items()))


def _transmitted(coder: Method, pictures, ssm, limit):
    """Yield (name, Picture) of what a transmitter of that method gets."""
    for name, pixels in islice(read_folder(pictures), limit):
        yield name, Picture(pixels, read_labels(partner(ssm, name)) if coder.needs_ssm else None)


def _write_timing(path, seconds) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["n", "median_seconds", "total_seconds"], [len(seconds), *_summary(seconds)]])
    write_bytes(path, text.getvalue().encode())


def _summary(seconds):
    return [round(float(np.median(seconds)), 5), round(float(np.sum(seconds)), 5)] if seconds else ["", 0]
