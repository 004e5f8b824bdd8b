"""What a coded picture costs and what it kept: rate, segmentation, distances between sets, distortion.

Importing this package does not import torch; building a feature extractor does.
"""

from spic.metrics.distortion import ms_ssim, psnr
from spic.metrics.features import InceptionFeatures, Lite0Features
from spic.metrics.frechet import KernelDistance, frechet_distance, kid, squared_mmd
from spic.metrics.miou import confusion_matrix, iou_per_class, mean_iou, miou_image, pixel_accuracy
from spic.metrics.rate import bpp

__all__ = [
    "InceptionFeatures",
    "KernelDistance",
    "Lite0Features",
    "bpp",
    "confusion_matrix",
    "frechet_distance",
    "iou_per_class",
    "kid",
    "mean_iou",
    "miou_image",
    "ms_ssim",
    "pixel_accuracy",
    "psnr",
    "squared_mmd",
]
