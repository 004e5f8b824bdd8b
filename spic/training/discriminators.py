"""What a decoder is trained against: a segmenter with the class "drawn", and two patch discriminators.

A frozen critic's cross-entropy is met by signals that no eye takes for a cyclist. Discriminators learn while the
decoder does, so that a signal stops paying as soon as it is found.

Batch statistics would tell real and drawn images apart at once, so nothing here has any: the segmenter's decoder has
group normalisation, its encoder is frozen and in evaluation mode, the patch discriminators have spectral normalisation.

Sources: Sushko et al. 2021 (OASIS: a segmenter with one class more); Berrada et al. 2024 (DP-SIMS: on a frozen
pretrained backbone); Isola et al. 2017 (patch discriminators); Miyato et al. 2018 (spectral normalisation).
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from spic.networks.efficientnet import LITE
from spic.networks.imagenet import load_imagenet
from spic.segmentation.street import StreetConfig, StreetNet, normalize
from spic.training.views import SHIFT, window

ENCODER = "lite2"  # Lite0 measures (`fd_lite0`), Lite1 segments (`street`); the judge is no EfficientNet


class Discriminators(nn.Module):
    """All discriminators of one training.

    Parameters
    ----------
    num_classes : int
        Classes of the SSM; "drawn" is one more.
    planes : int
        Channels of the one-hot SSM.
    width : int
        Channels of the first layer of the patch discriminators.
    """

    def __init__(self, num_classes: int, planes: int, width: int = 48):
        super().__init__()
        self.segmenter = StreetNet(StreetConfig(num_classes + 1, *LITE[ENCODER]))
        load_imagenet(self.segmenter.encoder, ENCODER)
        self.segmenter.encoder.requires_grad_(False)
        for parent in self.segmenter.decoder.modules():
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm2d):
                    setattr(parent, name, nn.GroupNorm(8, child.num_features))
        self.patches = nn.ModuleList(_patch_discriminator(6 + planes, width) for _ in range(2))
        self.train()

    def train(self, mode: bool = True):
        super().train(mode)
        self.segmenter.encoder.eval()
        return self

    def features(self, x):
        """The frozen encoder's features of images (N, 3, H, W) in [-1, 1], five scales."""
        return self.segmenter.encoder(normalize(((x + 1) * 127.5).permute(0, 2, 3, 1)))

    def logits(self, features, size):
        """Logits (N, num_classes + 1, H, W); the last class is "drawn"."""
        return self.segmenter.decode(features, size).float()

    def patch_scores(self, x, c, ssm, shift=(0, 0)) -> list:
        """Scores of patches, high for real: at full and at half resolution.

        x, c : images and enlarged coarse images (N, 3, H, W); ssm : one-hot SSMs. Four rows and columns are left out,
        `shift` (int64 (2,), each 0..4) of them above and at the left.
        """
        y = torch.cat([x, c, ssm], dim=1)
        size = y.shape[-2] - SHIFT, y.shape[-1] - SHIFT
        y = window(y, shift, size)
        return [net(z).float() for net, z in zip(self.patches, (y, F.avg_pool2d(y, 2)), strict=True)]

    def state_dict(self, *args, **settings):
        """Without the frozen encoder, which comes from its package."""
        state = super().state_dict(*args, **settings)
        return {name: tensor for name, tensor in state.items() if "segmenter.encoder." not in name}

    def load_state_dict(self, state, strict=True):
        own = {f"segmenter.encoder.{name}": value for name, value in self.segmenter.encoder.state_dict().items()}
        return super().load_state_dict({**own, **state}, strict)


def _patch_discriminator(planes, width):
    def layer(channels_in, channels_out, stride):
        return spectral_norm(nn.Conv2d(channels_in, channels_out, 4 if stride == 2 else 3, stride, 1))

    widths = [planes, width, 2 * width, 4 * width]
    layers = [layer(a, b, s) for a, b, s in zip(widths[:-1], widths[1:], (2, 2, 1), strict=True)]
    return nn.Sequential(*(part for each in layers for part in (each, nn.LeakyReLU(0.2))), layer(widths[-1], 1, 1))
