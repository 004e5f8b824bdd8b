"""InternImage + UPerNet in plain PyTorch: the segmenter of the SPIC paper (INTERN-2.5), no CUDA extension to build.

It loads the official Cityscapes files (mmsegmentation checkpoints). torch loads when the first network is built.
"""

from pathlib import Path

from spic.errors import ConfigError, WeightsError
from spic.pictures.labels import CITYSCAPES19
from spic.segmentation.info import SegmenterInfo
from spic.segmentation.internimage.sizes import SIZES, get_size, missing_message
from spic.weights.reading import check_file

INPUTS = ("native", "working", "sliding")

__all__ = ["INPUTS", "SIZES", "Maker", "build"]


def build(size: str, num_classes: int = 150):
    """Make a network with fresh weights; its `state_dict()` has the official names.

    Parameters
    ----------
    size : str
        "t", "s", "b", "l" or "xl".
    num_classes : int
        Output rows; the released Cityscapes files have 150, of which 0 to 18 are the train ids.

    Returns
    -------
    torch.nn.Module
        `forward(x)` takes normalised RGB images, float (N, 3, H, W), and gives logits (N, num_classes, H, W).

    Raises
    ------
    ConfigError
        Unknown size, or fewer classes than one.
    """
    settings = get_size(size)
    if not isinstance(num_classes, int) or num_classes < 1:
        raise ConfigError(f"num_classes {num_classes!r}: expected a positive integer")
    from spic.segmentation.internimage.upernet import UPerNet

    return UPerNet(settings, num_classes)


class Maker:
    """Makes the segmenter `internimage-<size>`, and says what is known of it before."""

    def __init__(self, size: str):
        self.size = size

    def __call__(self, weights=None, **settings):
        """Load it: arguments as for `spic.segmentation.internimage.segmenter.InternImageSegmenter`."""
        from spic.segmentation.internimage.segmenter import InternImageSegmenter

        return InternImageSegmenter(self.size, self.describe(weights).weights, **settings)

    def describe(self, weights=None) -> SegmenterInfo:
        """Its weights file and label space; `WeightsError` says which file to get where there is none."""
        if weights is None:
            raise WeightsError(missing_message(self.size))
        path = Path(weights)
        try:
            check_file(path)
        except WeightsError as error:
            raise WeightsError(f"{error}; {missing_message(self.size)}") from None
        return SegmenterInfo(path, CITYSCAPES19, INPUTS)
