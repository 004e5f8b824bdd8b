"""Stages from data set to decoded images, each from folder to folder: what the workflow's scripts call.

What is seen in the images, and scored, is in `spic.benchmark.observations` and `spic.benchmark.scores`.
Every output is written under a temporary name and renamed, so that a killed job leaves nothing half-written behind.
"""

import time
from collections import deque
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from spic.benchmark.method import BATCH, Method, Picture, Settings
from spic.benchmark.methods import get_method
from spic.datasets import Dataset, get_dataset
from spic.errors import DataError
from spic.files import atomic_folder, write_bytes
from spic.machine import AUTO, Machine, set_threads
from spic.pictures.labels import LabelSpace
from spic.pictures.reading import read_labels, read_picture, write_png
from spic.segmentation import get_segmenter
from spic.strict_json import to_json


def open_dataset(config: dict) -> Dataset:
    """The data set that a config names."""
    return get_dataset(config["dataset"], config["dataset_root"], config["split"], config["limit"])


def method_settings(config: dict, machine: Machine = AUTO) -> Settings:
    """The part of a config that methods need, and where they run; missing keys take their defaults."""
    return Settings(**{key: config[key] for key in Settings.__dataclass_fields__ if key in config}, machine=machine)


def resolve(config: dict, out) -> None:
    """Decide once what "auto" means and write it: {"device", "dtype", "torch_threads"}."""
    machine = Machine(config["device"], config["dtype"], config["torch_threads"]).decided()
    write_bytes(out, (to_json({**config, "device": machine.device, "dtype": machine.dtype}, indent=1) + "\n").encode())


def prepare(config: dict, chunk: str, pictures, labels) -> None:
    """Write images and label maps of a chunk as PNG; the label folder stays empty where there are no labels."""
    dataset = open_dataset(config)
    size = config["chunk_size"] or len(dataset)
    with atomic_folder(pictures) as picture_folder, atomic_folder(labels) as label_folder:
        for i in range(len(dataset))[int(chunk) * size :][:size]:
            picture, label_map, name = dataset.picture(i), dataset.labels(i), dataset.names[i]
            what = f"data set {config['dataset']}, {name}"
            _check_picture(picture, (*dataset.size, 3), what)
            write_png(picture_folder / f"{name}.png", picture)
            if label_map is not None:
                _check_labels(label_map, picture, dataset.label_space, what)
                write_png(label_folder / f"{name}.png", label_map)


def segment(
    pictures,
    out,
    space,
    segmenter: str,
    segmenter_weights=None,
    segmenter_input=None,
    machine: Machine = AUTO,
) -> None:
    """Segment every image of a folder: label maps as PNG of the same name, and their label space as JSON."""
    network = load_segmenter(segmenter, segmenter_weights, machine, segmenter_input)
    with atomic_folder(out) as folder:
        for name, picture in read_folder(pictures):
            labels = network.segment(picture[None])[0]
            _check_labels(labels, picture, network.label_space, f"segmenter {segmenter}, {name}")
            write_png(folder / f"{name}.png", labels)
    write_bytes(space, (to_json(asdict(network.label_space)) + "\n").encode())


def encode(method: str, value, settings: Settings, pictures, ssm, out, timing, limit=None) -> None:
    """Code the first `limit` images of a folder at one point: files <name>.<part>.<extension> in `out`."""
    coder, names, seconds = get_method(method, settings), deque(), []
    sent = _Clocked(_transmitted(coder, pictures, ssm, limit))

    def images():
        for name, picture in sent:
            names.append(name)
            yield picture

    coded, before = _Clocked(coder.encode_chunk(images(), value)), 0.0
    with atomic_folder(out) as folder:
        for parts in coded:
            spent = coded.seconds - sent.seconds
            seconds.append(spent - before)
            name, before = names.popleft(), spent
            for part, data in parts.items():
                write_bytes(folder / f"{name}.{part}.{coder.extension(part)}", data)
    _write_timing(timing, seconds)


class _Clocked:
    """An iterator that knows how many `seconds` its items took."""

    def __init__(self, items):
        self._items, self.seconds = iter(items), 0.0

    def __iter__(self):
        return self

    def __next__(self):
        start = time.perf_counter()
        try:
            return next(self._items)
        finally:
            self.seconds += time.perf_counter() - start


def count(method: str, value, settings: Settings, pictures, ssm, out, limit=None) -> None:
    """Write the files whose bytes protocol `official` counts; they are never decoded."""
    coder = get_method(method, settings)
    with atomic_folder(out) as folder:
        for name, picture in _transmitted(coder, pictures, ssm, limit):
            for part, data in coder.official_parts(picture, value).items():
                write_bytes(folder / f"{name}.{part}", data)


def decode(method: str, settings: Settings, coded, out, timing) -> None:
    """Rebuild every image of a folder of coded files, from those files alone; PNG of the same name."""
    coder = get_method(method, settings)
    by_name = read_coded(coded)
    names, seconds = list(by_name), []
    images = coder.decode_chunk(list(by_name.values()), names)
    with atomic_folder(out) as folder:
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            began = time.perf_counter()
            pictures = list(islice(images, len(batch)))
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
    set_threads(machine.threads)
    return get_segmenter(name, weights, machine.device, machine.dtype, input_size)


def partner(folder, name: str) -> Path:
    """The PNG of that name in a folder; `DataError` names the image that has none."""
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
    for name, pixels in islice(read_folder(pictures), limit):
        yield name, Picture(pixels, read_labels(partner(ssm, name)) if coder.needs_ssm else None)


def _write_timing(path, seconds) -> None:
    median = round(float(np.median(seconds)), 5) if seconds else ""
    text = f"n,median_seconds,total_seconds\r\n{len(seconds)},{median},{round(sum(seconds), 5)}\r\n"
    write_bytes(path, text.encode())
