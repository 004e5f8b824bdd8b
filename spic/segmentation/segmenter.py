"""The shipped segmenter behind the common interface."""

import numpy as np
import torch

from spic.devices import autocast, pick_device, pick_dtype
from spic.errors import DataError, SpicError, WeightsError
from spic.labels import get_label_space
from spic.segmentation.street import StreetConfig, StreetNet, normalize
from spic.weights import load_state, read_weights, shipped


class StreetSegmenter:
    """`StreetNet` with weights; any picture whose sides are multiples of 16.

    Attributes
    ----------
    label_space : spic.labels.LabelSpace
        What the ids mean.
    """

    def __init__(self, weights=None, device: str = "auto", dtype: str = "auto"):
        path = weights or shipped("street-segmenter")
        state, config = read_weights(path)
        if config.get("arch") != "street":
            raise WeightsError(f"{path}: holds {config.get('arch')!r}, not a street segmenter")
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        try:
            self.label_space = get_label_space(config["label_space"])
            net = StreetConfig.from_dict({**config["net"], "num_classes": self.label_space.num_classes})
            model = StreetNet(net)
        except (SpicError, KeyError, TypeError, ValueError, IndexError) as error:
            raise WeightsError(f"{path}: the config does not describe a street segmenter ({error})") from None
        load_state(model, state, str(path))
        self.model = model.to(self.device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def segment(self, pictures: np.ndarray, batch: int = 4) -> np.ndarray:
        """Label maps of pictures.

        Parameters
        ----------
        pictures : numpy.ndarray
            uint8 (N, H, W, 3) sRGB; H and W multiples of 16, else `DataError`.
        batch : int
            Pictures a forward pass; bounds the memory. A picture's map does not depend on it (up to rounding).

        Returns
        -------
        numpy.ndarray
            uint8 (N, H, W), ids of `label_space`; never void.
        """
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
            raise DataError(f"a segmenter takes uint8 (N, H, W, 3), not {pictures.dtype} {pictures.shape}")
        if pictures.shape[1] % 16 or pictures.shape[2] % 16:
            raise DataError(f"the street segmenter needs sides in multiples of 16, not {pictures.shape[1:3]}")
        maps = np.empty(pictures.shape[:3], np.uint8)
        for start in range(0, len(pictures), batch):
            x = normalize(torch.from_numpy(np.ascontiguousarray(pictures[start : start + batch])).to(self.device))
            with autocast(self.device, self.dtype):
                logits = self.model(x)
            maps[start : start + batch] = logits.argmax(1).to(torch.uint8).cpu().numpy()
        return maps
