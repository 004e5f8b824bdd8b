"""The stages of the benchmark, each from folder to folder: what the workflow's scripts call.

Every output is written under a temporary name and renamed, so that a killed job leaves nothing half-written behind.
"""

import csv
import io
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from spic.datasets import Dataset, get_dataset
from spic.errors import ConfigError, DataError
from spic.images import atomic_path, read_labels, read_picture, write_bytes, write_png
from spic.methods import Picture, Settings, get_method, point_name

BATCH = 4  # pictures a method decodes at once


def open_dataset(config: dict) -> Dataset:
    """The data set that a config names."""
    return get_dataset(config["dataset"], config["dataset_root"], config["split"], config["limit"])


def chunk_names(config: dict) -> list[str]:
    """Names of the chunks of a run: "0000", "0001", ...; one chunk where `chunk_size` is null."""
    count = len(open_dataset(config))
    size = config["chunk_size"] or count
    return [f"{i:04d}" for i in range(-(-count // size))]


def method_points(settings: dict) -> dict:
    """Points of a method from its config entry: {"qp": [30, 40]} becomes {"qp30": 30, "qp40": 40}."""
    ((parameter, values),) = settings.items()
    return {point_name(parameter, value): value for value in values}


def check_config(config: dict) -> None:
    """What the schema can not know: methods exist and have the parameter their points set. Raises `ConfigError`."""
    if not config["methods"]:
        raise ConfigError("no method is left to compare")
    for name, settings in config["methods"].items():
        (parameter,) = settings
        wanted = get_method(name, method_settings(config)).parameter
        if parameter != wanted:
            raise ConfigError(f"method {name} is set by {wanted!r}, not {parameter!r}")


def method_settings(config: dict) -> Settings:
    """The part of a config that methods need; missing keys take their defaults."""
    names = Settings.__dataclass_fields__
    return Settings(**{key: config[key] for key in names if key in config})


def weights_file(path: str | None, shipped_name: str) -> str:
    """Path of a weights file, for a job's inputs: `path` itself or the shipped file of that name."""
    from spic.weights import FOLDER, weight_paths

    return str(weight_paths(path or FOLDER / shipped_name)[0])


def resolve(config: dict, out) -> None:
    """Decide once what "auto" means and write it: {"device", "dtype", "torch_threads"}."""
    from spic.devices import pick_device, pick_dtype, set_threads

    set_threads(config["torch_threads"])  # the probe runs as the jobs will
    device = pick_device(config["device"])
    decided = {**config, "device": device, "dtype": pick_dtype(config["dtype"], device)}
    write_bytes(out, (json.dumps(decided, indent=1) + "\n").encode())


def read_resolved(path) -> dict:
    """Read what `resolve` decided."""
    return json.loads(Path(path).read_text())


def prepare(config: dict, chunk: str, pictures, labels) -> None:
    """Write pictures and label maps of a chunk as PNG; the label folder stays empty where there are no labels."""
    dataset = open_dataset(config)
    size = config["chunk_size"] or len(dataset)
    first = int(chunk) * size
    with atomic_folder(pictures) as picture_folder, atomic_folder(labels) as label_folder:
        for i in range(first, min(first + size, len(dataset))):
            write_png(picture_folder / f"{dataset.names[i]}.png", dataset.picture(i))
            label_map = dataset.labels(i)
            if label_map is not None:
                write_png(label_folder / f"{dataset.names[i]}.png", label_map)


def segment(
    pictures, out, segmenter: str, segmenter_weights=None, device="auto", dtype="auto", torch_threads=None
) -> None:
    """Segment every picture of a folder; label maps as PNG of the same name."""
    network = _segmenter(segmenter, segmenter_weights, device, dtype, torch_threads)
    with atomic_folder(out) as folder:
        for name, picture in read_folder(pictures):
            write_png(folder / f"{name}.png", network.segment(picture[None])[0])


def encode(method: str, value, settings: Settings, pictures, ssm, out, timing) -> None:
    """Code every picture of a folder at one point: files <name>.<part>.<extension> in `out`."""
    coder = get_method(method, settings)
    seconds = []
    with atomic_folder(out) as folder:
        for name, pixels in read_folder(pictures):
            picture = Picture(pixels, _partner(ssm, name) if coder.needs_ssm else None)
            start = time.perf_counter()
            parts = coder.encode(picture, value)
            seconds.append(time.perf_counter() - start)
            for part, data in parts.items():
                write_bytes(folder / f"{name}.{part}.{coder.extension(part)}", data)
    _write_timing(timing, seconds)


def decode(method: str, settings: Settings, coded, out, timing) -> None:
    """Rebuild every picture of a folder of coded files, from those files alone; PNG of the same name."""
    coder = get_method(method, settings)
    by_name = {}
    for name, part, path in _coded_files(coded):
        by_name.setdefault(name, {})[part] = path.read_bytes()
    names, seconds = list(by_name), []
    with atomic_folder(out) as folder:
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            began = time.perf_counter()
            pictures = coder.decode([by_name[name] for name in batch], batch)
            seconds += [(time.perf_counter() - began) / len(batch)] * len(batch)
            for name, picture in zip(batch, pictures, strict=True):
                write_png(folder / f"{name}.png", picture)
    _write_timing(timing, seconds)


def evaluate(
    pictures,
    labels,
    ssm,
    out,
    *,
    segmenter: str,
    segmenter_weights=None,
    fid_weights=None,
    device: str = "auto",
    dtype: str = "auto",
    torch_threads: int | None = None,
    decoded=None,
    coded=None,
) -> None:
    """Score the pictures of a chunk and write one `scores.npz`.

    Parameters
    ----------
    pictures, labels, ssm : path-like
        Folders of the originals, their ground truth (may be empty) and their maps by `segmenter`.
    decoded, coded : path-like, optional
        Folders of the reconstructions and the coded files; without them the originals themselves are scored.

    The arrays of the file
    ----------------------
    names : str (N,); height, width : int
    bytes_<part> : int64 (N,), size of each coded file
    confusion : int64 (N, C, C + 1), segmentation of the original against segmentation of the reconstruction
    confusion_gt : int64 (N, C, C + 1), ground truth against segmentation of the reconstruction; absent without labels
    psnr : float64 (N,), dB
    features_lite0 : float32 (N, 1280); features_fid : float32 (N, 2048), where weights are given
    """
    from spic.metrics import confusion_matrix, psnr
    from spic.metrics.features import InceptionFeatures, Lite0Features

    network = _segmenter(segmenter, segmenter_weights, device, dtype, torch_threads)
    space = network.label_space
    extractors = {"features_lite0": Lite0Features(device)}
    if fid_weights:
        extractors["features_fid"] = InceptionFeatures(fid_weights, device)
    truth = any(Path(labels).glob("*.png"))
    rows = {}
    for name, original in read_folder(pictures):
        picture = read_picture(_file(decoded, name)) if decoded else original
        reference = _partner(ssm, name)
        found = network.segment(picture[None])[0] if decoded else reference
        row = {"names": name, "psnr": psnr(original, picture)}
        row["confusion"] = confusion_matrix(reference, found, space.num_classes, space.void)
        if truth:
            row["confusion_gt"] = confusion_matrix(_partner(labels, name), found, space.num_classes, space.void)
        for key, extract in extractors.items():
            row[key] = extract(picture[None])[0]
        for key, value in row.items():
            rows.setdefault(key, []).append(value)
    arrays = {key: np.stack(values) if key != "names" else np.array(values) for key, values in rows.items()}
    arrays |= {"height": np.array(original.shape[0]), "width": np.array(original.shape[1])}
    if coded:
        arrays |= _sizes(coded, rows["names"])
    arrays["classes"] = np.array(space.classes)
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_folder(folder):
    """Yield (name, uint8 (H, W, 3)) of every PNG of a folder, by name."""
    for path in sorted(Path(folder).glob("*.png")):
        yield path.stem, read_picture(path)


class atomic_folder:
    """Context manager: gives an empty temporary folder beside `path`; renames it on success, removes it on failure."""

    def __init__(self, path):
        self.path = Path(path)

    def __enter__(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.temporary = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=f".{self.path.name}.", suffix=".tmp"))
        return self.temporary

    def __exit__(self, kind, value, traceback):
        if kind is None:
            shutil.rmtree(self.path, ignore_errors=True)
            self.temporary.chmod(0o755)
            self.temporary.rename(self.path)
        else:
            shutil.rmtree(self.temporary, ignore_errors=True)


def _segmenter(name, weights, device, dtype, torch_threads):
    from spic.devices import set_threads
    from spic.segmentation import get_segmenter

    set_threads(torch_threads)
    return get_segmenter(name, weights, device, dtype)


def _file(folder, name) -> Path:
    path = Path(folder) / f"{name}.png"
    if not path.exists():
        raise DataError(f"{path}: no such file, though there is a picture {name}")
    return path


def _partner(folder, name) -> np.ndarray:
    return read_labels(_file(folder, name))


def _coded_files(folder):
    """Yield (name, part, path) of the files that `encode` wrote, by name; hidden files are the workflow's."""
    for path in sorted(Path(folder).glob("[!.]*.*.*")):
        name, part, _ = path.name.rsplit(".", 2)
        yield name, part, path


def _sizes(coded, names) -> dict:
    """Byte counts of the coded files, {"bytes_<part>": int64 (N,)}."""
    sizes = {}
    for name, part, path in _coded_files(coded):
        sizes.setdefault(f"bytes_{part}", {})[name] = path.stat().st_size
    for part, of_name in sizes.items():
        if set(of_name) != set(names):
            raise DataError(f"{coded}: {part} of {sorted(set(of_name) ^ set(names))[0]} has no partner")
    return {part: np.array([of_name[name] for name in names], np.int64) for part, of_name in sizes.items()}


def _write_timing(path, seconds) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["n", "median_seconds", "total_seconds"], [len(seconds), *_summary(seconds)]])
    write_bytes(path, text.getvalue().encode())


def _summary(seconds):
    return [round(float(np.median(seconds)), 5), round(float(np.sum(seconds)), 5)] if seconds else ["", 0]
