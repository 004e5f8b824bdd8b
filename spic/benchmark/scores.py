"""From what the networks saw to scores of each image: no network runs here.

One `scores.npz` holds what adds up over images (byte counts, confusion matrices, counts of small objects) for one
chunk; `spic.benchmark.summary` joins the chunks and makes the numbers of a point.
"""

from pathlib import Path

import numpy as np

from spic import metrics
from spic.benchmark.coding import partner, png_files, read_coded
from spic.benchmark.method import Settings
from spic.benchmark.methods import get_method
from spic.benchmark.observations import Maps, check_names, label_space, load_arrays, read_look, save_arrays
from spic.errors import ConfigError, DataError
from spic.metrics.columns import observations
from spic.pictures.labels import LabelSpace
from spic.pictures.reading import read_labels


def score(
    originals: Maps, out, *, looks=None, counted=None, method=None, settings=None, segmenter_look="segmenter"
) -> None:
    """Score the images of a chunk and write one `scores.npz`.

    Parameters
    ----------
    originals : spic.benchmark.observations.Maps
        What is compared with: `ssm` is the reference of mIoU, and `looks` is needed.
    looks : path-like, optional
        Folder of looks at the reconstructions; without it the originals themselves are scored against ground truth.
    counted : path-like, optional
        Folder of the files whose bytes are the rate.
    method : str, optional
        Name of the method that made them; it tells what the bytes are spent on.
    settings : spic.benchmark.method.Settings, optional
        Its settings.
    segmenter_look : str
        Which maps of the segmenter are compared; the originals' come from `originals.ssm` for "segmenter", for another
        name from their look of that name.

    The arrays of the file (N images, C classes of the segmenter, J of the judge)
    ----------------------
    names : str (N,); height, width : int
    bytes_<what> : int64 (N,), bytes spent on "ssm", "coarse", "picture", "file" (see `Method.sizes`)
    confusion : int64 (N, C, C + 1), segmentation of the original against segmentation of the reconstruction
    confusion_gt : int64 (N, C, C + 1), ground truth against the latter; absent without labels in the same space
    confusion_judge, confusion_judge_gt : int64 (N, J, J + 1), the same two by the judge; absent without one
    confusion_by_<name>, confusion_gt_by_<name> : the same two by each further judge, the look "judge_<name>"
    confusion_ssm_judge, confusion_ssm_by_<name> : of originals alone, the judge's maps against the SSMs themselves
    objects : int64 (N, K, 3, 2), found and total small objects of K classes in 3 sizes (`spic.metrics.small_objects`)
    persons : bool (K,), which of those classes are pedestrians or cyclists
    psnr, ms_ssim, lpips : float64 (N,), and what other paired observations record of each picture (N, ...)
    classes, judge_classes, classes_by_<name>, object_classes : str

    Raises
    ------
    DataError
        The folders hold other images than each other (the message names the first), maps of another label space, or
        two looks have an array of one name.
    """
    space = label_space(Path(originals.space).read_text())
    recorded = [name for name, one in observations().items() if one.paired] if looks else []
    judges = ["judge", *sorted(path.stem for path in Path(looks or originals.looks).glob("judge_*.npz"))]
    taken = {name: read_look(looks or originals.looks, name) for name in (*judges, *recorded)}
    seen = {name: found for name, found in taken.items() if found is not None}
    own = _look(looks, segmenter_look) if looks else None
    names = own["names"] if looks else list(png_files(originals.ssm))
    for found in seen.values():
        check_names(found["names"], names, str(looks or originals.looks))
    if segmenter_look == "segmenter":
        reference = _maps(originals.ssm, names)
    else:
        reference = _of_originals(originals, segmenter_look, names)["labels"]
    if looks and label_space(own["space"]) != space:
        raise DataError(f"{looks}: the segmenter's label space is not that of {originals.space}")
    truth = _maps(originals.labels, names) if png_files(originals.labels) else None
    arrays = {
        "names": np.array(names),
        "height": np.array(reference.shape[1]),
        "width": np.array(reference.shape[2]),
        **_confusions("", reference, own["labels"] if looks else reference, truth, space, originals.truth_space),
        "classes": np.array(space.classes),
    }
    for name, found in seen.items():
        judged = name in judges
        arrays |= (
            _judged(originals, name, found, names, truth) if judged else _recorded(f"{looks}/{name}", found, arrays)
        )
    if not looks:  # what a judge would say if it saw no image, but the SSM: nobody who draws from it does better
        for name in filter(seen.get, judges):
            base = _of_originals(originals, name, names)
            if label_space(base["space"]) == space:
                by = f"_ssm{_by(name)}"
                arrays |= _confusions(by, base["labels"], reference, None, space, originals.truth_space)
    if counted:
        arrays |= _sizes(counted, names, get_method(method, settings or Settings()))
    save_arrays(out, arrays)


def read_scores(paths) -> dict[str, np.ndarray]:
    """Join the `scores.npz` of the chunks of one point along the images."""
    return _join([load_arrays(path) for path in paths], paths[0])


def read_features(folders) -> dict[str, np.ndarray]:
    """Join what looks recorded of reconstructions and originals alike, over the chunks of an image set.

    The array `features` of a look is called by the look's name ("lite0", "inception"), others by their own
    ("patches"); with them `names`.
    """
    wanted = [one for one in observations().values() if not one.paired and not one.name.startswith("judge_")]
    chunks = []
    for folder in folders:
        chunk = {}
        for one in wanted:
            found = read_look(folder, one.name)
            if found is None and one.weights is None:
                raise DataError(f"{folder}: no features by {one.name}; remove it and run again")
            if found is not None:
                check_names(found["names"], chunk.setdefault("names", found["names"]), str(folder))
                found = {one.name if key == "features" else key: value for key, value in found.items()}
                chunk |= _recorded(f"{folder}/{one.name}", found, chunk)
        chunks.append(chunk)
    return _join(chunks, folders[0])


def first_pictures(arrays: dict, count: int | None) -> dict:
    """The same arrays for the first `count` images; None keeps all."""
    one_each = [key for key in arrays if not of_set(key) and arrays[key].shape[:1] == arrays["names"].shape]
    return arrays | {key: arrays[key][:count] for key in one_each}


def of_set(key: str) -> bool:
    """Whether an array is one of a set, without an entry for each image."""
    known = ("height", "width", "classes", "judge_classes", "object_classes", "persons")
    return key in known or key.startswith("classes_by_")


def _join(chunks: list[dict], where) -> dict[str, np.ndarray]:
    if any(chunk.keys() != chunks[0].keys() for chunk in chunks):
        raise DataError(f"{where} and its neighbours hold different scores; remove them and run again")
    return {
        key: value if of_set(key) else np.concatenate([chunk[key] for chunk in chunks])
        for key, value in chunks[0].items()
    }


def _recorded(where, found: dict, known) -> dict[str, np.ndarray]:
    """The arrays of a look that have an entry for each image; `DataError` if one of `known` has its name."""
    n = len(found["names"])
    arrays = {key: value for key, value in found.items() if key not in ("names", "size") and value.shape[:1] == (n,)}
    for key in arrays:
        if key in known:
            raise DataError(f"{where}: another look has an array {key}, too; rename one of them")
    return arrays


def _confusions(by: str, reference, found, truth, space: LabelSpace, truth_space: str) -> dict:
    """Confusion matrices of each image, against `reference` and, in the same label space, against `truth`."""
    maps = {f"confusion{by}": reference}
    if truth is not None and truth_space == space.name:
        maps["confusion_judge_gt" if by == "_judge" else f"confusion_gt{by}"] = truth
    return {
        key: np.stack(
            [metrics.confusion_matrix(*pair, space.num_classes, space.void) for pair in zip(of, found, strict=True)]
        )
        for key, of in maps.items()
    }


def _judged(originals: Maps, name: str, seen: dict, names, truth) -> dict:
    """What a judge says: confusion matrices and, of the judge itself, small objects kept."""
    base = _of_originals(originals, name, names)
    space = label_space(base["space"])
    if label_space(seen["space"]) != space:
        raise DataError(f"{originals.looks}: maps by another {name} than those of the reconstructions")
    arrays = _confusions(_by(name), base["labels"], seen["labels"], truth, space, originals.truth_space)
    arrays["judge_classes" if name == "judge" else f"classes{_by(name)}"] = np.array(space.classes)
    if name != "judge":
        return arrays
    try:
        classes, persons = metrics.small_classes(space), metrics.person_classes(space)
    except ConfigError:  # a label space without streets' small objects
        return arrays
    pairs = zip(base["labels"], seen["labels"], strict=True)
    arrays["objects"] = np.array(
        [[metrics.small_objects(a, b, [k], void=space.void) for k in classes] for a, b in pairs]
    )
    arrays["object_classes"] = np.array([space.classes[k] for k in classes])
    arrays["persons"] = np.isin(classes, persons)
    return arrays


def _by(judge: str) -> str:
    """How arrays by a judge's look end."""
    return "_judge" if judge == "judge" else judge.replace("judge_", "_by_", 1)


def _of_originals(originals: Maps, name: str, names) -> dict:
    """A look at the originals, with the label maps of the images that are scored."""
    base = _look(originals.looks, name)
    check_names(names, base["names"][: len(names)], str(originals.looks))
    return {**base, "labels": base["labels"][: len(names)]}


def _look(folder, name: str) -> dict:
    found = read_look(folder, name)
    if found is None:
        raise DataError(f"{folder}: no maps by the {name}; remove it and run again")
    return found


def _maps(folder, names) -> np.ndarray:
    """Label maps of a folder, uint8 (N, H, W), by name."""
    check_names(list(png_files(folder))[: len(names)], names, str(folder))
    return np.stack([read_labels(partner(folder, name)) for name in names])


def _sizes(counted, names, method) -> dict:
    """Byte counts of each image, {"bytes_<what>": int64 (N,)}."""
    coded = read_coded(counted)
    check_names(coded, names, str(counted))
    rows = [method.sizes(parts) for parts in coded.values()]
    for name, row in zip(coded, rows, strict=True):
        if set(row) != set(rows[0]):
            raise DataError(f"{counted}: {name} lacks a part that others have")
    return {f"bytes_{what}": np.array([row[what] for row in rows], np.int64) for what in rows[0]}
