"""A whole scene: what stands where, drawn far to near."""

import numpy as np

from spic.datasets.street_scenes import buildings, city, large, nature, people, street, vehicles
from spic.datasets.street_scenes.canvas import Canvas
from spic.datasets.street_scenes.classes import ids_in
from spic.datasets.street_scenes.dice import Dice
from spic.datasets.street_scenes.shading import Light, render
from spic.pictures.labels import CAMVID11, CITYSCAPES19, LabelSpace

FAR = 150.0  # metres; the view is closed there
_LAYOUT, _SHADE = 0, 1  # purposes of the two random streams of a scene


def draw_scene(stream: int, index: int, size, space: LabelSpace = CAMVID11) -> tuple[np.ndarray, np.ndarray]:
    """Draw scene `index` of a split.

    Parameters
    ----------
    stream : int
        Number of the split.
    index : int
        Number of the scene in it.
    size : (int, int)
        Height and width in pixels.
    space : LabelSpace
        CAMVID11, or CITYSCAPES19 for other scenes with more in them (see `city`).

    Returns
    -------
    picture : numpy.ndarray
        uint8 sRGB (H, W, 3).
    labels : numpy.ndarray
        uint8 (H, W), ids of `space` without void.
    """
    dice = Dice(stream, index, _LAYOUT)
    rich = space is CITYSCAPES19
    light = _daylight(dice)
    if rich:
        light = city.weather(dice, light)
    lane = dice.uniform(2.9, 3.5)
    parked = (dice.chance(0.5), dice.chance(0.6))
    left, right = (lane + (2.1 if row else 0.3) for row in parked)
    canvas = Canvas(
        size,
        eye=(-lane * dice.uniform(0.4, 0.6), dice.uniform(1.25, 1.6)),
        centre=(dice.uniform(0.43, 0.53), dice.uniform(0.38, 0.62)),
        bend=dice.uniform(-0.0006, 0.0006) if dice.chance(0.5) else 0.0,
    )
    walk = dice.uniform(2.2, 4.2)
    season = dice.pick(("spring", "summer", "dark", "autumn", "bare", "bare"))
    street.road(canvas, dice, left, right, walk)
    for side, edge in ((-1, left), (1, right)):
        if rich and dice.chance(0.35):
            city.green_strip(canvas, dice, side, edge)
    _background(canvas, dice, season, left + walk, right + walk)
    sun = dice.pick((-1, 1))
    green = dice.integer(0, 3)  # 0 none, 1 left, 2 right, 3 both in part
    for side, edge in ((-1, left + walk), (1, right + walk)):
        wooded = green == (1 if side < 0 else 2) or (green == 3 and dice.chance(0.5))
        if wooded:
            _park(canvas, dice, side, edge, season, rich)
        else:
            _terrace(canvas, dice, side, edge, season, sun)
    _kerbside(canvas, dice, left, right, walk, lane, parked, season, rich)
    picture, things = render(canvas, light, Dice(stream, index, _SHADE))
    return picture, ids_in(space)[things]


def _daylight(dice):
    weather = dice.integer(0, 3)
    sunny = weather >= 2
    warm = dice.uniform(-0.04, 0.06)
    lit = dice.pick(((1.15, 0.72), (0.72, 1.15))) if sunny else (dice.uniform(0.82, 1.0), dice.uniform(0.82, 1.0))
    zenith = dice.near(((206, 210, 216), (176, 184, 194), (104, 150, 214), (128, 166, 220))[weather], 12)
    low = dice.near(((236, 236, 236), (214, 216, 218), (206, 222, 238), (232, 234, 232))[weather], 8)
    return Light(
        gain=dice.uniform(0.7, 1.1) if not sunny else dice.uniform(0.8, 1.15),
        tint=(1.0 + warm, 1.0, 1.0 - warm),
        contrast=dice.uniform(0.1, 0.6),
        pale=dice.uniform(0.1, 0.4),
        left=lit[0],
        right=lit[1],
        front=dice.uniform(0.75, 1.0),
        shadow=dice.uniform(0.4, 0.58) if sunny else dice.uniform(0.25, 0.4),
        zenith=zenith,
        low=low,
        cloud=dice.near((240, 240, 242) if sunny else (200, 204, 210), 10),
        cover=dice.uniform(-0.7, 0.1) if sunny else dice.uniform(0.0, 0.6),
        haze=dice.uniform(250.0, 900.0),
        grain=dice.uniform(1.5, 4.5),
    )


def _background(canvas, dice, season, left, right):
    if dice.chance(0.7):
        buildings.skyline(canvas, dice, FAR + 30, 90.0, dice.uniform(1.5, 3.5))
    if dice.chance(0.6):
        nature.woods(canvas, dice, FAR + 20, -90.0, dice.uniform(-10, 90.0), dice.uniform(6, 11), season)


def _terrace(canvas, dice, side, edge, season, sun):
    """Houses; on the sunny side's opposite their shadow falls on the road."""
    houses = buildings.row_of_houses(canvas, dice, side, edge, dice.uniform(-9.0, 2.0), FAR, dice.uniform(1.8, 3.8))
    if side != sun:
        return
    reach = dice.uniform(0.25, 0.9)
    for z0, z1, height in houses:
        tip = side * (edge - reach * height)
        canvas.shadow([(side * edge, z0), (side * edge, z1), (tip, z1 + 1.0), (tip, z0 + 1.0)], 0.85)


def _park(canvas, dice, side, edge, season, rich):
    """Grass and trees behind a fence or a hedge, or a wall."""
    nature.verge(canvas, dice, side, [(side * edge, z) for z in street.DEPTHS], season)
    if dice.chance(0.5):
        buildings.row_of_houses(canvas, dice, side, edge + dice.uniform(14, 26), 6.0, FAR, dice.uniform(1.5, 3.0))
    nature.hedge(canvas, dice, side, edge + dice.uniform(5, 9), 5.0, FAR, dice.uniform(1.2, 3.0), season)
    stands = []
    z = dice.uniform(7.0, 14.0)
    while z < FAR:
        stands.append((z, edge + dice.uniform(1.5, 5.0), dice.uniform(7.0, 14.0)))
        z += dice.uniform(3.5, 9.0) * (1 + z / 60)
    for z, x, height in reversed(stands):
        nature.tree(canvas, dice, side * x, z, height, season)
    if rich and dice.chance(0.4):
        city.low_wall(canvas, dice, side, edge, dice.uniform(4.0, 8.0), dice.uniform(30.0, 90.0))
        return
    style = dice.pick(("railing", "railing", "boards", "mesh", "hedge"))
    if style == "hedge":
        nature.hedge(canvas, dice, side, edge, 4.0, 90.0, dice.uniform(1.0, 1.7), season)
        style = "railing"
    near = dice.uniform(4.0, 10.0)
    nature.fence(canvas, dice, side, edge - 0.1, near, near + dice.uniform(25, 80), style)


def _kerbside(canvas, dice, left, right, walk, lane, parked, season, rich):
    """Everything that stands or moves between the house fronts, painted far to near."""
    things = []

    def put(z, draw, *arguments):
        things.append((z, len(things), draw, arguments))

    for side, edge, row in ((-1, left, parked[0]), (1, right, parked[1])):
        if row:
            z = dice.uniform(4.0, 16.0)
            while z < 110.0:
                put(z, vehicles.car, side * (edge - 1.05), z, side < 0)
                z += dice.uniform(5.2, 6.5) if dice.chance(0.7) else dice.uniform(8.0, 25.0)
        _furniture(dice, put, side, edge, walk, season)
        for _ in range(dice.integer(1, 5)):
            z = dice.uniform(8.0, 50.0)
            x = side * (edge + dice.uniform(0.5, walk - 0.4))
            for friend in range(2 if dice.chance(0.3) else 1):
                put(z + 0.2 * friend, people.pedestrian, x + 0.55 * friend * side, z + 0.2 * friend)
    _traffic(dice, put, lane)
    if rich:
        city.traffic(dice, put, left, right, walk, lane)
        things = _without_collisions(things)
    for z, _, draw, arguments in sorted(things, key=lambda thing: (-thing[0], thing[1])):
        draw(canvas, dice, *arguments)
        if draw is people.pedestrian or draw is people.cyclist:
            x = arguments[0]
            canvas.shadow([(x - 0.3, z - 0.15), (x - 0.3, z + 0.25), (x + 0.5, z + 0.4), (x + 0.3, z - 0.15)], 0.7)


def _without_collisions(things):
    """The things without those cars that would stand inside a large vehicle."""
    big = [(z, arguments[0]) for z, _, draw, arguments in things if draw in (large.truck, large.bus, large.tram)]

    def free(z, x):
        return not any(abs(x - other) < 2.2 and at - 5.0 < z < at + 12.0 for at, other in big)

    return [
        thing
        for thing in things
        if thing[2] not in (vehicles.car, people.cyclist, large.motorcycle) or free(thing[0], thing[3][0])
    ]


def _furniture(dice, put, side, edge, walk, season):
    kerb = side * (edge + 0.45)
    z = dice.uniform(9.0, 22.0)
    while z < 120.0:
        put(z, street.lamp, kerb, z, side)
        z += dice.uniform(18.0, 30.0)
    for _ in range(dice.integer(1, 3)):
        z = dice.uniform(8.0, 45.0)
        put(z, street.sign, side * (edge + dice.uniform(0.4, 0.9)), z)
    if dice.chance(0.35):
        z = dice.uniform(12.0, 40.0)
        put(z, street.traffic_light, kerb, z)
    if dice.chance(0.3):
        start = dice.uniform(6.0, 20.0)
        for step in range(dice.integer(3, 7)):
            put(start + 1.6 * step, street.post, side * (edge + 0.35), start + 1.6 * step)
    if dice.chance(0.3):  # street trees
        z = dice.uniform(10.0, 20.0)
        while z < 110.0:
            put(z, nature.tree, side * (edge + 0.8), z, dice.uniform(5.0, 9.0), season)
            z += dice.uniform(10.0, 20.0)
    if dice.chance(0.4):  # a railing between road and pavement
        z = dice.uniform(8.0, 25.0)
        put(z, nature.fence, side, edge + 0.3, z, z + dice.uniform(6.0, 18.0), "railing")


def _traffic(dice, put, lane):
    """Cars in both lanes, cyclists along them, and now and then someone who crosses."""
    taken = {-1: [], 1: []}
    for side, nearest in ((-1, dice.uniform(9.0, 35.0)), (1, dice.uniform(8.0, 25.0))):
        z = nearest
        while z < 120.0:
            put(z, vehicles.car, side * lane / 2 + dice.uniform(-0.2, 0.2), z, side < 0)
            taken[side].append(z)
            z += dice.uniform(8.0, 40.0)
    for _ in range(dice.integer(1, 3)):
        side = dice.pick((-1, 1))
        z = _free_depth(dice, 8.0, 32.0, taken[side])
        put(z, people.cyclist, side * (lane - dice.uniform(0.3, 0.7)), z, dice.chance(0.15))
    if dice.chance(0.25):
        z = _free_depth(dice, 14.0, 40.0, taken[-1] + taken[1])
        put(z, people.pedestrian, dice.uniform(-lane, lane), z, 0.0)


def _free_depth(dice, near, far, cars):
    """Return a depth where no car of the list stands, if a few tries find one."""
    for _ in range(6):
        z = dice.uniform(near, far)
        if not any(car - 1.0 < z < car + 5.5 for car in cars):
            break
    return z
