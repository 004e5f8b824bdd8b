"""Contact sheet of the drawn streets, docs/figures/scenes.webp: `python docs/figures/scenes.py`.

The first row is `street_scenes`, in the classes of CamVid, the others `street_scenes_city`, in those of
Cityscapes; every picture has its label map below it.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from spic.datasets import get_dataset

SIZE, COLUMNS = (128, 256), 4
SHEET = (("street_scenes", range(4)), ("street_scenes_city", range(8)))


def main():
    rows = []
    for name, indices in SHEET:
        data = get_dataset(name, split="val", size=tuple(2 * side for side in SIZE))
        tiles = [np.vstack([data.picture(i), data.label_space.colorize(data.labels(i))]) for i in indices]
        rows += [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    sheet = Image.fromarray(np.vstack(rows))
    sheet = sheet.resize((sheet.width // 2, sheet.height // 2), Image.Resampling.BOX)
    sheet.save(Path(__file__).with_suffix(".webp"), quality=60, method=6)


if __name__ == "__main__":
    main()
