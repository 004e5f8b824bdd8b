"""Trees, hedges, and the fences in front of them."""

from spic.datasets.street_scenes.canvas import CIRCLE, FLAT, GROUND, LEAVES, WALL, Canvas
from spic.datasets.street_scenes.classes import FENCE, TERRAIN, TREE
from spic.datasets.street_scenes.dice import Dice

SEASONS = {
    "spring": ((104, 128, 58), (126, 146, 74)),
    "summer": ((66, 92, 46), (82, 108, 52)),
    "dark": ((50, 70, 44), (62, 84, 50)),
    "autumn": ((138, 104, 50), (150, 122, 58)),
    "bare": ((96, 84, 72), (110, 98, 84)),
}
BARK = ((82, 70, 58), (98, 88, 74), (64, 56, 50))


def tree(canvas: Canvas, dice: Dice, x: float, z: float, height: float, season: str) -> None:
    """Draw a tree that stands at (x, z): trunk, branches, and a crown of leaves or of bare twigs."""
    bark_rgb = dice.near(dice.pick(BARK), 8)
    bark = canvas.material(TREE, bark_rgb, FLAT, z, 0.25, 18.0, LEAVES)
    trunk = height * dice.uniform(0.24, 0.36)
    wide = height * dice.uniform(0.022, 0.036)
    spread = height * dice.uniform(0.24, 0.36)
    lean = dice.uniform(-0.04, 0.04) * height
    canvas.polygon(
        (
            (x - wide * 1.25, 0.0, z),
            (x - wide * 0.8 + lean, trunk * 1.3, z),
            (x + wide * 0.8 + lean, trunk * 1.3, z),
            (x + wide * 1.25, 0.0, z),
        ),
        bark,
    )
    if season == "bare":
        twigs = canvas.material(TREE, [1.08 * c for c in bark_rgb], FLAT, z, 0.2, 14.0, LEAVES)
        tips = []
        _branch(canvas, dice, (x + lean, trunk), (lean * 0.5, height * 0.3), z, wide * 1.5, (bark, twigs), 0, tips)
        # the air between the twigs is labelled tree, as CamVid's annotators did
        hull = [max(tips, key=lambda tip, u=u, v=v: tip[0] * u + tip[1] * v) for u, v in CIRCLE]
        middle = (sum(tip[0] for tip in hull) / 16, sum(tip[1] for tip in hull) / 16)
        canvas.veil([(*tuple(c + 0.88 * (t - c) for t, c in zip(tip, middle, strict=True)), z) for tip in hull], TREE)
        return
    middle = trunk + (height - trunk) * 0.5
    for part in (-0.5, 0.1, 0.6):
        end = (x + lean + part * spread, middle + dice.uniform(-0.1, 0.2) * height)
        canvas.limb((x + lean, trunk), end, z, wide * 0.9, bark)
    _crown(canvas, dice, x + lean, middle, z, spread, (height - trunk) * 0.56, season)


def _branch(canvas, dice, start, along, z, width, wood, level, tips):
    end = (start[0] + along[0], start[1] + along[1])
    canvas.limb(start, end, z, width, wood[level >= 2])
    tips.append(end)
    if level == (4 if z < 45 else 3):
        return
    for _ in range(3 if level in (0, 2) else 4):
        turn = dice.uniform(-0.85, 0.85)
        size = dice.uniform(0.55, 0.82)
        part = dice.uniform(0.45, 1.0)
        root = (start[0] + along[0] * part, start[1] + along[1] * part)
        step = (size * (along[0] + turn * along[1]), size * (along[1] - turn * along[0] * 0.8 + 0.05))
        _branch(canvas, dice, root, step, z, width * 0.58, wood, level + 1, tips)


def _crown(canvas, dice, x, y, z, wide, high, season):
    base = dice.near(dice.pick(SEASONS[season]), 12)
    # tones from the shaded underside to the sunny top
    tones = [
        canvas.material(TREE, [c * (0.42 + 0.16 * step) for c in base], FLAT, z, 0.5, 11.0 + step, LEAVES)
        for step in range(6)
    ]
    clumps = 9 if z > 60 else 16
    for _ in range(clumps):
        u, v = _in_circle(dice)
        _blob(canvas, dice, x + 0.75 * u * wide, y + 0.75 * v * high, z, wide * dice.uniform(0.26, 0.42), tones[1])
    leaves = 30 if z > 60 else 110
    for step in range(leaves):
        u, v = _in_circle(dice)
        # low ones first: the top of the crown lies in front and in the light
        v = 0.5 * v + (step / leaves - 0.5)
        tone = min(5, max(0, int(2.2 + 2.0 * v + 0.5 * u + dice.uniform(0.0, 2.0))))
        size = wide * dice.uniform(0.06, 0.17)
        _blob(canvas, dice, x + u * wide * 1.02, y + v * high * 1.05, z, size, tones[tone])


def _in_circle(dice):
    while True:
        u, v = dice.uniform(-1, 1), dice.uniform(-1, 1)
        if u * u + v * v <= 1:
            return u, v


def _blob(canvas, dice, x, y, z, radius, material):
    points = []
    for u, v in CIRCLE[::2]:
        r = radius * dice.uniform(0.65, 1.25)
        points.append((x + u * r, y + v * r * 0.85, z))
    canvas.polygon(points, material)


def woods(canvas: Canvas, dice: Dice, z: float, x0: float, x1: float, height: float, season: str) -> None:
    """Close the view between x0 and x1 at depth `z` with a line of distant tree tops."""
    base = SEASONS["dark" if season == "bare" else season][0]
    tones = [canvas.material(TREE, [c * (0.7 + 0.12 * i) for c in base], FLAT, z, 0.35, 1.2, LEAVES) for i in range(4)]
    canvas.front(z, x0, x1, 0.0, height * 0.55, tones[1])
    for _ in range(int((x1 - x0) / 2.2)):
        size = height * dice.uniform(0.2, 0.36)
        _blob(canvas, dice, dice.uniform(x0, x1), height * dice.uniform(0.35, 0.8), z, size, dice.pick(tones))


def verge(canvas: Canvas, dice: Dice, side: int, edge: list, season: str) -> None:
    """Cover the ground beyond the polyline `edge` of (X, Z) with grass."""
    rgb = dice.near((92, 110, 60) if season != "bare" else (104, 108, 70), 10)
    grass = canvas.material(TERRAIN, rgb, GROUND, 0.0, 0.22, 24.0, LEAVES)
    canvas.ground(edge, [(side * 120.0, z) for _, z in edge], grass)


def hedge(canvas: Canvas, dice: Dice, side: int, x: float, z0: float, z1: float, height: float, season: str) -> None:
    """Draw a hedge or shrubs along the road at X = side * x."""
    x = side * x
    base = dice.near(SEASONS["dark" if season in ("bare", "summer") else season][0], 8)
    face = canvas.material(TREE, [0.8 * c for c in base], WALL, x, 0.5, 16.0, LEAVES)
    crest = canvas.material(TREE, base, WALL, x, 0.5, 16.0, LEAVES)
    canvas.wall(x, z0, z1, 0.0, height, face)
    z = z1
    while z > z0:
        y, r = height * dice.uniform(0.7, 1.02), dice.uniform(0.25, 0.6)
        canvas.polygon([(x, y + v * r, z + u * r * 1.4) for u, v in CIRCLE[::2]], crest)
        z -= dice.uniform(0.5, 1.3) * (1 + z / 30)


def fence(canvas: Canvas, dice: Dice, side: int, x: float, z0: float, z1: float, style: str) -> None:
    """Draw a fence along the road at X = side * x; what shows through its gaps is labelled fence too.

    `style` is `railing`, `boards` or `mesh`.
    """
    x = side * x
    height = dice.uniform(1.1, 1.9)
    if style == "boards":
        rgb = dice.near((128, 110, 88), 14)
        board = canvas.material(FENCE, rgb, WALL, x, 0.2, 7.0)
        gap = canvas.material(FENCE, [0.6 * c for c in rgb], WALL, x, 0.1)
        canvas.wall(x, z0, z1, 0.05, height, board)
        z, step, wide = z0, 0.35, 0.03
        bar = gap
    else:
        rgb = dice.pick(((34, 36, 36), (48, 52, 50), (120, 124, 126), (36, 54, 42)))
        bar = canvas.material(FENCE, rgb, WALL, x, 0.08)
        canvas.veil(((x, 0.05, z0), (x, height, z0), (x, height, z1), (x, 0.05, z1)), FENCE)
        z, step, wide = z0, (0.16 if style == "railing" else 1.6), 0.035
        for y in (0.15, height - 0.12) if style == "railing" else (0.1, height * 0.5, height):
            canvas.wall(x, z0, z1, y, y + 0.05, bar)
    while z < min(z1, 55.0):
        canvas.wall(x, z, z + wide * (1 + z / 40), 0.05, height + 0.05, bar)
        z += step * (1 + z / 25)
    if style == "railing":
        post = z0
        while post < min(z1, 70.0):
            canvas.wall(x, post, post + 0.12, 0.0, height + 0.15, bar)
            post += 2.4
