"""A chain's length against its images: python benchmarks/chain.py CAMVID LPIPS [--weights NAME] [--csv FILE].

On every fourth frame of CamVid's validation split: label maps by the segmenter `street`, coarse images by BPG. LPIPS
is the weights file of LPIPS with AlexNet. Beside LPIPS and `fd_alex` stand the 95 % intervals of the difference to the
row above it, of the same images: a chain gains by its steps where they lie below 0. Seconds are CPU seconds per image.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np

from spic.codecs import get_codec
from spic.datasets import get_dataset
from spic.machine import set_threads
from spic.metrics import frechet_distance, miou_of_maps
from spic.metrics.intervals import distance_interval, mean_interval
from spic.metrics.perceptual import Lpips
from spic.pictures.sizes import downscale
from spic.scsrdm.decoder import Decoder
from spic.segmentation import get_segmenter

EVERY = 4  # frames
BLOCK = 6  # of these frames are drawn together, as 25 are in the published tables
COLUMNS = ["qp", "steps", "n", "miou", "lpips", "lpips_low", "lpips_high", "fd_alex", "fd_low", "fd_high", "seconds"]


def rows(arguments):
    """Yield a row per QP and number of steps."""
    dataset = get_dataset("camvid", arguments.root, "val")
    originals = np.stack([dataset.picture(i) for i in range(0, len(dataset), EVERY)][: arguments.limit])
    segmenter, lpips = get_segmenter("street", device="cpu"), Lpips(arguments.lpips, "cpu")
    decoder, codec, seeds = Decoder(arguments.weights, "cpu", arguments.dtype), get_codec("bpg"), range(len(originals))
    maps, reference = segmenter.segment(originals), _features(lpips, originals)
    for qp in arguments.qp:
        coarse = np.stack([codec.decode(codec.encode_coarse(downscale(image), qp=qp)) for image in originals])
        before = None
        for steps in arguments.steps:
            sampling = decoder.sampling.merge({"steps": steps})
            began = time.process_time()
            images = decoder(maps, coarse, list(seeds), sampling)
            seconds = (time.process_time() - began) / len(images)
            distances = np.array([lpips(*pair) for pair in zip(originals, images, strict=True)])
            features = _features(lpips, images)
            row = {"qp": qp, "steps": steps, "n": len(images)}
            row |= {"miou": round(miou_of_maps(maps, segmenter.segment(images), segmenter.label_space), 4)}
            row |= {"lpips": round(float(distances.mean()), 4), "fd_alex": round(_distance(reference, features), 2)}
            if before is not None:
                low, high = mean_interval(distances - before[0], block=BLOCK)
                row |= {"lpips_low": round(low, 4), "lpips_high": round(high, 4)}
                pairs = [np.concatenate(pair, axis=2) for pair in ((reference, reference), (before[1], features))]
                low, high = distance_interval(_further, *pairs, block=BLOCK)
                row |= {"fd_low": round(low, 2), "fd_high": round(high, 2)}
            before = distances, features
            yield row | {"seconds": round(seconds, 2)}


def _features(lpips, images):
    return np.stack([lpips.features(image) for image in images]).astype(np.float64)


def _distance(originals, features):
    return frechet_distance(*(found.reshape(-1, found.shape[-1]) for found in (originals, features)))


def _further(originals, pairs):
    """How much further from the originals the second halves of the features are than the first: float64 (M, 2 D)."""
    (a, b), (first, second) = np.split(originals, 2, axis=1), np.split(pairs, 2, axis=1)
    return _distance(b, second) - _distance(a, first)


def main() -> None:
    """Print the rows, and write them where a file is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", help="folder of CamVid")
    parser.add_argument("lpips", type=Path, help="weights of LPIPS with AlexNet")
    parser.add_argument("--weights", default="street-decoder-20")
    parser.add_argument("--qp", nargs="+", type=int, default=[25, 35, 45])
    parser.add_argument("--steps", nargs="+", type=int, default=[1, 4, 8, 20])
    parser.add_argument("--limit", type=int, default=None, help="only the first frames")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--csv", type=Path, default=None)
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    found = []
    for row in rows(arguments):
        print(row, flush=True)
        found.append(row)
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)


if __name__ == "__main__":
    main()
