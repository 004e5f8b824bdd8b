"""Images too large for one pass: the network looks at overlapping tiles, and every step blends what it saw.

Blending the predictions of each step, and not finished tiles, keeps the tiles in one chain with one noise: where two
overlap they agree, so that no seam appears. (The idea of Bar-Tal et al. 2023, MultiDiffusion.)
"""

import torch

from spic.scsrdm.geometry import padded_size

TILE = (256, 512)  # height and width the networks are made for
OVERLAP = 128
MAX_WHOLE = 1 << 18  # pixels up to which an image is decoded in one piece


class Tiled:
    """A network of `spic.scsrdm.build` as `spic.scsrdm.denoiser` uses it, that works tile by tile.

    Parameters
    ----------
    model : Scsrdm
        The network.
    tile : (int, int)
        Height and width of a tile, rounded up to what the network takes.
    overlap : int
        Pixels that neighbouring tiles share at least.
    """

    def __init__(self, model, tile=TILE, overlap: int = OVERLAP):
        self.model, self.overlap = model, overlap
        self.tile = padded_size(model.config, *tile)

    def __getattr__(self, name):
        return getattr(self.model, name)

    def condition(self, ssm_onehot):
        """The SSM as it is: tiles are prepared one at a time, since all of them prepared would not fit into memory."""
        return _Whole(ssm_onehot)

    def null_condition(self, height: int, width: int, dtype=None):
        """As `Scsrdm.null_condition`, for a tile."""
        return self.model.null_condition(min(height, self.tile[0]), min(width, self.tile[1]), dtype)

    def predictions(self, x_t, t, times, conditions, c) -> list:
        """As `Scsrdm.predictions`, each pixel the weighted mean over the tiles that cover it."""
        size = x_t.shape[-2:]
        sides = [min(own, tile) for own, tile in zip(size, self.tile, strict=True)]
        multiple = padded_size(self.model.config, 1, 1)[0]
        rows, columns = (tile_starts(*each, self.overlap, multiple) for each in zip(size, sides, strict=True))
        weight = (ramp(sides[0], self.overlap)[:, None] * ramp(sides[1], self.overlap)).to(x_t.device)
        totals, weights = None, torch.zeros(size, device=x_t.device)
        for top in rows:
            for left in columns:
                part = (..., slice(top, top + sides[0]), slice(left, left + sides[1]))
                prepared = [
                    self.model.condition(each.ssm[part].contiguous()) if isinstance(each, _Whole) else each
                    for each in conditions
                ]
                outputs = self.model.predictions(x_t[part], t, times, prepared, c[part])
                if totals is None:
                    totals = [output.new_zeros(*output.shape[:2], *size) for output in outputs]
                for total, output in zip(totals, outputs, strict=True):
                    total[part] += weight * output
                weights[part] += weight
        return [total.div_(weights) for total in totals]


class _Whole:
    """The SSM of a whole image, where a prepared one is expected."""

    def __init__(self, ssm):
        self.ssm = ssm

    def keep(self, spades, room=float("inf"), dtype=None):
        return self


def tile_starts(length: int, tile: int, overlap: int, multiple: int = 1) -> list[int]:
    """Where tiles start that cover 0..length evenly, in multiples of `multiple`; `length` and `tile` are such."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    step = (length - tile) / (count - 1)
    return [round(i * step / multiple) * multiple for i in range(count)]


def ramp(length: int, overlap: int) -> torch.Tensor:
    """Weights over one side of a tile: they rise over the overlap, stay, and fall again; float32 (length,), above 0."""
    near = torch.arange(1, length + 1, dtype=torch.float32)
    return torch.minimum(near, near.flip(0)).clamp(max=overlap) / overlap
