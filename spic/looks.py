"""What the networks see in a set of pictures: label maps, features, distances to the originals.

This is the expensive half of evaluation; `spic.scores` makes numbers of it without a network. A *look* is one network
at work on one set, and its result is one NPZ file. A look is kept by content in a cache folder: the same network on the
same pictures is never run twice, whatever method, run or data set the pictures belong to. The cache may be deleted at
any time.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from spic.errors import DataError
from spic.images import atomic_folder, atomic_path, read_picture
from spic.labels import LabelSpace
from spic.stages import load_segmenter, partner, png_files, segmenter_files
from spic.strict_json import to_json
from spic.weights import weight_paths

VERSION = 1  # of what a look computes from the same weights and pictures; part of its identity


@dataclass(frozen=True)
class Look:
    """One network and what it takes.

    Attributes
    ----------
    identity : dict
        What JSON can hold and what fixes the result, apart from the pictures: network, hash of its weights, dtype.
    build : callable
        Loads the network and returns `see(picture, original) -> {array name: array}`, uint8 (H, W, 3) in.
    paired : bool
        Whether `see` looks at the original too.
    """

    identity: dict
    build: Callable
    paired: bool = False


def plan_looks(
    *,
    segmenter=None,
    segmenter_weights=None,
    segmenter_inputs: dict | None = None,
    judge=None,
    judge_weights=None,
    fid_weights=None,
    lpips_weights=None,
    device: str = "cpu",
    dtype: str = "float32",
    torch_threads: int | None = None,
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
    segmenter_weights, judge_weights, fid_weights, lpips_weights : path-like, optional
        Weights files; None takes a segmenter's shipped ones, and leaves FID's and LPIPS's look out.
    device, dtype, torch_threads
        As `spic.stages.resolve` decided them.
    paired : bool
        Whether there are originals to compare with.

    Returns
    -------
    dict of str to Look, with these arrays (N pictures):
        segmenter (or the names of `segmenter_inputs`), judge : labels uint8 (N, H, W), space (JSON of a label space)
        lite0 : features float32 (N, 1280), patches float32 (N, P, 1280)
        inception : features float32 (N, 2048)
        distortion : psnr float64 (N,) in dB, ms_ssim float64 (N,), NaN for pictures too small for it
        lpips : lpips float64 (N,)
    """
    looks = {}

    def network(name, build, weights=(), paired=False, **identity):
        identity = {"look": name, "version": VERSION, "device": device.split(":")[0], **identity}
        known = [path for path in weights if Path(path).is_file()]  # a missing one is told of where it is loaded
        looks[name] = Look({**identity, "weights": _digest_of_files(known)}, build, paired)

    def segmentation(name, kind, weights, size=None):
        def build():
            return _segmentation(load_segmenter(kind, weights, device, dtype, torch_threads, size))

        network(name, build, _segmenter_files(kind, weights), network=kind, dtype=dtype, input=size)

    if segmenter is not None:
        for name, size in (segmenter_inputs or {"segmenter": None}).items():
            segmentation(name, segmenter, segmenter_weights, size)
    if judge is not None:
        segmentation("judge", judge, judge_weights)
    network("lite0", lambda: _lite0(device, torch_threads))
    if fid_weights is not None:
        network("inception", lambda: _inception(fid_weights, device, torch_threads), [fid_weights])
    if paired:
        network("distortion", lambda: _distortion, paired=True)
        if lpips_weights is not None:
            network("lpips", lambda: _lpips(lpips_weights, device, torch_threads), [lpips_weights], paired=True)
    return looks


def look(pictures, out, looks: dict[str, Look], *, originals=None, limit: int | None = None, cache=None) -> None:
    """Let networks look at every picture of a folder and write `<look>.npz` of each into the folder `out`.

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
        Folder with the original of each picture under the same name; its first `limit` pictures are expected.
    cache : path-like, optional
        Folder of looks by content.

    Raises
    ------
    DataError
        A picture or an original has no partner of its name, is unreadable or of another size than its partner.
    """
    names, paths = list(png_files(pictures)), list(png_files(pictures).values())
    if originals is not None:
        check_names(names, list(png_files(originals))[:limit], f"{pictures} and {originals}")
    partners = [partner(originals, name) for name in names] if originals is not None else paths
    content = _digest_of_files(paths)
    content_of_pair = _digest_of_files(paths + partners) if originals is not None else None
    with atomic_folder(out) as folder:
        missing = {}
        for name, one in looks.items():
            seen = content_of_pair if one.paired else content
            key = hashlib.sha256(json.dumps([one.identity, seen], sort_keys=True).encode()).hexdigest()
            known = Path(cache) / name / f"{key}.npz" if cache is not None else None
            if known is not None and _intact(known):
                shutil.copyfile(known, folder / f"{name}.npz")
            else:
                missing[name] = (one, seen, known)
        for name, arrays in _run({name: one for name, (one, _, _) in missing.items()}, paths, partners).items():
            one, seen, known = missing[name]
            arrays |= {"identity": np.array(to_json(one.identity, sort_keys=True)), "content": np.array(seen)}
            save_arrays(folder / f"{name}.npz", arrays)
            if known is not None:
                with atomic_path(known) as temporary:
                    shutil.copyfile(folder / f"{name}.npz", temporary)


def read_look(folder, name: str) -> dict[str, np.ndarray] | None:
    """Arrays of one look, None if it was not taken; `DataError` if its file is damaged."""
    path = Path(folder) / f"{name}.npz"
    return load_arrays(path) if path.exists() else None


def label_space(text) -> LabelSpace:
    """Label space from its JSON, as `segment` and the looks write it."""
    values = json.loads(str(text))
    return LabelSpace(values["name"], tuple(values["classes"]), tuple(map(tuple, values["palette"])), values["void"])


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
    """`DataError` naming the first picture that is in only one of two lists, or out of order."""
    names, wanted = list(map(str, names)), list(map(str, wanted))
    lonely = sorted(set(names) ^ set(wanted))
    if lonely:
        raise DataError(f"{what}: {lonely[0]} is in only one of the two")
    if names != wanted:
        first = next(a for a, b in zip(names, wanted, strict=True) if a != b)
        raise DataError(f"{what}: the pictures come in another order from {first} on")


def _run(looks: dict[str, Look], paths: list[Path], partners: list[Path]) -> dict[str, dict]:
    """Arrays of each look over all pictures; every picture is read once."""
    see = {name: one.build() for name, one in looks.items()}
    rows, size = {name: {} for name in looks}, None
    for path, other in zip(paths if looks else [], partners, strict=bool(looks)):
        picture = read_picture(path)
        original = picture if other == path else read_picture(other)
        if original.shape != picture.shape or picture.shape[:2] != (size or picture.shape[:2]):
            raise DataError(f"{path}: {picture.shape[1]}x{picture.shape[0]} is not the size of its companions")
        size = picture.shape[:2]
        for name in looks:
            for key, value in see[name](picture, original).items():
                rows[name].setdefault(key, []).append(value)
    names = np.array([path.stem for path in paths])
    return {
        name: {"names": names, "size": np.array(size), **{key: np.stack(values) for key, values in row.items()}}
        | getattr(see[name], "constants", {})
        for name, row in rows.items()
    }


def _segmentation(network):
    def see(picture, original):
        return {"labels": network.segment(picture[None])[0]}

    see.constants = {"space": np.array(to_json(asdict(network.label_space)))}
    return see


def _lite0(device, torch_threads):
    from spic.devices import set_threads
    from spic.metrics import Lite0Features

    set_threads(torch_threads)
    network = Lite0Features(device)

    def see(picture, original):
        return {"features": network(picture[None])[0], "patches": network.patches(picture[None])[0]}

    return see


def _inception(weights, device, torch_threads):
    from spic.devices import set_threads
    from spic.metrics import InceptionFeatures

    set_threads(torch_threads)
    network = InceptionFeatures(weights, device)
    return lambda picture, original: {"features": network(picture[None])[0]}


def _lpips(weights, device, torch_threads):
    from spic.devices import set_threads
    from spic.metrics.perceptual import Lpips

    set_threads(torch_threads)
    network = Lpips(weights, device)
    return lambda picture, original: {"lpips": np.float64(network(original, picture))}


def _distortion(picture, original):
    from spic.metrics import ms_ssim, psnr
    from spic.metrics.distortion import MIN_SIDE

    known = min(picture.shape[:2]) >= MIN_SIDE
    similarity = ms_ssim(original, picture) if known else np.nan
    return {"psnr": np.float64(psnr(original, picture)), "ms_ssim": np.float64(similarity)}


def _segmenter_files(kind, weights) -> list[Path]:
    """Weights of a segmenter and the config beside them."""
    files = segmenter_files(kind, weights)
    return [path for file in files for path in dict.fromkeys((Path(file), *weight_paths(file)))]


def _digest_of_files(paths) -> str:
    """SHA-256 over names and contents of files."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        data = path.read_bytes()
        digest.update(f"{path.stem}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def _intact(path: Path) -> bool:
    """Whether a file of the cache is there and readable to its end."""
    try:
        return bool(load_arrays(path))
    except DataError:
        return False
