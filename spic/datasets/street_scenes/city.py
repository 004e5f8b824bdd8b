"""What the scenes in Cityscapes' classes have beyond the plain ones: light, weather, traffic, people far away."""

from dataclasses import replace

from spic.datasets.street_scenes import large, people, street, vehicles
from spic.datasets.street_scenes.canvas import BRICK, GROUND, LEAVES, PLAIN, WALL, Canvas
from spic.datasets.street_scenes.classes import LOW_WALL, TERRAIN
from spic.datasets.street_scenes.dice import Dice
from spic.datasets.street_scenes.shading import Light


def weather(dice: Dice, light: Light) -> Light:
    """The light of a scene as it is, or in fog, at dusk, or under a low sun."""
    kind = dice.unit()
    if kind < 0.18:
        air = dice.near((204, 206, 208), 12)
        return replace(
            light,
            haze=dice.uniform(35.0, 110.0),
            low=air,
            zenith=air,
            cloud=air,
            contrast=dice.uniform(0.0, 0.2),
            left=0.95,
            right=0.95,
            shadow=0.2,
        )
    if kind < 0.36:
        blue = dice.uniform(0.0, 0.16)
        return replace(
            light,
            gain=dice.uniform(0.35, 0.6),
            tint=(1.0 - blue / 2, 1.0 - blue / 4, 1.0 + blue),
            zenith=dice.near((84, 96, 128), 12),
            low=dice.near((206, 160, 128), 20),
            cloud=dice.near((124, 116, 128), 12),
            shadow=0.2,
            grain=dice.uniform(4.0, 8.0),
        )
    if kind < 0.54:
        warm = dice.uniform(0.05, 0.12)
        bright = dice.pick((0, 1))
        return replace(
            light,
            tint=(1.0 + warm, 1.0, 1.0 - warm),
            contrast=dice.uniform(0.5, 0.9),
            left=(0.55, 1.25)[bright],
            right=(1.25, 0.55)[bright],
            shadow=dice.uniform(0.5, 0.62),
            low=dice.near((250, 226, 186), 6),
        )
    return light


def green_strip(canvas: Canvas, dice: Dice, side: int, edge: float) -> None:
    """Draw grass between the kerb, `edge` metres from the middle of the road, and the walk."""
    grass = canvas.material(TERRAIN, dice.near((96, 112, 62), 12), GROUND, street.KERB, 0.22, 24.0, LEAVES)
    near, far = edge + 0.2, edge + dice.uniform(0.9, 1.6)
    lines = [[(side * x, z) for z in street.DEPTHS] for x in (near, far)]
    canvas.ground(*lines, grass, street.KERB)


def low_wall(canvas: Canvas, dice: Dice, side: int, x: float, z0: float, z1: float) -> None:
    """Draw a garden wall along the road at X = side * x."""
    x, brick = side * x, dice.chance(0.5)
    rgb = dice.near((138, 92, 72) if brick else (168, 162, 150), 14)
    high = dice.uniform(0.8, 1.8)
    texture, grain, scale = (BRICK, 0.17, 34.0) if brick else (PLAIN, 0.1, 9.0)
    canvas.wall(x, z0, z1, 0.0, high, canvas.material(LOW_WALL, rgb, WALL, x, grain, scale, texture))
    canvas.wall(x, z0, z1, high - 0.1, high + 0.04, canvas.material(LOW_WALL, [0.8 * c for c in rgb], WALL, x, 0.05))


def traffic(dice: Dice, put, left: float, right: float, walk: float, lane: float) -> None:
    """Put large vehicles and motorcycles on the road, and people near the kerb, between cars and far away.

    `put(z, draw, *arguments)` as in `scene`; `left`, `right`, `walk` and `lane` in metres.
    """
    for draw, share, near in (
        (large.truck, 0.45, 12.0),
        (large.bus, 0.45, 12.0),
        (large.tram, 0.35, 13.0),
        (large.motorcycle, 0.6, 8.0),
    ):
        if dice.chance(share):
            side, z = dice.pick((-1, 1)), dice.uniform(near, 40.0)
            put(z, draw, side * lane / 2, z, side < 0)
    if dice.chance(0.3):
        side, z = dice.pick((-1, 1)), dice.uniform(14.0, 40.0)
        put(z, large.truck, side * ((left if side < 0 else right) - 1.2), z, side < 0)
    for _ in range(dice.integer(2, 6)):
        side, z = dice.pick((-1, 1)), dice.uniform(28.0, 90.0)
        put(z, people.pedestrian, side * ((left if side < 0 else right) + dice.uniform(0.3, walk)), z)
    for _ in range(dice.integer(0, 3)):
        z = dice.uniform(28.0, 80.0)
        put(z, people.cyclist, dice.pick((-1, 1)) * (lane - 0.5), z, dice.chance(0.3))
    if dice.chance(0.4):  # someone who steps out between parked cars, half hidden
        side, z = dice.pick((-1, 1)), dice.uniform(10.0, 30.0)
        put(z, people.pedestrian, side * ((left if side < 0 else right) - 0.4), z, 0.0)
        put(z - 2.0, vehicles.car, side * ((left if side < 0 else right) - 1.05), z - 2.0, side < 0)
