"""A throw-away segmenter that looks at what the decoder draws, and says how to make it readable.

A decoder that only wants to please it soon paints hatchings that no eye takes for a cyclist. So the critic looks
through a veil, another one each time: noise, and for half of the pictures a blur, which takes fine patterns away.

It is trained for this purpose alone (`spic train segmenter --seed 2`), never used by the benchmark: neither the
segmenter `street`, nor the judge, nor the network of `fd_lite0` may have a part in a loss. Nor may a network that
starts from the weights one of the latter two started from: their verdict is to be independent. A sibling of `street`
may, and what it wins by `miou` has to show in `miou_independent`.
"""

import numpy as np
import torch
from torch.nn import functional as F

from spic.errors import WeightsError
from spic.labels import get_label_space
from spic.segmentation.segmenter import NETWORKS
from spic.segmentation.street import LITE, StreetNet
from spic.training.segmenter import ENCODERS
from spic.weights import load_state, read_weights, sha256, shipped_hashes, weight_paths

MEASURING = {(1.0, 1.0): "fd_lite0", LITE[ENCODERS["judge"]]: "the judge"}  # width and depth of their encoders
NOISE = 0.04  # standard deviation, pictures being in [-1, 1]


class Critic:
    """Losses of a drawn picture from a frozen segmenter.

    Parameters
    ----------
    weights : path-like
        A segmenter of the `street` architecture, in the label space of the SSMs, none that is shipped, and with another
        encoder than the judge and `fd_lite0`.
    label_space : str
        That label space.
    class_weights : numpy.ndarray
        (num_classes,), weights of the classes in the cross-entropy.

    Raises
    ------
    WeightsError
        The weights are of another kind or label space, or belong to the benchmark: are shipped, or share an encoder.
    """

    def __init__(self, weights, label_space: str, class_weights: np.ndarray, device: str):
        state, config = read_weights(weights)
        if config.get("arch") != "street" or config.get("label_space") != label_space:
            raise WeightsError(f"{weights}: not a street segmenter in {label_space}, so no critic")
        if sha256(weight_paths(weights)[0]) in shipped_hashes():
            raise WeightsError(f"{weights}: shipped weights are part of the benchmark and can not be the critic")
        shape, _, self._normalize, _ = NETWORKS["street"]
        settings = shape.from_dict(config["net"])
        if owner := MEASURING.get((settings.width, settings.depth)):
            raise WeightsError(f"{weights}: no critic, since its encoder is that of {owner}")
        self._net = StreetNet(settings)
        load_state(self._net, state, f"the critic {weights}")
        self._net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self._weights = torch.tensor(class_weights, dtype=torch.float32, device=device)
        self._void = get_label_space(label_space).void

    def losses(self, drawn, original, labels, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy and feature distance of drawn pictures.

        Parameters
        ----------
        drawn, original : torch.Tensor
            float (N, 3, H, W) in about [-1, 1].
        labels : torch.Tensor
            Integer (N, H, W), the SSM that the picture was drawn from.
        rng : numpy.random.Generator
            Draws the veil, the same for drawn and original.

        Returns
        -------
        consistency : torch.Tensor
            Scalar, cross-entropy of the critic's map of `drawn` against `labels`, void left out.
        features : torch.Tensor
            Scalar, mean over the encoder's five scales of the L1 distance to the features of `original`, in units of
            each channel's standard deviation there.
        """
        blurred = torch.from_numpy(rng.random(len(drawn)) < 0.5).to(drawn.device).view(-1, 1, 1, 1)
        noise = NOISE * rng.standard_normal(tuple(drawn.shape), dtype=np.float32)
        noise = torch.from_numpy(noise).to(drawn.device)

        def veiled(x):
            coarse = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear", align_corners=False)
            return torch.where(blurred, coarse, x) + noise

        with torch.no_grad():
            wanted = self._net.encoder(self._planes(veiled(original)))
        found = self._net.encoder(self._planes(veiled(drawn)))
        logits = self._net.decode(found, drawn.shape[-2:])
        consistency = F.cross_entropy(logits.float(), labels.long(), self._weights, ignore_index=self._void)
        distance = [
            ((a.float() - b.float()).abs() / (b.float().std(dim=(0, 2, 3), keepdim=True) + 0.1)).mean()
            for a, b in zip(found, wanted, strict=True)
        ]
        return consistency, sum(distance) / len(distance)

    def _planes(self, x):
        return self._normalize(((x + 1) * 127.5).permute(0, 2, 3, 1))
