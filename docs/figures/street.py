"""Make docs/figures/street.webp from the demo run (`make demo`): one drawn street by every method.

python docs/figures/street.py [results/demo] [scene_00005]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from spic.pictures.labels import CAMVID11
from spic.pictures.reading import read_labels, read_picture
from spic.report.tables import read_csv


def main(run="results/demo", name="scene_00005", rate=0.14):
    """Put original, SSM, SPIC, and each codec's point nearest to `rate` bpp side by side, with their rates."""
    run = Path(run)
    points = read_csv(run / "tables" / "points.csv")
    originals = run / "originals" / "0000"
    tiles = [
        ("original", read_picture(originals / "pictures" / f"{name}.png")),
        ("segmentation map (SSM)", CAMVID11.colorize(read_labels(originals / "ssm" / f"{name}.png"))),
    ]
    for method in ("spic", "upsampled", "bpg", "jpeg2000"):
        table = points[points["method"] == method]
        row = table.iloc[(table["bpp"] - rate).abs().argmin()]
        title = f"{method} {row['point']}: {row['bpp']:.3f} bpp"
        tiles.append((title, read_picture(run / method / row["point"] / "0000" / "decoded" / f"{name}.png")))
    rows = [np.hstack([label(*tile) for tile in tiles[i : i + 2]]) for i in (0, 2, 4)]
    Image.fromarray(np.vstack(rows)).save(Path(__file__).with_suffix(".webp"), quality=90)


def label(title, picture):
    """Write a title into a strip above the picture."""
    strip = Image.new("RGB", (picture.shape[1], 18), "white")
    ImageDraw.Draw(strip).text((4, 3), title, fill="black")
    return np.vstack([np.asarray(strip), picture])


if __name__ == "__main__":
    main(*sys.argv[1:3])
