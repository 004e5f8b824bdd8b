"""Does a segmentation map show a street? The shipped classes are those of streets; anything else comes out as nonsense.

A street seen by a driver has ground below, sky, houses and trees above, and several classes. The rule looks at the map
alone, because a segmenter is about as sure of a white wall as of a street. docs/cli.md says how the limits were chosen
and how often they are wrong.
"""

import numpy as np

from spic.pictures.labels import LabelSpace

GROUND = {"road", "pavement", "sidewalk"}
ABOVE = {"sky", "building", "tree", "vegetation", "wall"}
LEAST_GROUND_BELOW = 0.5  # share of the lower third
MOST_GROUND_ABOVE = 0.1  # share of the upper third
LEAST_ABOVE = 0.8  # share of the upper third that is sky, houses, trees
LEAST_CLASSES = 5  # that cover 0.3 percent of the map


def looks_like_a_street(ssm: np.ndarray, space: LabelSpace) -> bool | None:
    """Tell whether a map, uint8 (H, W), is that of a street; None for a label space without streets."""
    if not set(space.classes) & GROUND:
        return None
    ground, above = ([space.id(name) for name in space.classes if name in names] for names in (GROUND, ABOVE))
    third = -(-ssm.shape[0] // 3)
    top, bottom = ssm[:third], ssm[-third:]
    shares = np.bincount(ssm.ravel(), minlength=256)[: space.num_classes] / ssm.size
    return bool(
        np.isin(bottom, ground).mean() >= LEAST_GROUND_BELOW
        and np.isin(top, ground).mean() <= MOST_GROUND_ABOVE
        and np.isin(top, above).mean() >= LEAST_ABOVE
        and np.count_nonzero(shares > 0.003) >= LEAST_CLASSES
    )
