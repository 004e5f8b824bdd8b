"""Sheets for a blind test by eye: python benchmarks/blind.py CAMVID SHEETS KEY [--decoder WEIGHTS] [--qp 35 45].

A reader who knows nothing of the codecs sees two versions of each subject side by side, sides at random: SPIC, and BPG
at no fewer bits. Subjects are the 20 largest components of signs, pedestrians and cyclists in every fifth frame of the
validation clip, at 4 times their size, ten whole frames of it, and ten whole frames of the training clip 0001TP, which
no shipped network was trained on. SHEETS gets one PNG per subject and QP and nothing that tells the sides apart; KEY is
a CSV file with the side of SPIC, the bits of both, and where the subject lies.
"""

import argparse
import csv
import functools
from pathlib import Path

import numpy as np
from PIL import Image

from spic import Receiver, Transmitter
from spic.codecs import get_codec
from spic.datasets import get_dataset
from spic.files import atomic_path
from spic.pictures.reading import write_png

SMALL = ("sign", "pedestrian", "bicyclist")
OBJECTS, FRAMES, ZOOM = 20, 10, 4
MARGIN, GAP, LEAST = 12, 16, 48  # around an object; between the sides; least side of a crop, in pixels
BPG_QPS = range(51, 19, -1)


def largest_components(dataset, frames, count: int) -> list[tuple]:
    """(frame, class, box) of the largest components of small classes by ground truth, largest first."""
    from scipy.ndimage import find_objects, label

    found = []
    for frame in frames:
        truth = dataset.labels(frame)
        for name in SMALL:
            components, _ = label(truth == dataset.label_space.id(name))
            for number, box in enumerate(find_objects(components), start=1):
                found.append((int((components[box] == number).sum()), frame, name, box))
    found.sort(key=lambda one: one[:2], reverse=True)
    return [one[1:] for one in found[:count]]


def around(box, size) -> tuple[slice, slice]:
    """A box with a margin, at least `LEAST` pixels wide and high, inside an image of `size`."""
    sides = []
    for part, side in zip(box, size, strict=True):
        length = min(side, max(LEAST, part.stop - part.start + 2 * MARGIN))
        start = min(max(0, (part.start + part.stop - length) // 2), side - length)
        sides.append(slice(start, start + length))
    return tuple(sides)


def subjects(root) -> list[tuple]:
    """(data set, frame, what it shows, box or None) of all subjects."""
    val, train = (get_dataset("camvid", root, split) for split in ("val", "train"))
    unseen = [i for i, name in enumerate(train.names) if name.startswith("0001TP")]
    objects = largest_components(val, range(0, len(val.names), 5), OBJECTS)
    found = [(val, frame, name, around(box, val.size)) for frame, name, box in objects]
    for dataset, frames in ((val, range(len(val.names))), (train, unseen)):
        chosen = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
        found += [(dataset, frames[i], "frame", None) for i in chosen]
    return found


class Sides:
    """Both versions of a frame at a QP of the coarse image; each is made once."""

    def __init__(self, decoder):
        self.receiver, self.bpg, self.known = Receiver(decoder), get_codec("bpg"), {}
        self.sender = functools.cache(lambda qp: Transmitter(decoder_weights=decoder, quality=qp))

    def __call__(self, dataset, frame: int, qp: int):
        """((image by SPIC, its bytes), (image by BPG at no fewer bytes, its bytes))."""
        key = dataset.names[frame], qp
        if key not in self.known:
            image = dataset.picture(frame)
            data = self.sender(qp).encode(image)
            coded = (self.bpg.encode(image, qp=value) for value in BPG_QPS)
            rival = next(one for one in coded if len(one) >= len(data))
            self.known[key] = (self.receiver.decode(data), len(data)), (self.bpg.decode(rival), len(rival))
        return self.known[key]


def sheet(left: np.ndarray, right: np.ndarray, zoom: int) -> np.ndarray:
    """Two images beside each other on white, each pixel a square of `zoom` pixels."""
    left, right = (
        np.asarray(Image.fromarray(x).resize((x.shape[1] * zoom, x.shape[0] * zoom), 0)) for x in (left, right)
    )
    return np.concatenate([left, np.full((len(left), GAP, 3), 255, np.uint8), right], axis=1)


def main() -> None:
    """Write sheets and key."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("sheets", type=Path)
    parser.add_argument("key", type=Path)
    parser.add_argument("--decoder", help="weights; the shipped ones by default")
    parser.add_argument("--qp", type=int, nargs="+", default=[35, 45])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, sides, rows = np.random.default_rng(arguments.seed), Sides(arguments.decoder), []
    arguments.sheets.mkdir(parents=True, exist_ok=True)
    for qp in arguments.qp:
        for number, (dataset, frame, what, box) in enumerate(subjects(arguments.root)):
            (ours, bytes_ours), (theirs, bytes_theirs) = sides(dataset, frame, qp)
            crop = box or (slice(None), slice(None))
            first = bool(rng.integers(2))
            pair = (ours[crop], theirs[crop]) if first else (theirs[crop], ours[crop])
            name = f"qp{qp}_{number:02d}.png"
            write_png(arguments.sheets / name, sheet(*pair, ZOOM if box else 2))
            where = "" if box is None else f"{crop[1].start},{crop[0].start},{crop[1].stop},{crop[0].stop}"
            side = "left" if first else "right"
            rows.append([name, qp, what, dataset.names[frame], where, side, bytes_ours, bytes_theirs])
    with atomic_path(arguments.key) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sheet", "qp", "what", "frame", "box", "spic", "bytes_spic", "bytes_bpg"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
