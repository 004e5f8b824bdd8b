"""Class ids of the scenes, by name."""

from spic.labels import CAMVID11

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(CAMVID11.num_classes)
