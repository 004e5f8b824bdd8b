"""Label spaces: names, palettes and one-hot codes of semantic segmentation maps (SSM)."""

import re
from dataclasses import dataclass

import numpy as np

from spic import plugins
from spic.errors import ConfigError, DataError


@dataclass(frozen=True)
class LabelSpace:
    """A fixed list of classes; ids are 0..n-1 in that order and `void` (n by convention here) means unlabelled.

    Attributes
    ----------
    name : str
        Short name that configs and weights refer to.
    classes : tuple of str
        Class names, in the order of their ids.
    palette : tuple of (int, int, int)
        One sRGB colour (0..255) per class.
    void : int
        Id of pixels without a label; never counted in a metric, all-zero in the one-hot code.

    Raises
    ------
    DataError
        The name is not 1 to 64 printable ASCII characters, classes are no different texts, the palette has another
        length, or the void id is that of a class or above 255.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    void: int

    def __post_init__(self):
        try:
            object.__setattr__(self, "classes", tuple(self.classes))
            object.__setattr__(self, "palette", tuple(tuple(map(int, colour)) for colour in self.palette))
            count, colours = len(self.classes), np.array(self.palette)
            rules = {
                "its name must have 1 to 64 printable ASCII characters": isinstance(self.name, str)
                and re.fullmatch("[ -~]{1,64}", self.name),
                "its classes must have different names": all(isinstance(name, str) and name for name in self.classes)
                and 0 < count == len(set(self.classes)),
                f"its palette must have {count} colours, three numbers from 0 to 255 each": colours.shape == (count, 3)
                and ((colours >= 0) & (colours <= 255)).all(),
                f"its void id must be from {count} to 255": count <= self.void <= 255,
            }
            problem = next((problem for problem, holds in rules.items() if not holds), None)
        except (TypeError, ValueError) as error:
            problem = str(error)
        if problem:
            raise DataError(f"label space {self.name!r}: {problem}")

    @property
    def num_classes(self) -> int:
        """Number of classes, void not counted."""
        return len(self.classes)

    def id(self, name: str) -> int:
        """Return the id of the class `name`; `DataError` if there is none."""
        if name not in self.classes:
            raise DataError(f"label space {self.name} has no class {name!r}; it has {', '.join(self.classes)}")
        return self.classes.index(name)

    def check(self, labels: np.ndarray, what: str = "label map") -> np.ndarray:
        """Return `labels` if it is uint8 (..., H, W) with ids of this space or void; raise `DataError` otherwise."""
        if labels.dtype != np.uint8 or labels.ndim < 2:
            raise DataError(f"{what}: expected uint8 (H, W), got {labels.dtype} {labels.shape}")
        wrong = (labels >= self.num_classes) & (labels != self.void)
        if wrong.any():
            raise DataError(f"{what}: id {int(labels[wrong][0])} is not in label space {self.name}")
        return labels

    def colorize(self, labels: np.ndarray) -> np.ndarray:
        """Paint a map: uint8 (..., H, W) ids to uint8 (..., H, W, 3) sRGB; void is black."""
        table = np.zeros((256, 3), np.uint8)
        table[: self.num_classes] = self.palette
        return table[labels]


CAMVID11 = LabelSpace(
    name="camvid11",
    classes=(
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    palette=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    void=11,
)

CITYSCAPES19 = LabelSpace(  # the train ids of Cityscapes (Cordts et al. 2016), in their order
    name="cityscapes19",
    classes=(
        "road",
        "sidewalk",
        "building",
        "wall",
        "fence",
        "pole",
        "traffic light",
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "train",
        "motorcycle",
        "bicycle",
    ),
    palette=(
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (102, 102, 156),
        (190, 153, 153),
        (153, 153, 153),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (152, 251, 152),
        (70, 130, 180),
        (220, 20, 60),
        (255, 0, 0),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 80, 100),
        (0, 0, 230),
        (119, 11, 32),
    ),
    void=19,
)

_BUILT_IN = {space.name: space for space in (CAMVID11, CITYSCAPES19)}


def get_label_space(name: str) -> LabelSpace:
    """Return the label space called `name`, built in or an entry point of the group `spic.label_spaces`.

    `DataError` lists the known ones, or says what is wrong with that of another package.
    """
    try:
        space = plugins.find("spic.label_spaces", _BUILT_IN, name, "label space")
    except ConfigError as error:
        raise DataError(str(error)) from None
    if not isinstance(space, LabelSpace) or space.name != name:
        raise DataError(f"label space {name!r}: its entry point gives no LabelSpace of that name but {space!r}")
    return space


def one_hot(labels, num_classes: int):
    """One-hot code of a batch of label maps, the form in which SCSRDM takes an SSM.

    Parameters
    ----------
    labels : torch.Tensor
        Integer (N, H, W). Ids from `num_classes` on (void) become the all-zero vector.
    num_classes : int
        Length of the code.

    Returns
    -------
    torch.Tensor
        float32 (N, num_classes, H, W), values 0 and 1.
    """
    import torch

    return (labels.unsqueeze(1) == torch.arange(num_classes, device=labels.device).view(1, -1, 1, 1)).float()
