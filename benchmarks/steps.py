"""Samplers and steps of a decoder: python benchmarks/steps.py CAMVID [--frames choose val] [--limit N] [--csv FILE].

"choose" are the frames 0001TP_* of CamVid's training split, which no shipped network was trained on: the default is
chosen there. "val" is the validation split, one clip of 6.7 seconds, only looked at. Label maps by the segmenter
`street`, coarse pictures by BPG; SSM of the reconstruction against SSM of the original (mIoU) and the same by the
independent judge. Rows come as they are done, and a CSV file that has a row already is not asked to do it again.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from spic.codecs import get_codec
from spic.datasets import get_dataset
from spic.errors import SpicError
from spic.machine import set_threads
from spic.metrics import Lite0Features, finite_psnr, frechet_distance, miou_of_maps, psnr
from spic.pictures.sizes import downscale
from spic.scsrdm.decoder import Decoder
from spic.scsrdm.sampling import SAMPLERS, START, Sampling
from spic.segmentation import get_segmenter

CHOOSE = "0001TP"
FRAMES = ("choose", "val")
STEPS = [1, 2, 4, 6, 8, 10, 20, 50]
KEYS = ["frames", "sampler", "steps", "start", "guidance"]


class Judge:
    """A segmenter and its maps of the originals; says how well reconstructions agree with them."""

    def __init__(self, name: str, originals: list[np.ndarray], options: dict):
        self.segmenter = get_segmenter(name, **options)
        self.maps = self._segment(originals)

    def miou(self, pictures) -> float:
        """Mean IoU over the classes that occur, from totals over all pictures."""
        maps = self._segment(pictures)
        return miou_of_maps(np.stack(self.maps), np.stack(maps), self.segmenter.label_space)

    def _segment(self, pictures):
        return [self.segmenter.segment(picture[None])[0] for picture in pictures]


def select(root, frames: str, limit: int | None):
    """The data set, and the indices of its frames to choose on, or to look at."""
    dataset = get_dataset("camvid", root, "train" if frames == "choose" else "val")
    index = [i for i, name in enumerate(dataset.names) if frames == "val" or name.startswith(CHOOSE)]
    if limit:  # spread over the clip: neighbours look alike
        index = [index[round(i)] for i in np.linspace(0, len(index) - 1, min(limit, len(index)))]
    return dataset, index


def measure(arguments, frames: str, done: set, write) -> None:
    """Do all rows of one set of frames that are not done yet."""
    options = {"device": arguments.device, "dtype": arguments.dtype}
    dataset, index = select(arguments.root, frames, arguments.limit)
    originals = [dataset.picture(i) for i in index]
    seeds = list(range(len(index)))
    codec = get_codec("bpg")
    coarse = np.stack([codec.decode(codec.encode_coarse(downscale(picture), qp=arguments.qp)) for picture in originals])
    street = Judge("street", originals, options)
    try:
        independent = Judge("judge", originals, options)
    except SpicError as error:
        print(f"miou_independent stays empty: {error}")
        independent = None
    features = Lite0Features(arguments.device)
    reference = features(np.stack(originals))
    decoder = Decoder(arguments.weights, **options)
    for sampler in arguments.sampler:
        for steps in arguments.steps:
            for start in arguments.start:
                settings = {"sampler": sampler, "steps": steps, "start": start, "guidance": arguments.guidance}
                row = {"frames": frames, **settings, "n": len(index)}
                if tuple(str(row[key]) for key in KEYS) in done:
                    continue
                sampling = Sampling(**settings)
                decoder(np.stack(street.maps[:1]), coarse[:1], seeds[:1], sampling)  # the first call loads and plans
                began = time.process_time(), time.perf_counter()
                pictures = decoder(np.stack(street.maps), coarse, seeds, sampling)
                cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
                seconds = wall if decoder.device.startswith("cuda") else cpu
                errors = [psnr(*pair) for pair in zip(originals, pictures, strict=True)]
                row |= {
                    "miou": round(street.miou(pictures), 4),
                    "miou_independent": round(independent.miou(pictures), 4) if independent else "",
                    "fd_lite0": round(frechet_distance(reference, features(pictures)), 2),
                    "psnr": round(float(np.mean(finite_psnr(errors, originals[0].size))), 2),
                    "seconds": round(seconds / len(index), 3),
                }
                write(row)


def main() -> None:
    """Print the table, and append it to a file where one is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", help="folder of CamVid")
    parser.add_argument("--frames", nargs="+", default=list(FRAMES), choices=FRAMES)
    parser.add_argument("--limit", type=int, default=None, help="so many frames, spread over the set")
    parser.add_argument("--weights", default=None, help="the shipped ones by default")
    parser.add_argument("--sampler", nargs="+", default=list(SAMPLERS), choices=SAMPLERS)
    parser.add_argument("--steps", nargs="+", type=int, default=STEPS)
    parser.add_argument("--start", nargs="+", type=int, default=None, help="first timesteps; else the checkpoint's")
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--qp", type=int, default=35)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--csv", type=Path, default=None, help="append rows here, skip those it has")
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    if arguments.start is None:
        arguments.start = [Decoder(arguments.weights, "cpu", "float32").sampling.start or START]
    done, columns = set(), [*KEYS, "n", "miou", "miou_independent", "fd_lite0", "psnr", "seconds"]
    if arguments.csv and arguments.csv.exists():
        with arguments.csv.open(newline="") as file:
            done = {tuple(row[key] for key in KEYS) for row in csv.DictReader(file)}

    def write(row):
        print("| " + " | ".join(str(row[column]) for column in columns) + " |", flush=True)
        if arguments.csv:
            new = not arguments.csv.exists()
            with arguments.csv.open("a", newline="") as file:
                writer = csv.DictWriter(file, columns)
                if new:
                    writer.writeheader()
                writer.writerow(row)

    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join("---" if c in KEYS[:2] else "---:" for c in columns) + " |")
    for frames in arguments.frames:
        measure(arguments, frames, done, write)


if __name__ == "__main__":
    main()
