"""The road and what stands at its kerb: markings, pavements, poles, lamps, signs, traffic lights."""

from spic.datasets.street_scenes.canvas import ASPHALT, CIRCLE, FLAT, GROUND, SLABS, Canvas
from spic.datasets.street_scenes.classes import PAVEMENT, POLE, ROAD, SIGN, TRAFFIC_LIGHT
from spic.datasets.street_scenes.dice import Dice

# depths at which polylines along the road have a corner; dense where the bend shows
DEPTHS = (1.0, 2.0, 4.0, 7.0, 11.0, 16.0, 23.0, 32.0, 45.0, 60.0, 80.0, 110.0, 150.0, 200.0)
KERB = 0.12  # metres


def road(canvas: Canvas, dice: Dice, left: float, right: float, wide: float) -> None:
    """Draw road, kerbs and pavements: the road from -left to right, pavements `wide` metres on both sides."""
    tone = dice.near((98, 98, 101), 12)
    surface = canvas.material(ROAD, tone, GROUND, 0.0, 0.1, 26.0, ASPHALT)
    canvas.ground([(-120.0, z) for z in DEPTHS], [(120.0, z) for z in DEPTHS], surface)
    _patches(canvas, dice, tone, left, right)
    _markings(canvas, dice, left, right)
    for side, edge in ((-1, left), (1, right)):
        slab_rgb = dice.near((132, 128, 122), 14)
        texture, scale = (SLABS, 12.0) if dice.chance(0.7) else (ASPHALT, 14.0)
        slabs = canvas.material(PAVEMENT, slab_rgb, GROUND, KERB, 0.13, scale, texture)
        stone = canvas.material(PAVEMENT, dice.near((168, 164, 156), 10), GROUND, KERB, 0.1, 8.0)
        face = canvas.material(PAVEMENT, [0.62 * c for c in slab_rgb], GROUND, 0.0, 0.1, 8.0)
        inner = [(side * edge, z) for z in DEPTHS]
        curb = [(side * (edge + 0.16), z) for z in DEPTHS]
        canvas.ground(curb, [(side * (edge + wide + 60.0), z) for z in DEPTHS], slabs, KERB)
        canvas.ground(inner, curb, stone, KERB)
        canvas.polygon([(x, KERB, z) for x, z in inner] + [(x, 0.0, z) for x, z in reversed(inner)], face)


def _patches(canvas, dice, tone, left, right):
    for _ in range(dice.integer(2, 6)):
        factor = dice.uniform(0.84, 1.08)
        patch = canvas.material(ROAD, [factor * c for c in tone], GROUND, 0.0, 0.11, 26.0, ASPHALT)
        x, z = dice.uniform(-left, right - 1.0), dice.uniform(4.0, 30.0)
        across, along = dice.uniform(0.5, 2.2), dice.uniform(1.0, 10.0)
        canvas.ground([(x, z), (x, z + along)], [(x + across, z), (x + across, z + along)], patch)
    cover = canvas.material(ROAD, (62, 60, 60), GROUND, 0.0, 0.2, 20.0)
    for _ in range(dice.integer(0, 2)):
        x, z = dice.uniform(-left + 0.5, right - 0.5), dice.uniform(6.0, 22.0)
        canvas.polygon([(x + 0.33 * u, 0.0, z + 0.33 * v) for u, v in CIRCLE], cover)
    # tyres darken two tracks a lane, a little
    track = canvas.material(ROAD, [0.96 * c for c in tone], GROUND, 0.0, 0.1, 26.0, ASPHALT)
    for x in (-2.3, -0.85, 0.85, 2.3):
        line = [(x - 0.2, z) for z in DEPTHS]
        canvas.ground(line, [(x + 0.2, z) for _, z in line], track)


def _markings(canvas, dice, left, right):
    white = canvas.material(ROAD, dice.near((196, 196, 190), 16), GROUND, 0.0, 0.16, 14.0, ASPHALT)
    yellow = canvas.material(ROAD, (188, 164, 84), GROUND, 0.0, 0.18, 14.0, ASPHALT)
    dash, gap = dice.pick(((2.0, 4.0), (4.0, 2.0), (3.0, 3.0)))
    z = 2.0 + dice.uniform(0.0, 5.0)
    while z < 110.0:
        _line(canvas, 0.0, z, z + dash, 0.12, white)
        z += dash + gap
    style = dice.unit()
    for side, edge in ((-1, left), (1, right)):
        if style < 0.5:  # double yellow lines
            for inset in (0.25, 0.45):
                _long_line(canvas, side * (edge - inset), 0.09, yellow)
        elif style < 0.75:
            _long_line(canvas, side * (edge - 0.3), 0.1, white)
    if dice.chance(0.25):
        _crossing(canvas, dice, left, right, white)


def _line(canvas, x, z0, z1, wide, material):
    canvas.ground([(x - wide / 2, z0), (x - wide / 2, z1)], [(x + wide / 2, z0), (x + wide / 2, z1)], material)


def _long_line(canvas, x, wide, material):
    canvas.ground([(x - wide / 2, z) for z in DEPTHS], [(x + wide / 2, z) for z in DEPTHS], material)


def _crossing(canvas, dice, left, right, white):
    z, x = dice.uniform(12.0, 40.0), -left + 0.3
    while x < right - 0.5:
        canvas.ground([(x, z), (x, z + 3.0)], [(x + 0.5, z), (x + 0.5, z + 3.0)], white)
        x += 1.0


def lamp(canvas: Canvas, dice: Dice, x: float, z: float, side: int) -> None:
    """Draw a street lamp whose arm reaches over the road."""
    height = dice.uniform(5.5, 8.5)
    steel = _steel(canvas, dice, z)
    canvas.limb((x, 0.0), (x, 1.2), z, 0.2, steel)
    canvas.limb((x, 1.0), (x, height), z, 0.13, steel)
    reach = x - side * dice.uniform(0.8, 1.8)
    canvas.limb((x, height), (reach, height + 0.25), z, 0.09, steel)
    canvas.limb((reach, height + 0.25), (reach - side * 0.5, height + 0.25), z, 0.18, steel)


def post(canvas: Canvas, dice: Dice, x: float, z: float) -> None:
    """Draw a bollard."""
    paint = canvas.material(POLE, dice.near(dice.pick(((40, 40, 42), (92, 92, 90))), 8), FLAT, z, 0.08)
    band = canvas.material(POLE, (206, 200, 186), FLAT, z, 0.05)
    canvas.limb((x, 0.0), (x, 1.0), z, 0.17, paint)
    canvas.limb((x, 0.75), (x, 0.85), z, 0.18, band)


def traffic_light(canvas: Canvas, dice: Dice, x: float, z: float) -> None:
    """Draw a traffic light; its pole is a pole."""
    steel = _steel(canvas, dice, z)
    box = canvas.material(TRAFFIC_LIGHT, (34, 35, 36), FLAT, z, 0.06)
    top = dice.uniform(3.0, 3.5)
    canvas.limb((x, 0.0), (x, top), z, 0.12, steel)
    canvas.front(z, x - 0.24, x + 0.24, top - 1.0, top + 0.1, box)
    lit = dice.pick((0, 1, 2))
    for i, colour in enumerate(((232, 60, 44), (236, 168, 50), (70, 226, 150))):
        lamp_rgb = colour if i == lit else [0.28 * c for c in colour]
        glow = canvas.material(TRAFFIC_LIGHT, lamp_rgb, FLAT, z, 0.0)
        canvas.disc(x, top - 0.13 - 0.32 * i, z, 0.12, glow)


def sign(canvas: Canvas, dice: Dice, x: float, z: float) -> None:
    """Draw a traffic sign or a board on a pole."""
    steel = _steel(canvas, dice, z)
    y = dice.uniform(2.2, 2.9)
    canvas.limb((x, 0.0), (x, y), z, 0.09, steel)
    white = canvas.material(SIGN, (214, 212, 206), FLAT, z, 0.03)
    red = canvas.material(SIGN, (186, 40, 40), FLAT, z, 0.04)
    blue = canvas.material(SIGN, (44, 78, 152), FLAT, z, 0.05)
    black = canvas.material(SIGN, (36, 36, 38), FLAT, z, 0.03)
    kind = dice.integer(0, 4)
    r = dice.uniform(0.34, 0.48)
    if kind == 0:
        canvas.disc(x, y, z, r, red)
        canvas.disc(x, y, z, r * 0.72, white)
        canvas.front(z, x - r * 0.3, x + r * 0.3, y - r * 0.35, y + r * 0.35, black)
    elif kind == 1:
        for size, paint in ((1.25, red), (0.8, white)):
            s = r * size
            canvas.polygon(((x - s, y - 0.6 * s, z), (x + s, y - 0.6 * s, z), (x, y + 1.1 * s, z)), paint)
    elif kind == 2:
        canvas.disc(x, y, z, r, blue)
        canvas.limb((x - r * 0.5, y), (x + r * 0.5, y), z, r * 0.3, white)
    elif kind == 3:
        wide, high = dice.uniform(0.45, 0.9), dice.uniform(0.3, 0.6)
        paint = dice.pick((blue, canvas.material(SIGN, (52, 96, 70), FLAT, z, 0.05), white))
        canvas.front(z, x - wide, x + wide, y - high, y + high, paint)
        text = black if paint == white else white
        for row in (0.45, 0.0, -0.45):
            reach = wide * dice.uniform(0.3, 0.8)
            canvas.limb((x - wide * 0.8, y + row * high), (x + reach, y + row * high), z, 0.09, text)
    else:
        yellow = canvas.material(SIGN, (214, 186, 66), FLAT, z, 0.05)
        canvas.front(z, x - 0.3, x + 0.3, y - 0.4, y + 0.4, yellow)
        canvas.front(z, x - 0.2, x + 0.2, y - 0.1, y + 0.1, black)


def _steel(canvas, dice, z):
    rgb = dice.pick(((128, 130, 130), (88, 92, 90), (48, 50, 50), (150, 148, 140)))
    return canvas.material(POLE, dice.near(rgb, 8), FLAT, z, 0.06, 10.0)
