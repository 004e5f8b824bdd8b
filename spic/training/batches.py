"""Training batches for a decoder: aligned crops of image, labels, SSM and coarse image, all on the device.

The whole pack lies in the device's memory, so that a step waits for nothing. Every random number comes from the numpy
generator of the step: the same step draws the same batch on every device.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from spic.codecs import get_codec
from spic.errors import ConfigError, DataError
from spic.pictures.labels import one_hot
from spic.pictures.sizes import COARSE_FACTOR, downscale
from spic.training.pack import Pack


@dataclass(frozen=True)
class Batch:
    """Crops on the device, channels_last.

    Attributes
    ----------
    images : torch.Tensor
        float32 (N, 3, H, W) in [-1, 1].
    labels : torch.Tensor
        int64 (N, H, W), the ids of the SSM that the decoder sees.
    ssm : torch.Tensor
        float32 (N, planes, H, W), the same as planes.
    coarse : torch.Tensor
        float32 (N, 3, H / 4, W / 4) in [-1, 1].
    """

    images: torch.Tensor
    labels: torch.Tensor
    ssm: torch.Tensor
    coarse: torch.Tensor

    def __getitem__(self, rows) -> "Batch":
        """Some of the crops."""
        return Batch(**{name: values[rows] for name, values in vars(self).items()})

    @torch.no_grad()
    def restored(self, network) -> "Batch":
        """The same with coarse images as a decoder (`spic.scsrdm.model.Scsrdm`) is to be given them."""
        return replace(self, coarse=network.restored(self.ssm, self.coarse))


@dataclass(frozen=True)
class Lights:
    """Another light for some of N crops: darker, flatter, tinted.

    The image of a dark crop is softer, too: at dusk exposures are long. At a quarter of the size nothing is seen of it.
    How soft is chosen so that dark crops have what CamVid's sequence at dusk has, |gradient| against that at a quarter
    of the size: 0.8 of the day's.

    Attributes
    ----------
    on : torch.Tensor
        bool (N, 1, 1, 1), which crops are changed.
    gamma, saturation, soft : torch.Tensor
        float32 (N, 1, 1, 1).
    tint : torch.Tensor
        float32 (N, 1, 1, 3), a gain for each colour.
    """

    on: torch.Tensor
    gamma: torch.Tensor
    tint: torch.Tensor
    saturation: torch.Tensor
    soft: torch.Tensor

    @classmethod
    def draw(cls, count: int, share: float, rng: np.random.Generator, device) -> "Lights":
        """Those of `count` crops; a share of them is changed."""
        on = rng.random(count) < share
        gamma, gain = 0.4 + 1.9 * rng.random(count), 0.3 + 0.75 * rng.random(count)
        tint = np.exp(0.12 * rng.standard_normal((count, 3))) * gain[:, None]
        saturation = 0.3 + 0.9 * rng.random(count)
        soft = on * (1 - gain * 0.5 ** (gamma - 1)).clip(0, 1) * rng.random(count)
        return cls(*(put(v, device).view(count, 1, 1, -1) for v in (on, gamma, tint, saturation, soft)))

    def __getitem__(self, rows) -> "Lights":
        """Those of some crops."""
        return Lights(**{name: values[rows] for name, values in vars(self).items()})

    def to(self, device) -> "Lights":
        """The same on a device."""
        return Lights(**{name: values.to(device) for name, values in vars(self).items()})

    def coarse(self, crops) -> torch.Tensor:
        """uint8 (N, h, w, 3) in this light, float32 (N, 3, h, w) in [-1, 1]."""
        x = crops.float() / 255
        y = self.tint * x.clamp(min=1e-4) ** self.gamma
        gray = y.mean(-1, keepdim=True)
        return _centred(torch.where(self.on, (gray + (y - gray) * self.saturation).clamp(0, 1), x))

    def images(self, crops) -> torch.Tensor:
        """The same, and softer where it is dark."""
        x = self.coarse(crops)
        blurred = F.avg_pool2d(F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 2, 1), 2, 1)
        return torch.lerp(x, blurred, self.soft)


class Coded:
    """Coarse images of a pack as a transmitter makes them: each image several times, in a light and at a QP of its own.

    The light is there before coding: a dark image has the same noise, and less to hide it. A third of the coarse images
    has its colour at half of height and width.

    Parameters
    ----------
    pack : Pack
        Its own coarse images are not used.
    copies : int
        Times that each image is coded.
    qps : (int, int)
        Range of BPG's QPs, both included.
    lights : float
        Share of the copies in another light.
    seed : int
        Of QPs and lights.
    report : callable, optional
        Called with the number of each image that is coded.

    Attributes
    ----------
    lights : Lights
        Of all copies, the first one of every image first.
    coarse : numpy.ndarray
        uint8 (copies, N, h, w, 3).

    Raises
    ------
    ConfigError
        No copy; QPs that BPG does not have.
    """

    def __init__(self, pack: Pack, copies: int = 10, *, qps=(20, 48), lights=0.5, seed: int = 0, report=None):
        if copies < 1 or not 0 <= qps[0] <= qps[1] <= 51:
            raise ConfigError(f"{copies} copies at QPs {qps}: expected one or more, within 0 to 51")
        self.about = {"copies": copies, "qps": list(qps), "lights": lights, "seed": seed}
        rng, codec = np.random.default_rng(seed), get_codec("bpg")
        self.lights = Lights.draw(copies * len(pack), lights, rng, "cpu")
        found = []
        for place, qp in enumerate(rng.integers(qps[0], qps[1] + 1, size=copies * len(pack))):
            image = torch.from_numpy(pack.pictures[place % len(pack)][None])
            lit = (self.lights[place : place + 1].images(image)[0].permute(1, 2, 0) + 1) * 127.5
            coarse = downscale(lit.round().to(torch.uint8).numpy())
            chroma = "420" if sum(divmod(place, len(pack))) % 3 == 0 else "444"  # as files of 0.1.0 have it
            found.append(codec.decode(codec.encode(coarse, qp=int(qp), chroma=chroma)))
            if report is not None:
                report(place)
        self.coarse = np.stack(found).reshape(copies, len(pack), *found[0].shape)


class Batches:
    """Draws batches from a pack.

    Parameters
    ----------
    pack : Pack
        With coarse images; `coded` ones, which have a light already, come before `coarse`, which get one afterwards.
    predicted : numpy.ndarray or None
        uint8 (N, H, W), SSMs as the transmitter will make them; None: the labels alone.
    window : (int, int)
        Height and width of the crops, multiples of 4.
    planes : int
        Channels of the one-hot SSM.
    scene_share : float
        Share of drawn scenes, where the pack holds both kinds.
    truth : float
        Share of crops whose SSM is the ground truth, where there are predicted maps.
    lights : float
        Share of crops in another light, image and coarse image alike.

    Raises
    ------
    DataError
        The pack has no coarse images, or smaller ones than the crops; the predicted maps are not of its size.
    ConfigError
        The window's sides are no multiples of 4.
    """

    def __init__(
        self,
        pack: Pack,
        predicted,
        window,
        planes: int,
        *,
        scene_share=0.12,
        truth=0.35,
        lights=0.5,
        device="cpu",
    ):
        coded = pack.coded
        if not pack.coarse and coded is None:
            raise DataError("the decoder trains on a pack with coarse images (spic train pack --qp ...)")
        if any(side < wanted for side, wanted in zip(pack.labels.shape[1:], window, strict=True)):
            raise DataError(f"the decoder trains on crops of {window[1]}x{window[0]}; the pack's images are smaller")
        if any(side % COARSE_FACTOR for side in window):
            raise ConfigError(f"crops of {window[1]}x{window[0]}: sides are multiples of {COARSE_FACTOR}")
        self.window, self.planes, self.device = tuple(window), planes, device
        self.truth, self.lights = truth, lights
        self.odds = scene_odds(pack.sources, scene_share)
        self.images = torch.from_numpy(pack.pictures).to(device)
        if predicted is not None and predicted.shape != pack.labels.shape:
            raise DataError(f"predicted maps {predicted.shape}, the pack's are {pack.labels.shape}")
        maps = [pack.labels] if predicted is None else [pack.labels, predicted]
        self.maps = torch.from_numpy(np.stack(maps)).to(device)
        if coded is None:
            uncoded, self.known = np.stack([downscale(image) for image in pack.pictures]), None
            coarse = np.stack([uncoded, *(pack.coarse[qp] for qp in sorted(pack.coarse))])
        else:
            coarse, self.known = coded.coarse, coded.lights.to(device)
        self.coarse = torch.from_numpy(coarse).to(device)

    def draw(self, count: int, rng: np.random.Generator) -> Batch:
        """`count` crops: random image, place, flip, QP, SSM and light."""
        height, width = (side // COARSE_FACTOR for side in self.window)
        image = rng.choice(len(self.odds), size=count, p=self.odds)
        top = rng.integers(self.coarse.shape[2] - height + 1, size=count)
        left = rng.integers(self.coarse.shape[3] - width + 1, size=count)
        coded = rng.integers(len(self.coarse), size=count)
        source = (rng.random(count) >= self.truth) & (len(self.maps) > 1)
        flip = self._put(rng.random(count) < 0.5)
        if self.known is None:
            light = Lights.draw(count, self.lights, rng, self.device)
        else:
            light = self.known[self._put(coded * len(self.odds) + image)]

        def index(start, length, scale):
            return self._put(start)[:, None] * scale + torch.arange(length * scale, device=self.device)

        def cut(array, first, scale):
            rows, columns = index(top, height, scale)[:, :, None], index(left, width, scale)[:, None, :]
            crops = array[(*(self._put(i)[:, None, None] for i in first), rows, columns)]
            return torch.where(flip.view(-1, 1, 1, *[1] * (crops.ndim - 3)), crops.flip(2), crops)

        labels = cut(self.maps, (source.astype(np.int64), image), COARSE_FACTOR).long()
        ssm = _packed(one_hot(labels, self.planes))
        images, coarse = cut(self.images, (image,), COARSE_FACTOR), cut(self.coarse, (coded, image), 1)
        coarse = light.coarse(coarse) if self.known is None else _centred(coarse.float() / 255)
        return Batch(light.images(images), labels, ssm, coarse)

    def _put(self, values):
        return put(values, self.device)


def normals(rng: np.random.Generator, shape, device) -> torch.Tensor:
    """Standard normals, made on the device: millions of numbers per step would keep a processor busy.

    On a GPU they are other ones than on a CPU.
    """
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    return torch.randn(tuple(shape), device=device, generator=generator)


def put(values, device) -> torch.Tensor:
    """Numbers on the device, those with a fraction as float32. What the device does is not waited for."""
    values = torch.from_numpy(np.asarray(values))
    return (values.float() if values.is_floating_point() else values).to(device, non_blocking=True)


def predicted_maps(pack: Pack, weights, device: str) -> np.ndarray:
    """SSMs of the pack's images by the segmenter of these weights, as the transmitter will make them: uint8 (N, H, W).

    `DataError` if the segmenter speaks of other classes than the pack.
    """
    from spic.segmentation import get_segmenter

    segmenter = get_segmenter(
        "street", weights, device, "float32"
    )  # not what is faster today: resumed or not, the same
    if segmenter.label_space.name != pack.label_space:
        raise DataError(f"{weights}: a segmenter of {segmenter.label_space.name}; the pack is of {pack.label_space}")
    return segmenter.segment(pack.pictures)


def scene_odds(sources: list, share: float, weights=1.0) -> np.ndarray:
    """Odds (N,) of drawing each image of these sources: drawn scenes get `share` in all where there are others.

    Within the two kinds odds are as `weights`, (N,) or all alike.
    """
    scenes = np.array([source == "street_scenes" for source in sources])
    odds = np.ones(len(scenes)) * weights
    shares = {True: share if (~scenes).any() else 1.0, False: 1 - share if scenes.any() else 1.0}
    return np.array([shares[kind] * odd / odds[scenes == kind].sum() for kind, odd in zip(scenes, odds, strict=True)])


def _centred(x):
    """Crops (N, H, W, 3) in [0, 1] as (N, 3, H, W) in [-1, 1]."""
    return _packed(x.permute(0, 3, 1, 2) * 2 - 1)


def _packed(x):
    return x.contiguous(memory_format=torch.channels_last)
