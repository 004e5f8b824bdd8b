"""Trucks, buses, trams and motorcycles, which CamVid's classes do not tell from cars and cyclists."""

from spic.datasets.street_scenes.canvas import CIRCLE, FLAT, GLASS, GROUND, WALL, Canvas
from spic.datasets.street_scenes.classes import BICYCLIST, BUS, MOTORCYCLE, ROAD, TRAM, TRUCK
from spic.datasets.street_scenes.dice import Dice
from spic.datasets.street_scenes.people import person_on_a_seat
from spic.datasets.street_scenes.vehicles import PAINTS, facing_side

CARGO = ((214, 212, 206), (196, 198, 202), (150, 70, 50), (58, 84, 124), (92, 108, 84), (186, 162, 90))
LIVERIES = ((168, 40, 38), (206, 170, 52), (66, 104, 160), (220, 220, 214), (70, 124, 92))
RUBBER, DARK = (24, 24, 25), (30, 31, 33)


def truck(canvas: Canvas, dice: Dice, x: float, z: float, away: bool) -> None:
    """Draw a lorry with a box body whose nearest end is at depth `z`; `away` shows its rear."""
    length, half, high = dice.uniform(6.0, 10.0), 1.2, dice.uniform(2.9, 3.6)
    body, cab = dice.near(dice.pick(CARGO), 10), dice.near(dice.pick(PAINTS), 8)
    cab_long = 2.0
    box = (z, z + length - cab_long) if away else (z + cab_long, z + length)
    _shade_ground(canvas, x, half, z, length)
    side = facing_side(canvas, x, half, z)
    if side is not None:
        flank = canvas.material(TRUCK, body, WALL, side, 0.05, 3.0)
        canvas.wall(side, *box, 0.9, high, flank)
        door = canvas.material(TRUCK, cab, WALL, side, 0.05, 3.0)
        pane = canvas.material(TRUCK, dice.near((54, 62, 70), 10), WALL, side, 0.25, 2.0, GLASS)
        seat = (z + length - cab_long, z + length) if away else (z, z + cab_long)
        canvas.wall(side, *seat, 0.6, 2.5, door)
        canvas.wall(side, seat[0] + 0.5, seat[1] - 0.3, 1.5, 2.3, pane)
        _wheels(canvas, TRUCK, side, (z + 1.1, z + length - 1.2, z + length - 2.4), 0.48)
    if not away:
        canvas.front(box[0], x - half, x + half, 0.9, high, canvas.material(TRUCK, [0.8 * c for c in body], FLAT, z))
    face = canvas.material(TRUCK, [0.92 * c for c in (body if away else cab)], FLAT, z, 0.05, 3.0)
    canvas.front(z, x - half, x + half, 0.55, high if away else 2.5, face)
    if away:
        seam = canvas.material(TRUCK, [0.6 * c for c in body], FLAT, z, 0.05)
        canvas.front(z, x - 0.03, x + 0.03, 0.9, high - 0.1, seam)
    else:
        _windscreen(canvas, dice, TRUCK, x, z, half, 1.5, 2.3)
    _lights(canvas, TRUCK, x, z, half, away, 0.75)


def bus(canvas: Canvas, dice: Dice, x: float, z: float, away: bool) -> None:
    """Draw a bus whose nearest end is at depth `z`."""
    _coach(canvas, dice, BUS, x, z, away, dice.uniform(9.0, 12.0), 1.25, dice.uniform(2.9, 3.2))


def tram(canvas: Canvas, dice: Dice, x: float, z: float, away: bool) -> None:
    """Draw a tram on its rails; Cityscapes counts it as a train."""
    steel = canvas.material(ROAD, (74, 74, 78), GROUND, 0.0, 0.1, 20.0)
    for rail in (x - 0.72, x + 0.72):
        canvas.ground([(rail - 0.05, 3.0), (rail - 0.05, 120.0)], [(rail + 0.05, 3.0), (rail + 0.05, 120.0)], steel)
    _coach(canvas, dice, TRAM, x, z, away, dice.uniform(20.0, 32.0), 1.2, 3.4)
    arm = canvas.material(TRAM, DARK, FLAT, z, 0.05)
    middle = z + 6.0
    canvas.limb((x - 0.4, 3.4), (x + 0.3, 4.3), middle, 0.08, arm)
    canvas.limb((x + 0.3, 4.3), (x - 0.3, 5.2), middle, 0.08, arm)
    canvas.limb((x - 0.8, 5.2), (x + 0.6, 5.2), middle, 0.08, arm)


def motorcycle(canvas: Canvas, dice: Dice, x: float, z: float, away: bool) -> None:
    """Draw a motorcycle with its rider, seen from the front or the rear."""
    rubber = canvas.material(MOTORCYCLE, RUBBER, FLAT, z, 0.05)
    body = canvas.material(MOTORCYCLE, dice.near(dice.pick(PAINTS), 8), FLAT, z, 0.05)
    lamp = canvas.material(MOTORCYCLE, (150, 30, 30) if away else (238, 236, 220), FLAT, z, 0.02)
    canvas.shadow([(x - 0.5, z - 0.2), (x - 0.5, z + 1.8), (x + 0.5, z + 1.8), (x + 0.5, z - 0.2)], 0.8)
    canvas.limb((x, 0.0), (x, 0.7), z, 0.17, rubber)
    canvas.polygon([(x + 0.26 * u, 0.78 + 0.34 * v, z) for u, v in CIRCLE], body)
    person_on_a_seat(canvas, dice, BICYCLIST, x, z, 0.12)
    canvas.limb((x - 0.4, 1.05), (x + 0.4, 1.05), z, 0.06, rubber)
    canvas.disc(x, 0.86, z, 0.1, lamp)


def _coach(canvas, dice, label, x, z, away, length, half, high):
    colour = dice.near(dice.pick(LIVERIES), 10)
    _shade_ground(canvas, x, half, z, length)
    side = facing_side(canvas, x, half, z)
    if side is not None:
        flank = canvas.material(label, colour, WALL, side, 0.04, 3.0)
        pane = canvas.material(label, dice.near((50, 58, 66), 10), WALL, side, 0.25, 2.0, GLASS)
        canvas.wall(side, z, z + length, 0.35, high, flank)
        step = dice.uniform(1.4, 2.0)
        for i in range(int((length - 0.6) / step)):
            canvas.wall(side, z + 0.3 + step * i, z + 0.3 + step * (i + 0.9), 1.35, high - 0.6, pane)
        _wheels(canvas, label, side, (z + 2.0, z + length - 2.5), 0.45)
    face = canvas.material(label, [0.9 * c for c in colour], FLAT, z, 0.04, 3.0)
    canvas.front(z, x - half, x + half, 0.3, high, face)
    _windscreen(canvas, dice, label, x, z, half, 1.2, high - 0.55)
    board = canvas.material(label, DARK, FLAT, z, 0.05)
    canvas.front(z, x - half * 0.7, x + half * 0.7, high - 0.42, high - 0.12, board)
    text = canvas.material(label, (226, 158, 52), FLAT, z, 0.05)
    canvas.front(z, x - half * 0.5, x + half * 0.3, high - 0.35, high - 0.2, text)
    _lights(canvas, label, x, z, half, away, 0.65)


def _windscreen(canvas, dice, label, x, z, half, low, high):
    pane = canvas.material(label, dice.near((58, 66, 74), 12), FLAT, z, 0.25, 2.0, GLASS)
    canvas.front(z, x - half * 0.9, x + half * 0.9, low, high, pane)


def _lights(canvas, label, x, z, half, away, y):
    lamp = canvas.material(label, (150, 30, 30) if away else (222, 222, 214), FLAT, z, 0.03)
    under = canvas.material(label, DARK, FLAT, z, 0.05)
    canvas.front(z, x - half * 0.95, x + half * 0.95, 0.3, 0.5, under)
    for side in (-1, 1):
        canvas.front(z, x + side * half * 0.95, x + side * half * 0.72, y, y + 0.2, lamp)
        canvas.front(z, x + side * half * 0.95, x + side * half * 0.65, 0.0, 0.35, under)


def _wheels(canvas, label, side, depths, radius):
    rubber = canvas.material(label, RUBBER, WALL, side, 0.05)
    for depth in depths:
        canvas.polygon([(side, radius + radius * v, depth + radius * u) for u, v in CIRCLE], rubber)


def _shade_ground(canvas, x, half, z, length):
    near, far = z - 0.2, z + length + 0.3
    canvas.shadow([(x - half - 0.2, near), (x - half - 0.2, far), (x + half + 0.2, far), (x + half + 0.2, near)])
