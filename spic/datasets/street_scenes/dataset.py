"""`StreetScenes` as a data set."""

import numpy as np

from spic.datasets.base import SPLITS, Dataset, check_split
from spic.datasets.street_scenes.scene import draw_scene
from spic.pictures.labels import CAMVID11, CITYSCAPES19
from spic.pictures.sizes import WORKING_SIZE

LENGTHS = {"train": 2000, "val": 100, "test": 100}


class StreetScenes(Dataset):
    """Drawn street scenes, exact labels; image i is the same on every machine.

    Parameters
    ----------
    split : str
        `train` (2000 scenes), `val` or `test` (100 each); their random streams are disjoint.
    size : (int, int)
        Height and width; the same scene is drawn at any size.

    Raises
    ------
    ConfigError
        Unknown split.
    """

    procedural = True
    name = "street_scenes"
    label_space = CAMVID11
    _first_stream = 0

    def __init__(self, split: str = "val", size=WORKING_SIZE):
        check_split(self.name, split)
        self.size = tuple(size)
        self._stream = self._first_stream + SPLITS.index(split)
        self.names = [f"scene_{i:05d}" for i in range(LENGTHS[split])]
        self._last: tuple[int, np.ndarray, np.ndarray] | None = None

    def picture(self, i: int) -> np.ndarray:
        """Image i: uint8 sRGB (H, W, 3)."""
        return self._scene(i)[1].copy()

    def labels(self, i: int) -> np.ndarray:
        """Label map i: uint8 (H, W), ids of the data set's label space."""
        return self._scene(i)[2].copy()

    def _scene(self, i: int):
        # a scene gives both its image and its labels: the last one is kept
        if not 0 <= i < len(self.names):
            raise IndexError(f"{self.name} has no picture {i}")
        if self._last is None or self._last[0] != i:
            self._last = (i, *draw_scene(self._stream, i, self.size, self.label_space))
        return self._last


class CityStreetScenes(StreetScenes):
    """Drawn street scenes in the 19 classes of Cityscapes, with more light, weather, traffic and people far away."""

    name = "street_scenes_city"
    label_space = CITYSCAPES19
    _first_stream = len(SPLITS)


class StreetPan(Dataset):
    """Clips of 25 frames in which the camera turns slowly past a drawn street scene, exact labels; in CamVid's classes.

    Clip c shows scene c of `street_scenes` drawn wider; from frame to frame the view moves to the right by 1/128 of its
    width. A chunk of 25 images is a clip.

    Parameters
    ----------
    split : str
        `train` (40 clips), `val` or `test` (4 each).
    size : (int, int)
        Height and width.

    Raises
    ------
    ConfigError
        Unknown split.
    """

    procedural = True
    name = "street_pan"
    label_space = CAMVID11
    FRAMES = 25

    def __init__(self, split: str = "val", size=WORKING_SIZE):
        check_split(self.name, split)
        self.size, self._stream, self._last = tuple(size), SPLITS.index(split), None
        clips = 40 if split == "train" else 4
        self.names = [f"pan_{i // self.FRAMES:03d}_{i % self.FRAMES:02d}" for i in range(clips * self.FRAMES)]

    def picture(self, i: int) -> np.ndarray:
        """Image i: uint8 sRGB (H, W, 3)."""
        return self._view(i, 0)

    def labels(self, i: int) -> np.ndarray:
        """Label map i: uint8 (H, W), ids of CAMVID11."""
        return self._view(i, 1)

    def _view(self, i: int, which: int) -> np.ndarray:
        if not 0 <= i < len(self.names):
            raise IndexError(f"{self.name} has no picture {i}")
        (clip, frame), (height, width) = divmod(i, self.FRAMES), self.size
        step = max(1, width // 128)
        if self._last is None or self._last[0] != clip:
            wide = height, width + step * (self.FRAMES - 1)
            self._last = (clip, draw_scene(self._stream, clip, wide, self.label_space))
        return self._last[1][which][:, frame * step : frame * step + width].copy()
