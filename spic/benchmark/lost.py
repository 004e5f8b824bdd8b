"""What a receiver shows of an image that is lost: the mean image of the training split."""

from pathlib import Path

import numpy as np

from spic.benchmark.coding import open_dataset, png_files
from spic.datasets import Dataset
from spic.errors import SpicError
from spic.files import atomic_folder
from spic.pictures.reading import write_png

AVERAGED = 64  # images of the training split that the mean image is made of


def training_split(config: dict) -> Dataset:
    """The data set whose mean image a receiver shows for a lost one: the training split, or that of the run."""
    try:
        return open_dataset({**config, "split": "train", "limit": None})
    except SpicError:  # images of one's own have no splits
        return open_dataset(config)


def averaged_images(dataset: Dataset) -> list[int]:
    """Indices of the images that the mean image is made of, spread evenly over the data set."""
    count = min(AVERAGED, len(dataset))
    return sorted({round(i) for i in np.linspace(0, len(dataset) - 1, count)})


def mean_images(config: dict, pictures, out) -> None:
    """Write, for each image of a folder, the mean image under its name."""
    dataset = training_split(config)
    chosen = averaged_images(dataset)
    mean = np.rint(sum(dataset.picture(i).astype(np.float64) for i in chosen) / len(chosen)).astype(np.uint8)
    with atomic_folder(out) as folder:
        for name in png_files(pictures):
            write_png(Path(folder) / f"{name}.png", mean)
