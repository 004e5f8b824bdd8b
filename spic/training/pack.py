"""Training packs: one zip file with all a training needs, so that it runs with torch, numpy and pillow alone.

A pack holds images (JPEG, 4:4:4), label maps (PNG) and, for the decoder, coarse images as the receiver will see
them: area-downscaled, coded by BPG at several QPs and decoded again (lossless WebP). Coding happens when the pack is
made, because the machine that trains may lack the codecs.

::

    pack.json            {"label_space", "qps", "items": [{"name", "source"}]}
    picture/<name>.jpg   labels/<name>.png   coarse-<qp>/<name>.webp
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from spic.errors import ConfigError, DataError
from spic.files import atomic_path
from spic.pictures.labels import get_label_space
from spic.pictures.sizes import COARSE_FACTOR, downscale
from spic.strict_json import to_json

FRAME_SIZE = (384, 512)  # a whole CamVid frame at working scale; crops of it are what the networks see


@dataclass(frozen=True)
class Pack:
    """A pack in memory.

    Attributes
    ----------
    names, sources : list of str
        Name of each image and of the data set it comes from.
    pictures : numpy.ndarray
        uint8 (N, H, W, 3).
    labels : numpy.ndarray
        uint8 (N, H, W).
    coarse : dict of int to numpy.ndarray
        For each QP, uint8 (N, H / 4, W / 4, 3).
    label_space : str
        Name of the label space of `labels`.
    coded : spic.training.batches.Coded, optional
        Coarse images, each with its light, for a training of decoders to take in place of `coarse`.
    """

    names: list[str]
    sources: list[str]
    pictures: np.ndarray
    labels: np.ndarray
    coarse: dict[int, np.ndarray]
    label_space: str
    coded: object = None

    def __len__(self):
        return len(self.names)

    @property
    def about(self) -> dict:
        """How many images it has and how they were coded, for the recipe of a training."""
        return {"names": len(self), "coded": self.coded and self.coded.about}

    def where(self, keep: Callable[[str], bool]) -> "Pack":
        """The part of the pack whose names satisfy `keep`."""
        index = [i for i, name in enumerate(self.names) if keep(name)]
        return Pack(
            [self.names[i] for i in index],
            [self.sources[i] for i in index],
            self.pictures[index],
            self.labels[index],
            {qp: images[index] for qp, images in self.coarse.items()},
            self.label_space,
        )


def write_pack(path, datasets: Iterable, qps: Iterable[int] = (), codec=None, quality: int = 95, report=None) -> int:
    """Write a pack of all images of `datasets` and return how many there are.

    Parameters
    ----------
    path : path-like
        The zip file to write.
    datasets : iterable of spic.datasets.base.Dataset
        All with labels, in one label space and one size.
    qps : iterable of int
        QPs of the coarse images; none for a segmenter's pack.
    codec : spic.codecs.base.Codec
        The coarse codec, needed where there are QPs.
    quality : int
        JPEG quality of the images.
    report : callable, optional
        Called with each finished name.

    Raises
    ------
    DataError
        Two images share a name, an image has no labels, or label spaces or sizes differ.
    """
    qps = sorted(set(qps))
    items, spaces, sizes, seen = [], set(), set(), set()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for dataset in datasets:
            spaces.add(dataset.label_space.name)
            sizes.add(tuple(dataset.size))
            for i, name in enumerate(dataset.names):
                labels = dataset.labels(i)
                if labels is None or name in seen:
                    raise DataError(f"{dataset.name}: {name} " + ("has no labels" if labels is None else "comes twice"))
                seen.add(name)
                picture = dataset.picture(i)
                archive.writestr(f"picture/{name}.jpg", _encode(picture, "JPEG", quality=quality, subsampling=0))
                archive.writestr(f"labels/{name}.png", _encode(labels, "PNG"))
                for qp in qps:
                    decoded = codec.decode(codec.encode_coarse(downscale(picture), qp=qp))
                    archive.writestr(f"coarse-{qp}/{name}.webp", _encode(decoded, "WEBP", lossless=True))
                items.append({"name": name, "source": dataset.name})
                if report:
                    report(name)
        if len(spaces) != 1 or len(sizes) != 1:
            raise DataError(f"a pack holds pictures of one label space and size, not {sorted(spaces)}, {sorted(sizes)}")
        archive.writestr("pack.json", to_json({"label_space": spaces.pop(), "qps": qps, "items": items}, indent=1))
    return len(items)


def read_pack(path) -> Pack:
    """Read a pack into memory; `DataError` names the file and what is wrong with it."""
    try:
        with zipfile.ZipFile(Path(path)) as archive:
            meta = json.loads(archive.read("pack.json"))
            names = [item["name"] for item in meta["items"]]

            def stack(folder, suffix):
                return np.stack([Image.open(io.BytesIO(archive.read(f"{folder}/{name}.{suffix}"))) for name in names])

            pack = Pack(
                names,
                [item["source"] for item in meta["items"]],
                stack("picture", "jpg"),
                stack("labels", "png"),
                {qp: stack(f"coarse-{qp}", "webp") for qp in meta["qps"]},
                meta["label_space"],
            )
    except (OSError, KeyError, ValueError, TypeError, SyntaxError, RuntimeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a training pack ({error})") from None
    get_label_space(pack.label_space).check(pack.labels, f"{path}: labels")
    shape = pack.labels.shape
    small = (shape[0], shape[1] // COARSE_FACTOR, shape[2] // COARSE_FACTOR, 3)
    if pack.pictures.shape != (*shape, 3) or any(images.shape != small for images in pack.coarse.values()):
        raise DataError(f"{path}: pictures, labels and coarse images differ in size")
    return pack


def read_split(path, left_out: Iterable[str]) -> tuple[Pack, Pack | None]:
    """Read a pack without, and (None if there are none) with, the images whose names begin with one of `left_out`.

    `ConfigError` if one of the two would be empty.
    """
    everything, prefixes = read_pack(path), tuple(left_out)
    if not prefixes:
        return everything, None
    kept = everything.where(lambda name: not name.startswith(prefixes))
    apart = everything.where(lambda name: name.startswith(prefixes))
    if not len(kept) or not len(apart):
        raise ConfigError(f"{path}: --leave-out {' '.join(prefixes)} leaves {len(kept)} of {len(everything)} pictures")
    return kept, apart


def _encode(array, kind, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format=kind, **options)
    return buffer.getvalue()
