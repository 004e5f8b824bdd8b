"""Cars: a side profile drawn out to a body, seen from the front, the rear and the side."""

import itertools

from spic.datasets.street_scenes.canvas import CIRCLE, FLAT, GLASS, PLAIN, WALL, Canvas
from spic.datasets.street_scenes.classes import CAR
from spic.datasets.street_scenes.dice import Dice

PAINTS = (
    (170, 172, 176),
    (206, 206, 204),
    (44, 46, 50),
    (34, 36, 52),
    (126, 26, 30),
    (36, 58, 110),
    (96, 100, 104),
    (150, 30, 34),
    (54, 82, 70),
    (176, 168, 148),
    (82, 116, 156),
)
# profiles from the rear (0) to the nose: (distance, height), with the part between a point and the next
HATCH = (
    (0.05, 0.26, "skirt"), (0.0, 0.5, "body"), (0.08, 0.95, "glass"), (0.5, 1.42, "roof"), (1.3, 1.49, "roof"),
    (2.1, 1.44, "glass"), (2.9, 0.98, "hood"), (3.75, 0.78, "body"), (3.95, 0.5, "skirt"), (3.9, 0.24, "skirt"),
)  # fmt: skip
SEDAN = (
    (0.05, 0.26, "skirt"), (0.0, 0.5, "body"), (0.05, 0.93, "hood"), (0.65, 0.98, "glass"), (1.3, 1.38, "roof"),
    (2.4, 1.40, "glass"), (3.2, 0.96, "hood"), (4.3, 0.76, "body"), (4.5, 0.5, "skirt"), (4.45, 0.24, "skirt"),
)  # fmt: skip
ESTATE = (
    (0.05, 0.30, "skirt"), (0.0, 0.55, "body"), (0.05, 1.02, "glass"), (0.3, 1.56, "roof"), (1.6, 1.64, "roof"),
    (2.5, 1.58, "glass"), (3.3, 1.08, "hood"), (4.15, 0.92, "body"), (4.35, 0.55, "skirt"), (4.3, 0.28, "skirt"),
)  # fmt: skip
VAN = (
    (0.05, 0.32, "skirt"), (0.0, 0.6, "body"), (0.05, 1.15, "glass"), (0.12, 1.75, "body"), (0.2, 2.05, "roof"),
    (3.3, 2.05, "glass"), (4.0, 1.25, "hood"), (4.7, 1.02, "body"), (4.85, 0.55, "skirt"), (4.8, 0.28, "skirt"),
)  # fmt: skip
WIDTHS = {HATCH: 1.68, SEDAN: 1.74, ESTATE: 1.82, VAN: 1.95}


def car(canvas: Canvas, dice: Dice, x: float, z: float, away: bool) -> float:
    """Draw a car whose nearest bumper is at depth `z` and return its length in metres.

    Parameters
    ----------
    canvas, dice
        Surface and randomness.
    x, z : float
        Middle of the near bumper, metres.
    away : bool
        True shows the rear: the car drives the way the camera looks.
    """
    profile = dice.pick((HATCH, HATCH, SEDAN, SEDAN, ESTATE, VAN))
    length = profile[-2][0]
    half = WIDTHS[profile] / 2
    paint = dice.near(dice.pick(PAINTS), 8)
    side_x = facing_side(canvas, x, half, z)
    metal = {
        "body": canvas.material(CAR, [0.9 * c for c in paint], FLAT, z, 0.05, 2.0),
        "hood": canvas.material(CAR, [min(250.0, 1.12 * c + 22) for c in paint], FLAT, z, 0.06, 2.0),
        "roof": canvas.material(CAR, [min(250.0, 1.15 * c + 26) for c in paint], FLAT, z, 0.05, 2.0),
        "skirt": canvas.material(CAR, [0.5 * c + 12 for c in paint], FLAT, z, 0.05, 6.0),
        "glass": canvas.material(CAR, dice.near((62, 72, 80), 14), FLAT, z, 0.3, 2.0, GLASS),
    }
    points = [((z + d) if away else (z + length - d), y, part) for d, y, part in profile]

    canvas.shadow([(x - half - 0.12, z - 0.15), (x - half - 0.12, z + length), (x + half + 0.12, z + length),
                   (x + half + 0.12, z - 0.15)])  # fmt: skip
    under = canvas.material(CAR, (16, 16, 17), FLAT, z, 0.1)
    canvas.polygon(((x - half, 0.05, z + 0.5), (x - half, 0.4, z + 0.4), (x + half, 0.4, z + 0.4),
                    (x + half, 0.05, z + 0.5)), under)  # fmt: skip
    _tyres(canvas, x, half, z + 0.55, under)
    strips = [(max(a[0], b[0]), a, b) for a, b in itertools.pairwise(points)]
    for _, a, b in sorted(strips, key=lambda strip: -strip[0]):
        wa, wb = half - _taper(a[1]), half - _taper(b[1])
        corners = ((x - wa, a[1], a[0]), (x + wa, a[1], a[0]), (x + wb, b[1], b[0]), (x - wb, b[1], b[0]))
        if a[2] == "glass":
            canvas.polygon(corners, metal["body"])
            corners = ((x - wa * 0.88, a[1], a[0]), (x + wa * 0.88, a[1], a[0]),
                       (x + wb * 0.86, b[1], b[0]), (x - wb * 0.86, b[1], b[0]))  # fmt: skip
        canvas.polygon(corners, metal[a[2]])
    if side_x is not None:
        _side(canvas, dice, profile, points, side_x, x, paint, z, length, away, under)
    _lights(canvas, dice, x, half, z, profile, away)
    return length


def facing_side(canvas, x, half, z):
    """X of the side that the camera sees, or None where the car is straight ahead."""
    offset = x + canvas.bend * z * z - canvas.eye_x
    if offset > half:
        return x - half
    return x + half if offset < -half else None


def _taper(y):
    return 0.0 if y < 1.0 else min(0.22, 0.4 * (y - 1.0))


def _tyres(canvas, x, half, z, rubber):
    for side in (-1, 1):
        canvas.front(z, x + side * half * 0.98, x + side * (half - 0.2), 0.0, 0.4, rubber)


def _side(canvas, dice, profile, points, side_x, x, paint, z, length, away, rubber):
    inward = 1 if side_x < x else -1
    flank = canvas.material(CAR, paint, WALL, side_x, 0.05, 3.0)
    low = canvas.material(CAR, [0.78 * c for c in paint], WALL, side_x, 0.05, 3.0)
    glass = canvas.material(CAR, dice.near((50, 58, 66), 10), WALL, side_x, 0.25, 2.0, GLASS)
    hub = canvas.material(CAR, dice.near((140, 142, 144), 16), WALL, side_x, 0.1, 10.0, PLAIN)
    canvas.polygon([(side_x + inward * _taper(y), y, depth) for depth, y, _ in points], flank)

    def place(d):
        return z + d if away else z + length - d

    canvas.polygon([(side_x, 0.28, place(0.1)), (side_x, 0.5, place(0.0)), (side_x, 0.5, place(length)),
                    (side_x, 0.28, place(length - 0.1))], low)  # fmt: skip
    belt, top = profile[2][1] + 0.04, max(y for _, y, _ in profile) - 0.1
    rear = next(d for d, y, part in profile if part == "glass") + 0.3
    start = max(i for i, point in enumerate(profile) if point[2] == "glass")  # the windscreen
    end = profile[start + 1][0] - 0.15
    if profile is VAN:
        rear = profile[start][0] - 0.8
    high_rear, high_front = rear + 0.3, profile[start][0] - 0.02
    window = ((rear, belt), (high_rear, top), (high_front, top), (end, belt))
    canvas.polygon([(side_x + inward * _taper(y), y, place(d)) for d, y in window], glass)
    pillar = (rear + end) / 2
    canvas.polygon([(side_x + inward * _taper(y), y, place(pillar + d)) for d, y in
                    ((0, belt), (0, top), (0.09, top), (0.09, belt))], flank)  # fmt: skip
    canvas.polygon([(side_x, y, place(pillar + d)) for d, y in ((0, 0.4), (0, belt), (0.025, belt), (0.025, 0.4))],
                   low)  # fmt: skip
    for d in (0.19 * length, 0.81 * length):
        canvas.polygon([(side_x, 0.33 + 0.33 * v, place(d + 0.33 * u)) for u, v in CIRCLE], rubber)
        canvas.polygon([(side_x, 0.33 + 0.19 * v, place(d + 0.19 * u)) for u, v in CIRCLE], hub)


def _lights(canvas, dice, x, half, z, profile, away):
    belt = profile[2][1]
    dark = canvas.material(CAR, (26, 26, 28), FLAT, z, 0.05)
    if away:
        on = dice.chance(0.35)
        lamp = canvas.material(CAR, (220, 40, 34) if on else (122, 26, 28), FLAT, z, 0.04)
        plate = canvas.material(CAR, (206, 178, 70), FLAT, z, 0.05)
    else:
        lamp = canvas.material(CAR, (240, 240, 232) if dice.chance(0.4) else (188, 192, 194), FLAT, z, 0.04)
        plate = canvas.material(CAR, (214, 214, 206), FLAT, z, 0.05)
        canvas.front(z, x - half * 0.5, x + half * 0.5, 0.52, 0.66, dark)
        canvas.front(z, x - half * 0.7, x + half * 0.7, 0.28, 0.37, dark)
    low, high = (belt - 0.26, belt - 0.06) if away else (0.58, 0.74)
    for side in (-1, 1):
        canvas.front(z, x + side * half * 0.97, x + side * half * 0.78, low, high, lamp)
    canvas.front(z, x - 0.27, x + 0.27, 0.42, 0.54, plate)
