"""Copy figures of the demo run (`make demo`) into the docs as WebP: `python docs/figures/figures.py [results/demo]`.

Only runs on drawn streets belong here: photographs of other data sets are not ours to publish.
"""

import sys
from pathlib import Path

from PIL import Image

NAMES = ("figure2", "figure3", "figure4a", "figure4b", "rate_split", "iou_per_class", "recall_by_size")
WIDTH = 1200


def main(run="results/demo"):
    for name in NAMES:
        figure = Image.open(Path(run) / "figures" / f"{name}.png").convert("RGB")
        if figure.width > WIDTH:
            figure = figure.resize((WIDTH, round(figure.height * WIDTH / figure.width)), Image.Resampling.LANCZOS)
        figure.save(Path(__file__).with_name(f"{name}.webp"), quality=80, method=6)


if __name__ == "__main__":
    main(*sys.argv[1:2])
