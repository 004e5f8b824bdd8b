"""What coarse images cost with colour at half of height and width, and in full: python benchmarks/coarse_colour.py.

BPG at 4:2:0 and at 4:4:4, on drawn street scenes, or with `--camvid FOLDER` on every twelfth training frame of CamVid.
Errors are mean squared differences to the coarse image before coding, of luma, and of the two colour differences.
"""

import argparse
import csv
import sys

import numpy as np

from spic.codecs import get_codec
from spic.codecs.bpg.colour import to_ycc444
from spic.datasets import get_dataset
from spic.pictures.sizes import COARSE_FACTOR, downscale

EVERY = 12  # frames
COLUMNS = ["qp", "chroma", "bytes", "bpp", "luma_error", "colour_error"]


def main() -> None:
    """Print the table as CSV."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--camvid", help="CamVid's folder")
    parser.add_argument("--qp", nargs="*", type=int, default=[25, 35, 45])
    arguments = parser.parse_args()
    name = "camvid" if arguments.camvid else "street_scenes"
    dataset = get_dataset(name, arguments.camvid, "train")
    images = [downscale(dataset.picture(i)) for i in range(0, len(dataset), EVERY)]
    codec, table = get_codec("bpg"), csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    for qp in arguments.qp:
        for chroma in ("420", "444"):
            coded = [codec.encode(image, qp=qp, chroma=chroma) for image in images]
            errors = np.mean([_errors(*pair) for pair in zip(images, map(codec.decode, coded), strict=True)], axis=0)
            size = np.mean([len(data) for data in coded])
            pixels = images[0].shape[0] * images[0].shape[1] * COARSE_FACTOR**2
            bpp, shown = f"{8 * size / pixels:.4f}", f"4:{chroma[1]}:{chroma[2]}"
            table.writerow([qp, shown, round(size), bpp, *(f"{error:.2f}" for error in errors)])


def _errors(original, decoded) -> tuple[float, float]:
    """Mean squared differences of luma, and of both colour differences."""
    pairs = zip(to_ycc444(original), to_ycc444(decoded), strict=True)
    luma, *colour = (np.square(a.astype(float) - b).mean() for a, b in pairs)
    return luma, np.mean(colour)


if __name__ == "__main__":
    main()
