"""The five sizes of InternImage with their official Cityscapes files."""

from dataclasses import dataclass

from spic.errors import ConfigError

PAGE = "https://github.com/OpenGVLab/InternImage/tree/master/segmentation/configs/cityscapes"
GROUP_CHANNELS = 16  # channels a group of DCNv3 has, in every size


@dataclass(frozen=True)
class Size:
    """Shape of a backbone and what its authors released (InternImage, table 1; configs at `PAGE`).

    Attributes
    ----------
    channels : int
        Width of the first of four levels; each next level doubles it.
    depths : tuple of int
        Blocks a level.
    offset_scale : float
        What DCNv3 multiplies its sampling grid with.
    post_norm : bool
        Norms behind the two branches of a block (S to XL) instead of before them and at the end of a level (T).
    file, megabytes : str, int
        Official UPerNet weights for Cityscapes (float16), and their size in 10^6 bytes.
    miou : float
        Cityscapes val mIoU in percent that the authors give for that file, single scale.
    """

    channels: int
    depths: tuple[int, int, int, int]
    offset_scale: float
    post_norm: bool
    file: str
    megabytes: int
    miou: float

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of the four levels."""
        return tuple(self.channels << level for level in range(4))


def _size(name, channels, depths, offset_scale, post_norm, megabytes, miou):
    file = f"upernet_internimage_{name}_512x1024_160k_cityscapes.pth"
    return Size(channels, depths, offset_scale, post_norm, file, megabytes, miou)


SIZES = {
    "t": _size("t", 64, (4, 4, 18, 4), 1.0, False, 118, 82.58),
    "s": _size("s", 80, (4, 4, 21, 4), 1.0, True, 160, 82.74),
    "b": _size("b", 112, (4, 4, 21, 4), 1.0, True, 257, 83.18),
    "l": _size("l", 160, (5, 5, 22, 5), 2.0, True, 512, 83.68),
    "xl": _size("xl", 192, (5, 5, 24, 5), 2.0, True, 736, 83.62),
}


def get_size(name: str) -> Size:
    """Return the size called `name`; `ConfigError` lists the known ones."""
    try:
        return SIZES[name]
    except (KeyError, TypeError):
        raise ConfigError(f"InternImage has no size {name!r}; known: {', '.join(SIZES)}") from None


def missing_message(size: str) -> str:
    """What to fetch, from where, and how large it is."""
    official = get_size(size)
    return (
        f"internimage-{size} needs the official weights (segmenter_weights): get {official.file} "
        f"({official.megabytes} MB) from the table of {PAGE}"
    )
