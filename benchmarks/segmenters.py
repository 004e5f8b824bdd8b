"""Segmenters against ground truth: python benchmarks/segmenters.py CAMVID [--segmenter NAME[=WEIGHTS]] [--csv FILE].

On frames 0001TP_* of CamVid's training split, which no shipped network was trained on ("choose"), and on its validation
split ("val"): mIoU, IoU per class, and how well the maps agree with those of the first segmenter (mIoU over the classes
that occur). What two segmenters see alike bounds what maps of the one can do for the other.
"""

import argparse
import csv
import sys

import numpy as np
from steps import FRAMES, select

from spic.machine import set_threads
from spic.metrics import confusion_matrix, iou_per_class, mean_iou
from spic.segmentation import get_segmenter


def main() -> None:
    """Print the rows as CSV, or write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", help="folder of CamVid")
    parser.add_argument("--frames", nargs="+", default=list(FRAMES), choices=FRAMES)
    parser.add_argument("--limit", type=int, default=None, help="so many frames, spread over the set")
    parser.add_argument("--segmenter", nargs="+", default=["street", "judge"], metavar="NAME[=WEIGHTS]")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--csv", default=None)
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    rows = []
    for frames in arguments.frames:
        dataset, index = select(arguments.root, frames, arguments.limit)
        pictures, labels = (np.stack([read(i) for i in index]) for read in (dataset.picture, dataset.labels))
        space, first = dataset.label_space, None
        size = space.num_classes, space.void
        for choice in arguments.segmenter:
            name, _, weights = choice.partition("=")
            segmenter = get_segmenter(name, weights or None, arguments.device, arguments.dtype)
            maps = segmenter.segment(pictures)
            first = maps if first is None else first
            totals = confusion_matrix(labels, maps, *size)
            row = {"segmenter": choice, "frames": frames, "n": len(pictures), "miou": mean_iou(totals)}
            row["agreement"] = mean_iou(confusion_matrix(first, maps, *size))
            row |= dict(zip(space.classes, iou_per_class(totals), strict=True))
            rows.append({key: f"{x:.4f}" if isinstance(x, float) else x for key, x in row.items()})
    with open(arguments.csv, "w", newline="") if arguments.csv else sys.stdout as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
