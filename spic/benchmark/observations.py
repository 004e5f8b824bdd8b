"""What the networks see in a set of images: label maps, features, distances to the originals.

This is the expensive half of evaluation; `spic.benchmark.scores` makes numbers of it without a network. A *look* is
one network at work on one set, and its result is one NPZ file. A look is kept by content in a cache folder: the same
network on the same images is never run twice, whatever method, run or data set the images belong to. The cache may be
deleted at any time.
"""

import hashlib
import json
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from spic.benchmark.coding import load_segmenter, partner, png_files
from spic.errors import ConfigError, DataError
from spic.files import atomic_folder, atomic_path, write_bytes
from spic.machine import CPU, Machine, set_threads
from spic.metrics.columns import observations
from spic.metrics.observations import Observation, Sample
from spic.pictures.labels import LabelSpace, get_label_space
from spic.pictures.reading import read_labels, read_picture
from spic.provenance.fingerprints import module_version, segmenter_version, stage_version
from spic.segmentation import describe_segmenter
from spic.strict_json import to_json
from spic.weights import weight_paths


@dataclass(frozen=True)
class Look:
    """One network and what it takes.

    Attributes
    ----------
    identity : dict
        What JSON can hold and what fixes the result, apart from the images: network, hash of its weights, dtype.
    build : callable
        Loads the network and returns `see(sample) -> {array name: array}` (`spic.metrics.Sample`).
    paired : bool
        Whether `see` looks at the original too.
    maps : bool
        Whether `see` looks at the label maps of the original.
    """

    identity: dict
    build: Callable
    paired: bool = False
    maps: bool = False


@dataclass(frozen=True)
class Maps:
    """What is known of the originals of a chunk: folders of label maps, PNG files, and of looks.

    Attributes
    ----------
    ssm : path-like
        Maps by the segmenter; `space` is the file of their label space.
    labels : path-like
        Ground truth, in the label space called `truth_space`; an empty folder where there is none.
    looks : path-like or None
        What networks other than the segmenter saw; only scores are made from that.
    """

    ssm: str | Path
    space: str | Path
    labels: str | Path
    truth_space: str
    looks: str | Path | None = None


def plan_looks(
    *,
    segmenter=None,
    segmenter_weights=None,
    segmenter_inputs: dict | None = None,
    judge=None,
    judge_weights=None,
    judges: dict | None = None,
    metric_weights: dict | None = None,
    machine: Machine = CPU,
    paired: bool = True,
) -> dict[str, Look]:
    """The looks that a configuration asks for, by name.

    Parameters
    ----------
    segmenter, judge : str, optional
        Names in `spic.segmentation.get_segmenter`; None leaves that look out.
    segmenter_inputs : dict, optional
        Names of the segmenter's looks to the sizes at which it looks (see `spic.segmentation.get_segmenter`),
        {"segmenter": None} by default; the judge has its own size.
    judges : dict, optional
        Further judges as the config has them, {name: {"segmenter", "weights"}}: the looks "judge_<name>".
    metric_weights : dict, optional
        Settings of the run that name weights files of observations, "fid_weights" for one; without, FID's and LPIPS's
        looks are left out.
    segmenter_weights, judge_weights : path-like, optional
        Weights files; None takes a segmenter's shipped ones.
    machine : spic.machine.Machine
        As `spic.benchmark.coding.resolve` decided them.
    paired : bool
        Whether there are originals to compare with.

    Returns
    -------
    dict of str to Look, with these arrays (N images):
        segmenter (or the names of `segmenter_inputs`), judge : labels uint8 (N, H, W), space (JSON of a label space)
        and those of every observation that a metric needs (`spic.metrics.columns.observations`) by its name.
    """
    looks = {}

    def network(name, build, weights, paired=False, maps=False, version=0, **identity):
        identity = {
            "look": name,
            "version": [stage_version("look"), version],
            "device": machine.device.split(":")[0],
            "torch_threads": machine.threads,
            **identity,
            # a missing file is reported by its loader
            "weights": _digest_of_files(path for path in weights if Path(path).is_file()),
        }
        looks[name] = Look(identity, build, paired, maps)

    sizes = segmenter_inputs or {"segmenter": None}
    segmenters = {name: (segmenter, segmenter_weights, size) for name, size in sizes.items()}
    segmenters["judge"] = (judge, judge_weights, None)
    segmenters |= {f"judge_{name}": (one["segmenter"], one["weights"], None) for name, one in (judges or {}).items()}
    for name, (kind, weights, size) in segmenters.items():
        if kind is not None:
            info = describe_segmenter(kind, weights)
            own = () if info.weights is None else (Path(info.weights), *weight_paths(info.weights))
            files = dict.fromkeys((*own, *info.beside))  # the config beside the weights is one of them
            build = partial(_segmentation, kind, weights, machine, size)
            network(name, build, files, network=kind, code=segmenter_version(kind), dtype=machine.dtype, input=size)
    for one in observations().values():
        weights = one.find_weights(metric_weights or {"fid_weights": None, "lpips_weights": None})
        if weights is not None and (paired or not one.paired):
            network(
                one.name,
                partial(_observation, one, weights, machine),
                weights,
                one.paired,
                one.maps,
                version=one.version,
                source=module_version(one.build.__module__),
            )
    return looks


def look(
    pictures,
    out,
    looks: dict[str, Look],
    *,
    originals=None,
    maps: Maps | None = None,
    limit: int | None = None,
    cache=None,
) -> None:
    """Let networks look at every image of a folder and write `<look>.npz` of each into the folder `out`.

    Parameters
    ----------
    pictures : path-like
        Folder of PNG files of one size.
    out : path-like
        Folder to write. Each file holds `names` (str (N,)), `size` (height, width), the look's arrays, `identity`
        (JSON) and `content`, the SHA-256 of the files that were seen.
    looks : dict
        As `plan_looks` gives it.
    originals : path-like, optional
        Folder with the original of each image under the same name; its first `limit` images are expected.
    maps : Maps, optional
        The originals' label maps, for the looks that want them.
    cache : path-like, optional
        Folder of looks by content.

    Raises
    ------
    DataError
        An image or an original has no partner of its name, is unreadable or of another size than its partner.
    ConfigError
        A look wants maps and there are none.
    """
    paths = partners = list(png_files(pictures).values())
    content = {(False, False): _digest_of_files(paths)}
    if originals is not None:
        names = [path.stem for path in paths]
        check_names(names, list(png_files(originals))[:limit], f"{pictures} and {originals}")
        partners = [partner(originals, name) for name in names]
        content[True, False] = _digest_of_files(paths + partners)
    if any(one.maps for one in looks.values()):
        content[True, True] = _digest_of_maps(maps, paths, content.get((True, False)))
    with atomic_folder(out) as folder:
        missing = {}
        for name, one in looks.items():
            seen = content.get((one.paired, one.maps))
            key = hashlib.sha256(json.dumps([one.identity, seen], sort_keys=True).encode()).hexdigest()
            known = Path(cache) / name / f"{key}.npz" if cache is not None else None
            if known is not None and _intact(known):
                shutil.copyfile(known, folder / f"{name}.npz")
            else:
                missing[name] = (seen, known)
        for name, arrays in _run({name: looks[name] for name in missing}, paths, partners, maps).items():
            seen, known = missing[name]
            arrays["identity"] = np.array(to_json(looks[name].identity, sort_keys=True))
            arrays["content"] = np.array(seen)
            save_arrays(folder / f"{name}.npz", arrays)
            if known is not None:
                write_bytes(known, (folder / f"{name}.npz").read_bytes())


def read_look(folder, name: str) -> dict[str, np.ndarray] | None:
    """Arrays of one look, None if it was not taken; `DataError` if its file is damaged."""
    path = Path(folder) / f"{name}.npz"
    return load_arrays(path) if path.exists() else None


def label_space(text) -> LabelSpace:
    """Label space from its JSON, as `segment` and the looks write it."""
    return LabelSpace(**json.loads(str(text)))


def save_arrays(path, arrays: dict) -> None:
    """Write arrays as NPZ, all or nothing; the same arrays give the same bytes."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_arrays(path) -> dict[str, np.ndarray]:
    """Read an NPZ file; `DataError` names it if it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise DataError(f"{path}: damaged ({error}); remove it and run again") from None


def check_names(names, wanted, what: str) -> None:
    """`DataError` naming the first image that is in only one of two lists, or out of order."""
    names, wanted = list(map(str, names)), list(map(str, wanted))
    if lonely := set(names) ^ set(wanted):
        raise DataError(f"{what}: {min(lonely)} is in only one of the two")
    for name, other in zip(names, wanted, strict=True):
        if name != other:
            raise DataError(f"{what}: the pictures come in another order from {name} on")


def _run(looks: dict[str, Look], paths: list[Path], partners: list[Path], maps: Maps | None) -> dict[str, dict]:
    """Arrays of each look over all images; every image is read once."""
    if not looks:
        return {}
    maps_of = _maps_of(maps) if any(one.maps for one in looks.values()) else lambda name: {}
    see = {name: one.build() for name, one in looks.items()}
    rows, size = {name: defaultdict(list) for name in looks}, None
    for path, other in zip(paths, partners, strict=True):
        picture = read_picture(path)
        original = picture if other == path else read_picture(other)
        if original.shape != picture.shape or picture.shape[:2] != (size or picture.shape[:2]):
            raise DataError(f"{path}: {picture.shape[1]}x{picture.shape[0]} is not the size of its companions")
        size = picture.shape[:2]
        sample = Sample(picture, original, **maps_of(path.stem))
        for name in looks:
            for key, value in see[name](sample).items():
                rows[name][key].append(value)
    of_all = {"names": np.array([path.stem for path in paths]), "size": np.array(size)}
    return {
        name: {**of_all, **{key: np.stack(values) for key, values in row.items()}} | getattr(see[name], "constants", {})
        for name, row in rows.items()
    }


def _observation(one: Observation, weights, machine: Machine):
    set_threads(machine.threads)
    return one.build(*(weights or [None]), machine.device)


def _segmentation(kind, weights, machine: Machine, size):
    network = load_segmenter(kind, weights, machine, size)

    def see(sample):
        return {"labels": network.segment(sample.decoded[None])[0]}

    see.constants = {"space": np.array(to_json(asdict(network.label_space)))}
    return see


def _maps_of(maps: Maps):
    """What reads the label maps of one original by name, as fields of a `Sample`."""
    spaces = {"space": label_space(Path(maps.space).read_text())}
    folders = {"ssm": maps.ssm}
    if png_files(maps.labels):
        spaces["truth_space"], folders["truth"] = get_label_space(maps.truth_space), maps.labels
    return lambda name: {key: read_labels(partner(folder, name)) for key, folder in folders.items()} | spaces


def _digest_of_maps(maps: Maps | None, paths, content: str | None) -> str:
    """SHA-256 over a digest of images, their label maps and what the ids mean."""
    if maps is None or content is None:
        raise ConfigError("a metric compares with the originals' label maps, and they are not given")
    files = [partner(maps.ssm, path.stem) for path in paths]
    files += [partner(maps.labels, path.stem) for path in paths] if png_files(maps.labels) else []
    known = [content, _digest_of_files(files), Path(maps.space).read_text(), maps.truth_space]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _digest_of_files(paths) -> str:
    digest = hashlib.sha256()
    for path in map(Path, paths):
        data = path.read_bytes()
        digest.update(f"{path.stem}\0{len(data)}\0".encode("utf-8", "surrogateescape"))
        digest.update(data)
    return digest.hexdigest()


def _intact(path: Path) -> bool:
    try:
        return bool(load_arrays(path))
    except DataError:
        return False
