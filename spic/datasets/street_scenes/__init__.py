"""Street scenes drawn by rule: the data set that needs no download.

Driving views in the manner of CamVid with exact labels. A scene depends on its split and index alone.
"""

from spic.datasets.street_scenes.dataset import StreetScenes

__all__ = ["StreetScenes"]
