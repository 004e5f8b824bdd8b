"""What a coded image costs and what it kept: rate, segmentation, distances between sets, distortion.

Importing this package does not import torch; building a feature extractor does.
"""

from spic.metrics.bjontegaard import Delta, bd_metric, bd_rate
from spic.metrics.columns import Metric
from spic.metrics.distortion import finite_psnr, ms_ssim, psnr
from spic.metrics.features import InceptionFeatures, Lite0Features, fid_weights_path
from spic.metrics.frechet import KernelDistance, frechet_distance, kid, squared_mmd
from spic.metrics.intervals import (
    Interval,
    distance_interval,
    interval,
    mean_interval,
    miou_interval,
    recall_interval,
    sum_interval,
)
from spic.metrics.matching import Match, at_rate, find_quality, find_setting, rate_at
from spic.metrics.miou import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    miou_image,
    miou_of_maps,
    miou_per_picture,
    pixel_accuracy,
)
from spic.metrics.objects import person_classes, recall, small_classes, small_objects
from spic.metrics.observations import Observation, Sample
from spic.metrics.perceptual import Lpips, lpips_weights_path
from spic.metrics.rate import bpp

__all__ = [
    "Delta",
    "InceptionFeatures",
    "Interval",
    "KernelDistance",
    "Lite0Features",
    "Lpips",
    "Match",
    "Metric",
    "Observation",
    "Sample",
    "at_rate",
    "bd_metric",
    "bd_rate",
    "bpp",
    "confusion_matrix",
    "distance_interval",
    "fid_weights_path",
    "find_quality",
    "find_setting",
    "finite_psnr",
    "frechet_distance",
    "interval",
    "iou_per_class",
    "kid",
    "lpips_weights_path",
    "mean_interval",
    "mean_iou",
    "miou_image",
    "miou_interval",
    "miou_of_maps",
    "miou_per_picture",
    "ms_ssim",
    "person_classes",
    "pixel_accuracy",
    "psnr",
    "rate_at",
    "recall",
    "recall_interval",
    "small_classes",
    "small_objects",
    "squared_mmd",
    "sum_interval",
]
