"""The drawing surface: polygons in world coordinates become a map of material numbers.

World: X to the right and Y up in metres from the middle of the road surface, Z forward from the camera, which looks
along +Z. Everything is drawn far to near into one integer image at twice the working size, so each pixel ends up
with exactly one material; labels and colours are looked up from it (see `shading`).
"""

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 2
NEAREST = 1.0  # metres; nothing is drawn closer to the camera

FLAT, GROUND, WALL = 0, 1, 2  # orientation of a material: facing the camera, lying, along the road
PLAIN, BRICK, LEAVES, ASPHALT, SLABS, GLASS = range(6)  # rows of the texture atlas
OPEN_SKY = 6  # no texture: the sky shows

# 16 points of the unit circle, written out so that no math library takes part
_A, _B, _C = 0.9238795, 0.7071068, 0.3826834
_QUARTER = ((1.0, 0.0), (_A, _C), (_B, _B), (_C, _A))
CIRCLE = tuple(
    point
    for turn in ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))
    for point in ((turn[0] * x + turn[1] * y, turn[2] * x + turn[3] * y) for x, y in _QUARTER)
)


class Canvas:
    """Material map of one scene.

    Parameters
    ----------
    size : (int, int)
        Height and width of the finished image.
    eye : (float, float)
        Camera position X and height in metres.
    centre : (float, float)
        Horizon and vanishing point as fractions of height and width.
    bend : float
        Sideways shift of the street in metres per metre squared of depth.
    """

    def __init__(self, size, eye, centre=(0.5, 0.5), bend: float = 0.0):
        self.height, self.width = size
        self.eye_x, self.eye_y = eye
        self.focal = 0.85 * self.width
        self.horizon = centre[0] * self.height
        self.vanishing = centre[1] * self.width
        self.bend = bend
        self._image = Image.new("I", (self.width * SUPERSAMPLING, self.height * SUPERSAMPLING), 0)
        self._draw = ImageDraw.Draw(self._image)
        self._shadow = Image.new("L", self._image.size, 0)
        self._shadow_draw = ImageDraw.Draw(self._shadow)
        self.rows = [(0, 0, 0, 0, FLAT, 1000.0, 0.0, 1.0, OPEN_SKY)]  # material 0 is the sky

    def material(self, label, rgb, plane=FLAT, at=1000.0, grain=0.06, scale=12.0, texture=PLAIN) -> int:
        """Register a material and return its number.

        Parameters
        ----------
        label : int
            Kind of thing, one of `classes`.
        rgb : (float, float, float)
            Colour in full light, 0..255.
        plane : int
            FLAT, GROUND or WALL.
        at : float
            Where the plane is: Z of a FLAT one, X of a WALL, Y of a GROUND, metres.
        grain : float
            Relative strength of the texture.
        scale : float
            Texture cells per metre.
        texture : int
            Row of the texture atlas.
        """
        self.rows.append((label, *rgb, plane, at, grain, scale, texture))
        return len(self.rows) - 1

    def project(self, x: float, y: float, z: float) -> tuple[int, int]:
        """Return the supersampled pixel (column, row) of a world point, rounded to integers."""
        z = z if z > NEAREST else NEAREST
        k = self.focal / z
        column = self.vanishing + (x - self.eye_x + self.bend * z * z) * k
        row = self.horizon + (self.eye_y - y) * k
        # _round, written out: this is the innermost loop
        return int(column * SUPERSAMPLING + 100000.5) - 100000, int(row * SUPERSAMPLING + 100000.5) - 100000

    def polygon(self, points, material: int) -> None:
        """Fill the polygon through world points (X, Y, Z)."""
        project = self.project
        self._draw.polygon([project(*point) for point in points], fill=material)

    def veil(self, points, label: int) -> None:
        """Relabel the polygon through world points (X, Y, Z) and keep its colours: a fence one can look through."""
        corners = [self.project(*point) for point in points]
        left, top = (max(0, min(corner[axis] for corner in corners)) for axis in (0, 1))
        right = min(self._image.width, max(corner[0] for corner in corners) + 1)
        bottom = min(self._image.height, max(corner[1] for corner in corners) + 1)
        if left >= right or top >= bottom:
            return
        mask = Image.new("1", (right - left, bottom - top), 0)
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in corners], fill=1)
        behind = np.asarray(self._image.crop((left, top, right, bottom)))
        inside = np.asarray(mask)
        seen = np.flatnonzero(np.bincount(behind[inside], minlength=1))
        twins = np.zeros(len(self.rows), np.int32)
        for old in seen.tolist():
            twins[old] = len(self.rows)
            self.rows.append((label, *self.rows[old][1:]))
        self._image.paste(Image.fromarray(np.where(inside, twins[behind], behind)), (left, top))

    def shadow(self, points, strength: float = 1.0) -> None:
        """Darken the ground below the world points (X, Z)."""
        corners = [self.project(x, 0.0, z) for x, z in points]
        self._shadow_draw.polygon(corners, fill=int(255 * strength))

    def wall(self, x, z0, z1, y0, y1, material: int) -> None:
        """Fill a rectangle that stands along the road at X = x."""
        self.polygon(((x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)), material)

    def front(self, z, x0, x1, y0, y1, material: int) -> None:
        """Fill a rectangle that faces the camera at Z = z; at least one pixel wide and high."""
        left, top = self.project(min(x0, x1), max(y0, y1), z)
        right, bottom = self.project(max(x0, x1), min(y0, y1), z)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        self._draw.rectangle((left, top, right, bottom), fill=material)

    def ground(self, edge0, edge1, material: int, y: float = 0.0) -> None:
        """Fill the ground between two polylines of (X, Z), given near to far."""
        points = [(x, y, z) for x, z in edge0] + [(x, y, z) for x, z in reversed(edge1)]
        self.polygon(points, material)

    def disc(self, x, y, z, radius, material: int, squeeze: float = 1.0) -> None:
        """Fill a disc that faces the camera; `squeeze` scales its height."""
        self.polygon([(x + radius * u, y + radius * v * squeeze, z) for u, v in CIRCLE], material)

    def limb(self, start, end, z, width, material: int) -> None:
        """Draw a thick line between (X, Y) points in the plane Z = z; never thinner than one pixel."""
        a, b = self.project(*start, z), self.project(*end, z)
        pixels = max(SUPERSAMPLING, _round(width * self.focal * SUPERSAMPLING / max(z, NEAREST)))
        self._draw.line((a, b), fill=material, width=pixels)

    def materials(self) -> np.ndarray:
        """Return the material map, int32 (2H, 2W)."""
        return np.asarray(self._image)

    def shadows(self) -> np.ndarray:
        """Return the shadow map, uint8 (2H, 2W)."""
        return np.asarray(self._shadow)


def _round(value: float) -> int:
    return int(value + 100000.5) - 100000
