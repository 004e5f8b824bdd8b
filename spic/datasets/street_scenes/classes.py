"""What the scenes are drawn of, and what that is in a label space.

Drawing knows CamVid's 11 classes by CamVid's ids, and some finer ones after them; a table each gives the ids of a
label space.
"""

import numpy as np

from spic.pictures.labels import CAMVID11, CITYSCAPES19, LabelSpace

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(CAMVID11.num_classes)
TRAFFIC_LIGHT, TERRAIN, BICYCLE, MOTORCYCLE, LOW_WALL, TRUCK, BUS, TRAM = range(CAMVID11.num_classes, 19)

# Name in CamVid's space and in Cityscapes' of each kind of thing, by its number above.
_NAMES = (
    ("sky", "sky"),
    ("building", "building"),
    ("pole", "pole"),
    ("road", "road"),
    ("pavement", "sidewalk"),
    ("tree", "vegetation"),
    ("sign", "traffic sign"),
    ("fence", "fence"),
    ("car", "car"),
    ("pedestrian", "person"),
    ("bicyclist", "rider"),
    ("sign", "traffic light"),
    ("tree", "terrain"),
    ("bicyclist", "bicycle"),
    ("bicyclist", "motorcycle"),
    ("fence", "wall"),
    ("car", "truck"),
    ("car", "bus"),
    ("car", "train"),
)


def ids_in(space: LabelSpace) -> np.ndarray:
    """uint8 (19,): the id in CAMVID11 or CITYSCAPES19 of each kind of thing."""
    column = (CAMVID11, CITYSCAPES19).index(space)
    return np.array([space.id(names[column]) for names in _NAMES], np.uint8)
