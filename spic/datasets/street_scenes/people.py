"""Pedestrians and cyclists, drawn in the plane of their depth."""

from spic.datasets.street_scenes.canvas import CIRCLE, FLAT, LEAVES, Canvas
from spic.datasets.street_scenes.classes import BICYCLE, BICYCLIST, PEDESTRIAN
from spic.datasets.street_scenes.dice import Dice

SKIN = ((198, 156, 130), (170, 124, 98), (112, 78, 60), (210, 170, 146))
HAIR = ((52, 40, 32), (30, 28, 28), (110, 84, 54), (132, 126, 120))
TOPS = (
    (38, 40, 46),
    (70, 74, 82),
    (122, 40, 42),
    (48, 66, 102),
    (92, 84, 70),
    (170, 164, 156),
    (54, 72, 56),
    (28, 28, 30),
)
BRIGHT = ((196, 206, 60), (206, 116, 40), (170, 44, 48), (60, 96, 160), (60, 62, 68), (36, 38, 42))
LEGS = ((42, 46, 60), (30, 30, 34), (66, 74, 96), (96, 88, 76), (52, 48, 46))


def pedestrian(canvas: Canvas, dice: Dice, x: float, z: float, base: float = 0.12) -> None:
    """Draw someone standing or walking at (x, z) on ground of height `base`."""
    h = dice.uniform(1.55, 1.85)
    coat, trousers, skin, hair = _clothes(canvas, dice, PEDESTRIAN, TOPS, z)
    stride = dice.uniform(0.02, 0.3)
    hip, shoulder = base + 0.5 * h, base + 0.82 * h
    shoe = canvas.material(PEDESTRIAN, (28, 26, 26), FLAT, z, 0.05)
    for side in (-1, 1):
        foot = x + side * (0.07 + stride * 0.5)
        canvas.limb((x + side * 0.07, hip + 0.05), (foot, base + 0.06), z, 0.15, trousers)
        canvas.limb((foot - 0.06, base + 0.04), (foot + 0.1, base + 0.04), z, 0.09, shoe)
    wide = dice.uniform(0.19, 0.24)
    skirt = dice.uniform(0.0, 0.22) if dice.chance(0.5) else 0.0
    canvas.polygon(
        (
            (x - wide * 0.85, hip - skirt, z),
            (x - wide, shoulder - 0.08, z),
            (x - wide * 0.6, shoulder + 0.02, z),
            (x + wide * 0.6, shoulder + 0.02, z),
            (x + wide, shoulder - 0.08, z),
            (x + wide * 0.85, hip - skirt, z),
        ),
        coat,
    )
    for side in (-1, 1):
        hand = (x + side * (wide + 0.05 + stride * 0.3), hip + 0.02)
        canvas.limb((x + side * wide * 0.95, shoulder - 0.07), hand, z, 0.11, coat)
    if dice.chance(0.3):
        bag = canvas.material(PEDESTRIAN, dice.near((86, 56, 44), 30), FLAT, z, 0.1)
        canvas.front(z, x + wide, x + wide + 0.24, hip - 0.15, hip + 0.2, bag)
    _head(canvas, x, base + 0.92 * h, z, skin, hair, dice.chance(0.5))


def cyclist(canvas: Canvas, dice: Dice, x: float, z: float, across: bool) -> None:
    """Draw a cyclist at (x, z) on the road, along the road or, with `across`, in profile."""
    coat, trousers, skin, hair = _clothes(canvas, dice, BICYCLIST, BRIGHT, z)
    rubber = canvas.material(BICYCLE, (28, 28, 28), FLAT, z, 0.05)
    frame = canvas.material(BICYCLE, dice.near(dice.pick(((150, 40, 40), (50, 80, 140), (60, 60, 64))), 14), FLAT, z)
    helmet = canvas.material(BICYCLIST, dice.pick(((206, 206, 200), (40, 42, 46), (178, 46, 44))), FLAT, z, 0.04)
    if across:
        _in_profile(canvas, x, z, dice.pick((-1, 1)), coat, trousers, rubber, frame)
        head_x, head_y = x + 0.0, 1.62
    else:
        canvas.limb((x, 0.0), (x, 0.66), z, 0.07, rubber)
        canvas.limb((x, 0.3), (x, 0.95), z, 0.06, frame)
        canvas.limb((x - 0.28, 1.0), (x + 0.28, 1.0), z, 0.05, rubber)
        raised = dice.uniform(0.12, 0.32)
        for side, foot in ((-1, raised), (1, 0.44 - raised)):
            knee = (x + side * 0.17, 0.55 + foot * 0.5)
            canvas.limb((x + side * 0.1, 0.95), knee, z, 0.16, trousers)
            canvas.limb(knee, (x + side * 0.12, foot + 0.08), z, 0.12, trousers)
        canvas.polygon(
            ((x - 0.17, 0.88, z), (x - 0.24, 1.42, z), (x - 0.12, 1.52, z), (x + 0.12, 1.52, z), (x + 0.24, 1.42, z),
             (x + 0.17, 0.88, z)), coat)  # fmt: skip
        for side in (-1, 1):
            canvas.limb((x + side * 0.22, 1.42), (x + side * 0.31, 1.2), z, 0.11, coat)
            canvas.limb((x + side * 0.31, 1.2), (x + side * 0.27, 1.02), z, 0.09, coat)
        if dice.chance(0.4):
            pack = canvas.material(BICYCLIST, dice.near((60, 60, 66), 30), FLAT, z, 0.1)
            canvas.front(z, x - 0.16, x + 0.16, 1.02, 1.42, pack)
        head_x, head_y = x, 1.66
    _head(canvas, head_x, head_y, z, skin, hair, True)
    if dice.chance(0.6):
        canvas.polygon([(head_x + 0.125 * u, head_y + 0.03 + 0.12 * max(v, -0.1), z) for u, v in CIRCLE], helmet)


def person_on_a_seat(canvas: Canvas, dice: Dice, label: int, x: float, z: float, lift: float) -> None:
    """Draw someone who sits upright with a helmet, seen from the front or the rear, `lift` metres above a saddle."""
    coat, trousers, skin, hair = _clothes(canvas, dice, label, TOPS, z)
    helmet = canvas.material(label, dice.near(dice.pick(BRIGHT), 10), FLAT, z, 0.04)
    for side in (-1, 1):
        canvas.limb((x + side * 0.12, 0.8 + lift), (x + side * 0.3, 0.55 + lift), z, 0.17, trousers)
        canvas.limb((x + side * 0.3, 0.55 + lift), (x + side * 0.24, 0.2), z, 0.13, trousers)
        canvas.limb((x + side * 0.22, 1.36 + lift), (x + side * 0.38, 1.0 + lift), z, 0.12, coat)
    canvas.front(z, x - 0.24, x + 0.24, 0.8 + lift, 1.44 + lift, coat)
    _head(canvas, x, 1.6 + lift, z, skin, hair, True)
    canvas.disc(x, 1.62 + lift, z, 0.14, helmet, 1.1)


def _in_profile(canvas, x, z, way, coat, trousers, rubber, frame):
    for wheel in (-0.5, 0.5):
        ring = [(x + wheel + 0.33 * u, 0.34 + 0.33 * v) for u, v in CIRCLE]
        for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
            canvas.limb(a, b, z, 0.05, rubber)
    hub, seat, head = (x, 0.34), (x - way * 0.2, 0.9), (x + way * 0.4, 0.92)
    for a, b in (((x - way * 0.5, 0.34), hub), (hub, seat), (seat, head), (hub, head), (head, (x + way * 0.5, 0.34))):
        canvas.limb(a, b, z, 0.05, frame)
    knee = (x + way * 0.22, 0.72)
    canvas.limb((seat[0], 1.0), knee, z, 0.17, trousers)
    canvas.limb(knee, (x + way * 0.05, 0.22), z, 0.12, trousers)
    neck = (x + way * 0.02, 1.48)
    canvas.limb((seat[0], 0.98), neck, z, 0.3, coat)
    canvas.limb((neck[0], 1.38), (head[0], 1.04), z, 0.11, coat)


def _clothes(canvas, dice, label, tops, z):
    return (
        canvas.material(label, dice.near(dice.pick(tops), 12), FLAT, z, 0.16, 9.0, LEAVES),
        canvas.material(label, dice.near(dice.pick(LEGS), 8), FLAT, z, 0.12, 9.0, LEAVES),
        canvas.material(label, dice.near(dice.pick(SKIN), 8), FLAT, z, 0.03),
        canvas.material(label, dice.near(dice.pick(HAIR), 6), FLAT, z, 0.1),
    )


def _head(canvas, x, y, z, skin, hair, from_behind):
    canvas.limb((x, y - 0.18), (x, y), z, 0.1, skin)
    canvas.disc(x, y, z, 0.105, hair, 1.2)
    if not from_behind:
        canvas.disc(x, y - 0.03, z, 0.085, skin, 1.15)
