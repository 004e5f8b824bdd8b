"""From the material map to the image: colours, textures, haze, shadows, sky and camera.

Only additions, multiplications, divisions and table look-ups in float32 are used: they give the same bits everywhere.
"""

from dataclasses import dataclass

import numpy as np

from spic.datasets.street_scenes.canvas import GROUND, OPEN_SKY, SUPERSAMPLING, WALL, Canvas
from spic.datasets.street_scenes.dice import Dice

_CELLS = 256  # side of a texture


@dataclass(frozen=True)
class Light:
    """Daylight of one scene.

    Attributes
    ----------
    gain : float
        Exposure.
    tint : (float, float, float)
        Factor a colour channel.
    contrast : float
        0 is flat, 1 steep.
    pale : float
        How far colours are drawn to grey, 0..1.
    left, right, front : float
        Brightness of the walls on the left, on the right, and of those that face the camera.
    shadow : float
        How much a shadow takes from the ground's light, 0..1.
    zenith, low, cloud : (float, float, float)
        Colours of the sky overhead, at the horizon, and of its clouds.
    cover : float
        How much of the sky is cloud, -1..1.
    haze : float
        Depth in metres at which half of a colour is air.
    grain : float
        Noise of the camera in grey levels.
    """

    gain: float
    tint: tuple[float, float, float]
    contrast: float
    pale: float
    left: float
    right: float
    front: float
    shadow: float
    zenith: tuple[float, float, float]
    low: tuple[float, float, float]
    cloud: tuple[float, float, float]
    cover: float
    haze: float
    grain: float


def render(canvas: Canvas, light: Light, dice: Dice) -> tuple[np.ndarray, np.ndarray]:
    """Return the image, uint8 (H, W, 3), and its kinds of things, uint8 (H, W), of a finished canvas."""
    fine = canvas.materials()
    table = np.array(canvas.rows, np.float32)
    ids = fine[1::SUPERSAMPLING, 1::SUPERSAMPLING]
    labels = np.take(table[:, 0].astype(np.uint8), ids)

    plane, at, grain, scale, texture = (np.take(table[:, column], ids) for column in range(4, 9))
    x = np.arange(canvas.width, dtype=np.float32)[None, :] + np.float32(0.5 - canvas.vanishing)
    y = np.arange(canvas.height, dtype=np.float32)[:, None] + np.float32(0.5 - canvas.horizon)
    depth = _depth(canvas, plane, at, x, y)

    modulation = _texture(canvas, dice, plane, depth, grain, scale, texture, x, y)
    modulation *= np.where(plane == WALL, np.where(x < 0, np.float32(light.left), np.float32(light.right)), 1.0)
    modulation *= np.where(plane == 0, np.float32(light.front), np.float32(1.0))
    dark = _soft_shadow(canvas)
    modulation *= np.where(plane == GROUND, 1 - np.float32(light.shadow) * dark, np.float32(1.0))

    # the colours are averaged over the fine map, the modulation is taken once per pixel
    colours = np.zeros((canvas.height, canvas.width, 3), np.float32)
    sky = np.zeros((canvas.height, canvas.width), np.float32)
    rgb = np.ascontiguousarray(table[:, 1:4])
    clear = (table[:, 8] == OPEN_SKY).astype(np.float32)
    for dy in range(SUPERSAMPLING):
        for dx in range(SUPERSAMPLING):
            part = np.ascontiguousarray(fine[dy::SUPERSAMPLING, dx::SUPERSAMPLING])
            colours += np.take(rgb, part, axis=0)
            sky += np.take(clear, part)
    area = np.float32(SUPERSAMPLING * SUPERSAMPLING)
    colours *= modulation[..., None] / area
    sky /= area

    air = depth / (depth + np.float32(light.haze))
    air *= 1 - sky
    low = np.array(light.low, np.float32)
    colours += (low - colours) * air[..., None]
    colours += _sky(canvas, light, dice) * sky[..., None]
    return _develop(colours, light, dice), labels


def _depth(canvas, plane, at, x, y):
    """Z of each pixel in metres, from the plane its material lies in (the street's bend is left out)."""
    focal = np.float32(canvas.focal)
    below = np.maximum(y, np.float32(0.5))
    lying = focal * (np.float32(canvas.eye_y) - at) / below
    beside = np.where(np.abs(x) < 1, np.float32(1.0), x)
    along = np.abs(focal * (at - np.float32(canvas.eye_x)) / beside)
    depth = np.where(plane == GROUND, lying, np.where(plane == WALL, along, at))
    return np.clip(depth, np.float32(1.0), np.float32(400.0))


def _texture(canvas, dice, plane, depth, grain, scale, texture, x, y):
    """Relative brightness of each pixel: two octaves of its texture, faded out where cells shrink below a pixel."""
    atlas, broad = _atlas(dice)
    focal = np.float32(canvas.focal)
    metres = depth / focal
    across = np.where(plane == WALL, depth, x * metres)
    up = np.where(plane == GROUND, depth, -y * metres)
    kind = np.minimum(texture, np.float32(len(atlas) - 1)).astype(np.int32)
    fine = _sample(atlas, kind, across * scale, up * scale)
    cell = focal / (depth * scale)
    fade = np.clip(cell * np.float32(1.3), np.float32(0.12), np.float32(1.0))
    rough = _sample(broad[None], 0, across * scale * np.float32(0.21), up * scale * np.float32(0.21))
    fade2 = np.clip(cell * np.float32(6.0), np.float32(0.12), np.float32(1.0))
    return 1 + grain * (fine * fade + np.float32(0.8) * rough * fade2)


def _sample(atlas, kind, u, v):
    """Bilinear look-up of a texture at cell coordinates (u, v), repeated without end."""
    left, top = np.floor(u), np.floor(v)
    du, dv = u - left, v - top
    i, j = left.astype(np.int32), top.astype(np.int32)
    flat = atlas.reshape(-1)
    base = kind * (_CELLS * _CELLS)
    row0, row1 = base + (j & (_CELLS - 1)) * _CELLS, base + ((j + 1) & (_CELLS - 1)) * _CELLS
    column0, column1 = i & (_CELLS - 1), (i + 1) & (_CELLS - 1)
    above = flat[row0 + column0]
    above += (flat[row0 + column1] - above) * du
    below = flat[row1 + column0]
    below += (flat[row1 + column1] - below) * du
    return above + (below - above) * dv


def _atlas(dice):
    """Textures, float32 (6, 256, 256) in about [-1, 1], and one smooth texture (256, 256) for the broad octave."""
    noise = dice.field(_CELLS, _CELLS)
    other = dice.field(_CELLS, _CELLS)
    smooth = _blur(_blur(noise, 1), 1) * np.float32(2.2)
    broad = _blur(_blur(other, 2), 2) * np.float32(4.0)
    row, column = np.mgrid[0:_CELLS, 0:_CELLS]
    # a brick is 8 cells long and 3 high; every second course is shifted by half a brick
    course = row // 4
    mortar = (row % 4 == 0) | ((column + 4 * (course % 2)) % 8 == 0)
    brick = other[course, (column + 4 * (course % 2)) // 8]
    bricks = np.where(mortar, np.float32(0.9), np.float32(0.7) * brick - np.float32(0.25)) + np.float32(0.3) * noise
    joint = (row % 8 == 0) | ((column + 4 * (row // 8 % 2)) % 8 == 0)
    slab = other[row // 8, (column + 4 * (row // 8 % 2)) // 8 + 40]
    slabs = np.where(joint, np.float32(-1.2), np.float32(0.8) * slab) + np.float32(0.35) * noise
    leaves = np.float32(0.7) * noise + np.float32(0.9) * smooth
    asphalt = np.float32(0.8) * noise + np.float32(0.4) * smooth
    return np.stack([noise, bricks, leaves, asphalt, slabs, broad]).astype(np.float32), broad


def _blur(field, reach):
    """Box filter of side 2 reach + 1 that wraps around."""
    for axis in (0, 1):
        total = field.copy()
        for step in range(1, reach + 1):
            total += np.roll(field, step, axis)
            total += np.roll(field, -step, axis)
        field = total / np.float32(2 * reach + 1)
    return field


def _soft_shadow(canvas):
    fine = canvas.shadows().astype(np.float32)
    dark = sum(fine[dy::SUPERSAMPLING, dx::SUPERSAMPLING] for dy in (0, 1) for dx in (0, 1))
    return _blur(dark, 1) / np.float32(255 * SUPERSAMPLING * SUPERSAMPLING)


def _sky(canvas, light, dice):
    """Gradient and clouds, float32 (H, W, 3)."""
    height, width = canvas.height, canvas.width
    rise = 1 - np.arange(height, dtype=np.float32) / np.float32(max(canvas.horizon, 1.0))
    rise = np.clip(rise, np.float32(0.0), np.float32(1.0))[:, None, None]
    zenith, low, cloud = (np.array(c, np.float32) for c in (light.zenith, light.low, light.cloud))
    sky = low + (zenith - low) * (rise * (2 - rise))
    clouds = np.full((height, width), light.cover, np.float32)
    for cells, strength in ((3, 0.75), (7, 0.5), (15, 0.3), (31, 0.16)):
        clouds += np.float32(strength) * _stretch(dice.field(cells + 1, 2 * cells + 1), height, width)
    clouds = np.clip(clouds * np.float32(1.2), np.float32(0.0), np.float32(1.0))[..., None]
    shade = np.float32(1.0) - np.float32(0.12) * clouds * clouds
    return sky + (cloud * shade - sky) * clouds


def _stretch(grid, height, width):
    """Bilinear interpolation of a small grid to (height, width)."""
    for axis, length in ((0, height), (1, width)):
        place = np.arange(length, dtype=np.float32) * np.float32((grid.shape[axis] - 1) / length)
        left = place.astype(np.int32)
        part = place - left
        part = (part * part * (3 - 2 * part)).reshape((-1, 1) if axis == 0 else (1, -1))
        near, far = np.take(grid, left, axis), np.take(grid, left + 1, axis)
        grid = near + (far - near) * part
    return grid


def _develop(colours, light, dice):
    """The camera: exposure, tint, contrast curve, noise; float32 to uint8."""
    height, width = colours.shape[:2]
    t = colours * (np.float32(light.gain / 255.0) * np.array(light.tint, np.float32))
    t = np.clip(t, np.float32(0.0), np.float32(1.0))
    grey = np.float32(0.3) * t[..., :1] + np.float32(0.6) * t[..., 1:2] + np.float32(0.1) * t[..., 2:]
    t += np.float32(light.pale) * (grey - t)
    t += np.float32(light.contrast) * (t * t * (3 - 2 * t) - t)
    noise = dice.field(height, width, 1) + dice.field(height, width, 1)
    t = t * np.float32(255.0) + noise * np.float32(light.grain)
    return np.clip(t + np.float32(0.5), np.float32(0.0), np.float32(255.0)).astype(np.uint8)
