"""Houses along the street: walls, roofs, windows, doors and shop fronts."""

from spic.datasets.street_scenes.canvas import BRICK, FLAT, GLASS, PLAIN, WALL, Canvas
from spic.datasets.street_scenes.classes import BUILDING
from spic.datasets.street_scenes.dice import Dice

WALLS = (
    ((150, 98, 74), BRICK),
    ((128, 84, 66), BRICK),
    ((176, 148, 108), BRICK),
    ((162, 136, 104), BRICK),
    ((196, 188, 170), PLAIN),
    ((214, 208, 194), PLAIN),
    ((150, 146, 140), PLAIN),
    ((178, 166, 142), PLAIN),
    ((112, 106, 102), PLAIN),
)
ROOFS = ((92, 82, 80), (76, 76, 82), (112, 84, 72), (66, 62, 62))
SHOPS = ((48, 56, 74), (92, 40, 38), (44, 66, 52), (52, 48, 46), (154, 148, 134), (30, 34, 40))
DOORS = ((52, 60, 88), (94, 42, 38), (48, 70, 54), (44, 40, 40), (190, 186, 176))
DETAIL_DEPTH = 100.0  # metres; no windows beyond


def row_of_houses(canvas: Canvas, dice: Dice, side: int, x: float, near: float, far: float, tall: float) -> list:
    """Draw a row of houses along one side and return their (z0, z1, height), far to near.

    Parameters
    ----------
    canvas, dice
        Surface and randomness.
    side : int
        -1 left, 1 right.
    x : float
        Distance of the house fronts from the middle of the road, metres, positive.
    near, far : float
        Depths between which houses stand.
    tall : float
        Usual number of floors.
    """
    plots, z = [], near
    while z < far:
        length = dice.uniform(6.0, 15.0)
        gap = dice.uniform(3.0, 9.0) if dice.chance(0.1) else 0.0
        plots.append((z, z + length, dice.uniform(-0.2, 0.5) if dice.chance(0.7) else dice.uniform(0.5, 2.5)))
        z += length + gap
    out = []
    for z0, z1, setback in reversed(plots):
        floors = max(1, round(tall + dice.uniform(-1.1, 1.1)))
        height = _house(canvas, dice, side, side * (x + setback), z0, z1, floors)
        out.append((z0, z1, height))
    return out


def _house(canvas, dice, side, x, z0, z1, floors):
    storey = dice.uniform(2.8, 3.4)
    ground = storey * dice.uniform(1.0, 1.25)
    eaves = ground + storey * (floors - 1) + dice.uniform(0.3, 0.8)
    colour, texture = dice.pick(WALLS)
    colour = dice.near(colour, 14)
    grain, scale = (0.17, 34.0) if texture == BRICK else (0.07, 9.0)
    back = x + side * dice.uniform(7.0, 11.0)
    pitched = dice.chance(0.6)
    roof = dice.near(dice.pick(ROOFS), 10)
    slope = canvas.material(BUILDING, roof, WALL, x, 0.16, 10.0)
    gable = canvas.material(BUILDING, colour, FLAT, z0, grain, scale, texture)
    wall = canvas.material(BUILDING, colour, WALL, x, grain, scale, texture)

    ridge_x, ridge = (x + back) / 2, eaves + dice.uniform(1.8, 3.2)
    if pitched:
        canvas.polygon(((x, eaves, z0), (ridge_x, ridge, z0), (ridge_x, ridge, z1), (x, eaves, z1)), slope)
        canvas.polygon(((x, 0, z0), (x, eaves, z0), (ridge_x, ridge, z0), (back, eaves, z0), (back, 0, z0)), gable)
    else:
        canvas.front(z0, x, back, 0.0, eaves, gable)
    canvas.wall(x, z0, z1, 0.0, eaves, wall)
    if z1 > 3.0 and z0 < DETAIL_DEPTH:
        if dice.chance(0.4):
            _chimney(canvas, dice, ridge_x if pitched else x + side, (z0 + z1) / 2, ridge if pitched else eaves)
        trim = canvas.material(BUILDING, [0.72 * c for c in colour], WALL, x, 0.05)
        canvas.wall(x, z0, z1, eaves - 0.35, eaves, trim)
        _facade(canvas, dice, x, z0, z1, floors, ground, storey, colour)
        if not pitched or dice.chance(0.4):
            _gable_windows(canvas, dice, x, back, z0, floors, ground, storey)
    return ridge if pitched else eaves


def _chimney(canvas, dice, x, z, top):
    stack = canvas.material(BUILDING, dice.near((128, 88, 72), 16), FLAT, z, 0.1, 16.0, BRICK)
    canvas.front(z, x - 0.5, x + 0.5, top - 0.8, top + dice.uniform(0.7, 1.4), stack)


def _facade(canvas, dice, x, z0, z1, floors, ground, storey, colour):
    length = z1 - z0
    columns = max(2, round(length / dice.uniform(2.3, 3.4)))
    pitch = length / columns
    wide, high = pitch * dice.uniform(0.36, 0.56), storey * dice.uniform(0.45, 0.6)
    frame_rgb = dice.pick(((216, 212, 204), (216, 212, 204), (70, 66, 62), [0.8 * c for c in colour]))
    frame = canvas.material(BUILDING, frame_rgb, WALL, x, 0.03)
    sill = canvas.material(BUILDING, [1.12 * c for c in colour], WALL, x, 0.05)
    panes = [canvas.material(BUILDING, dice.near((58, 66, 76), 22), WALL, x, 0.3, 1.6, GLASS) for _ in range(3)]
    sashes = z0 < 45 and dice.chance(0.7)
    for floor in range(1, floors):
        y0 = ground + storey * (floor - 1) + (storey - high) * 0.55
        for column in range(columns):
            z = z0 + pitch * (column + 0.5) - wide / 2
            _window(canvas, x, z, z + wide, y0, y0 + high, dice.pick(panes), frame, sill, sashes)
    if dice.chance(0.5):
        _shop(canvas, dice, x, z0, z1, ground, panes)
        return
    door_at = dice.integer(0, columns - 1)
    door = canvas.material(BUILDING, dice.near(dice.pick(DOORS), 8), WALL, x, 0.05)
    for column in range(columns):
        z = z0 + pitch * (column + 0.5) - wide / 2
        if column == door_at:
            canvas.wall(x, z - 0.12, z + 1.22, 0.1, 2.4, frame)
            canvas.wall(x, z, z + 1.1, 0.1, 2.25, door)
        else:
            y0 = ground * 0.32
            _window(canvas, x, z, z + wide, y0, y0 + high, dice.pick(panes), frame, sill, sashes)


def _window(canvas, x, z0, z1, y0, y1, pane, frame, sill, sashes):
    if z0 < 60:
        canvas.wall(x, z0 - 0.1, z1 + 0.1, y0 - 0.1, y1 + 0.1, frame)
        canvas.wall(x, z0 - 0.15, z1 + 0.15, y0 - 0.22, y0 - 0.08, sill)
    canvas.wall(x, z0, z1, y0, y1, pane)
    if sashes:
        middle = (y0 + y1) / 2
        canvas.wall(x, z0, z1, middle - 0.03, middle + 0.04, frame)
        across = (z0 + z1) / 2
        canvas.wall(x, across - 0.03, across + 0.03, y0, y1, frame)


def _shop(canvas, dice, x, z0, z1, ground, panes):
    colour = dice.near(dice.pick(SHOPS), 10)
    body = canvas.material(BUILDING, colour, WALL, x, 0.05)
    board = canvas.material(BUILDING, dice.near(dice.pick(SHOPS), 14), WALL, x, 0.12, 3.0)
    letters = canvas.material(BUILDING, dice.pick(((220, 214, 200), (206, 182, 96), (40, 40, 44))), WALL, x, 0.05)
    inside = canvas.material(BUILDING, dice.near((92, 82, 64), 24), WALL, x, 0.4, 2.4, GLASS)
    canvas.wall(x, z0 + 0.2, z1 - 0.2, 0.1, ground - 0.1, body)
    canvas.wall(x, z0 + 0.2, z1 - 0.2, ground - 0.75, ground - 0.1, board)
    z = z0 + dice.uniform(0.8, 2.5)
    for _ in range(dice.integer(4, 10) if z0 < 50 else 0):
        step = dice.uniform(0.2, 0.45)
        canvas.wall(x, z, z + step * 0.7, ground - 0.58, ground - 0.58 + dice.uniform(0.2, 0.34), letters)
        z += step
        if z > z1 - 1:
            break
    bays = max(2, round((z1 - z0) / dice.uniform(1.8, 3.2)))
    pitch = (z1 - z0 - 0.6) / bays
    door_at = dice.integer(0, bays - 1)
    for bay in range(bays):
        z = z0 + 0.3 + pitch * bay
        low = 0.12 if bay == door_at else 0.7
        canvas.wall(x, z + 0.12, z + pitch - 0.12, low, ground - 0.9, inside if dice.chance(0.4) else dice.pick(panes))


def _gable_windows(canvas, dice, x, back, z, floors, ground, storey):
    pane = canvas.material(BUILDING, dice.near((58, 66, 76), 16), FLAT, z, 0.3, 1.6, GLASS)
    frame = canvas.material(BUILDING, (200, 196, 188), FLAT, z, 0.03)
    for floor in range(1, floors):
        y = ground + storey * (floor - 1) + 0.7
        for part in (0.3, 0.7):
            middle = x + (back - x) * part
            canvas.front(z, middle - 0.6, middle + 0.6, y - 0.08, y + 1.5, frame)
            canvas.front(z, middle - 0.5, middle + 0.5, y, y + 1.4, pane)


def skyline(canvas: Canvas, dice: Dice, z: float, reach: float, floors: float) -> None:
    """Close the view at depth `z` with distant house fronts from -reach to reach metres."""
    x = -reach
    while x < reach:
        wide, height = dice.uniform(7, 18), 3.1 * max(1.5, floors + dice.uniform(-1.2, 1.4))
        colour, texture = dice.pick(WALLS)
        colour = dice.near(colour, 16)
        front = canvas.material(BUILDING, colour, FLAT, z, 0.12, 2.0, texture)
        roof = canvas.material(BUILDING, dice.near(dice.pick(ROOFS), 12), FLAT, z, 0.1, 2.0)
        pane = canvas.material(BUILDING, (70, 74, 80), FLAT, z, 0.1, 2.0)
        canvas.front(z, x, x + wide, 0.0, height, front)
        top = height + dice.uniform(0.5, 3.5)
        canvas.polygon(((x, height, z), (x + 1.5, top, z), (x + wide - 1.5, top, z), (x + wide, height, z)), roof)
        for floor in range(int(height / 3.1)):
            for column in range(int(wide / 3.0)):
                left = x + 1.0 + 3.0 * column
                canvas.front(z, left, left + 1.2, 3.1 * floor + 1.0, 3.1 * floor + 2.5, pane)
        x += wide
