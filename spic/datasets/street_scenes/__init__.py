"""Street scenes drawn by rule: the data set that needs no download.

Driving views in the manner of CamVid with exact labels, and others in the 19 classes of Cityscapes. A scene depends on
its data set, split and index alone.
"""

from spic.datasets.street_scenes.dataset import CityStreetScenes, StreetPan, StreetScenes

__all__ = ["CityStreetScenes", "StreetPan", "StreetScenes"]
