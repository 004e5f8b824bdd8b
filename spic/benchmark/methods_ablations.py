"""The methods `sr` and `sdm`: what each condition brings, by decoders that were trained without the other one."""

from functools import cached_property

import numpy as np

from spic.benchmark.method import Method
from spic.benchmark.methods import UpsampledMethod
from spic.codecs import get_codec
from spic.errors import BitstreamError
from spic.machine import set_threads
from spic.pictures.limits import MAX_PIXELS
from spic.pictures.sizes import COARSE_FACTOR


class _Ablation(Method):
    """A method whose decoder sees one of the two conditions; the other is replaced by zeros."""

    @cached_property
    def _network(self):
        from spic.scsrdm.decoder import one_sided

        own = self.settings
        set_threads(own.machine.threads)
        return one_sided(self.decoder, getattr(own, self.decoder), own.machine.device, own.machine.dtype)

    def _rebuild(self, maps: list[np.ndarray], coarse: list[np.ndarray]) -> list[np.ndarray]:
        # one at a time, so that no image depends on its companions
        return [
            self._network(ssm[None], small[None], [self.settings.seed], batch=1)[0]
            for ssm, small in zip(maps, coarse, strict=True)
        ]


class SrMethod(_Ablation, UpsampledMethod):
    """Ablation: the coarse image through a decoder that was trained without SSMs, a super-resolution diffusion model.

    The shipped weights are "street-sr"; `make ablations` trains others.
    """

    decoder = "sr_weights"
    counts_officially = False

    def decode(self, parts, names):
        coarse = self._coarse(parts)
        return self._rebuild([np.zeros(np.multiply(c.shape[:2], COARSE_FACTOR), np.uint8) for c in coarse], coarse)


class SdmMethod(_Ablation):
    """Ablation: the SSM alone through a decoder that was trained without coarse images, a semantic diffusion model.

    A point is set by `simplify`: islands of the SSM under so many pixels go to their surroundings before it is coded.
    The shipped weights are "street-sdm"; `make ablations` trains others.
    """

    parameter = "simplify"
    needs_ssm = True
    decoder = "sdm_weights"

    def codecs(self):
        return {"ssm": get_codec(self.settings.ssm_codec)}

    def check_point(self, value):
        from spic.codecs.simplify import check_pixels

        check_pixels(value)

    def encode(self, picture, value):
        from spic.codecs.simplify import simplify

        return {"ssm": self.codecs()["ssm"].encode(simplify(picture.ssm, value))}

    def decode(self, parts, names):
        maps = [self.codecs()["ssm"].decode(part["ssm"]) for part in parts]
        if any(map_.ndim != 2 or map_.size > MAX_PIXELS for map_ in maps):
            raise BitstreamError("not the SSM of a picture")
        coarse = [
            np.zeros((-(-m.shape[0] // COARSE_FACTOR), -(-m.shape[1] // COARSE_FACTOR), 3), np.uint8) for m in maps
        ]
        return self._rebuild(maps, coarse)
