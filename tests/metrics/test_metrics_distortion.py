import math

import numpy as np
import pytest

from spic.errors import DataError
from spic.metrics import finite_psnr, ms_ssim, psnr


def picture_pair(noise, size=(256, 512), channels=3):
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = [127 + 90 * np.sin(rows / (5 + 7 * c)) * np.cos(columns / (11 - 3 * c)) for c in range(channels)]
    a = np.stack(waves, axis=-1)
    b = a + random.normal(0, noise, a.shape)
    return tuple(np.clip(np.rint(x), 0, 255).astype(np.uint8) for x in (a, b))


def test_psnr_is_the_formula_over_all_channels():
    a, b = picture_pair(12)
    mse = np.mean((a.astype(float) - b) ** 2)
    assert psnr(a, b) == pytest.approx(20 * math.log10(255) - 10 * math.log10(mse), rel=1e-12)
    one_off = a.copy()
    one_off[0, 0, 0] ^= 1
    assert psnr(a, one_off) == pytest.approx(10 * math.log10(255**2 * a.size))
    black, white = np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0.0


def test_identical_pictures():
    a, _ = picture_pair(1)
    assert psnr(a, a) == math.inf
    assert np.mean([psnr(a, a), 30.0]) == math.inf
    assert ms_ssim(a, a) == pytest.approx(1.0, abs=1e-12)


def test_the_mean_counts_identical_images_as_the_next_best():
    a, _ = picture_pair(1, (16, 24))
    nearly = a.copy()
    nearly[3, 4, 1] ^= 1  # no other image than `a` itself is nearer to it
    values = [30.0, psnr(a, a), 40.0]
    assert finite_psnr(values, a.size).tolist() == pytest.approx([30.0, psnr(a, nearly), 40.0], rel=1e-12)
    assert values[1] == math.inf  # the values of the images stay
    assert finite_psnr([math.inf, math.inf], a.size).tolist() == [math.inf] * 2
    assert finite_psnr([30.1, 40.7], a.size).tolist() == [30.1, 40.7] and not len(finite_psnr([], a.size))


def test_a_better_image_never_lowers_the_mean():
    a, _ = picture_pair(1, (16, 24))
    others, means = [25.0, 31.0], []
    for wrong in (a.size, 9, 2, 1, 0):  # fewer and fewer samples that are off by one
        b = a.copy().reshape(-1)
        b[:wrong] ^= 1
        means.append(finite_psnr([*others, psnr(a, b.reshape(a.shape))], a.size).mean())
    assert means == sorted(means) and means[-1] == means[-2] < math.inf


def torchmetrics_ms_ssim(x, y):
    """Single-scale maps of torchmetrics, cut to the windows inside the picture, combined over five scales.

    Its own multi-scale function is not the reference: at the coarsest scale it also averages windows that reach over
    the border into a reflection of the picture, unlike the paper and unlike its own finer scales.
    """
    import torch

    from spic.metrics.torchvision_shim import import_torchvision

    import_torchvision()
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    x, y = (torch.from_numpy(p.astype(np.float64))[None, None] for p in (x, y))
    value = 1.0
    for weight in (0.0448, 0.2856, 0.3001, 0.2363):
        value *= float(ssim(x, y, data_range=255.0, return_contrast_sensitivity=True)[1]) ** weight
        x, y = (torch.nn.functional.avg_pool2d(z, 2) for z in (x, y))
    inside = ssim(x, y, data_range=255.0, return_full_image=True)[1][..., 5:-5, 5:-5]
    return value * float(inside.mean()) ** 0.1333


@pytest.mark.parametrize("noise", [4, 25, 90])
@pytest.mark.parametrize("size", [(192, 256), (176, 181)])
def test_ms_ssim_agrees_with_torchmetrics_channel_by_channel(noise, size):
    a, b = picture_pair(noise, size)
    expected = [torchmetrics_ms_ssim(a[..., channel], b[..., channel]) for channel in range(3)]
    for channel in range(3):
        assert ms_ssim(a[..., channel], b[..., channel]) == pytest.approx(expected[channel], abs=1e-9)
    assert ms_ssim(a, b) == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("noise", [4, 25, 90])
def test_ms_ssim_agrees_with_pytorch_msssim(noise):
    """At the working size, where no scale has an odd side: there pytorch-msssim pads."""
    torch = pytest.importorskip("torch")
    from pytorch_msssim import ms_ssim as reference

    a, b = picture_pair(noise)
    x, y = (torch.from_numpy(p.astype(np.float64)).permute(2, 0, 1)[None] for p in (a, b))
    assert ms_ssim(a, b) == pytest.approx(float(reference(x, y, data_range=255)), rel=1e-6)


def test_more_noise_is_less_similar():
    values = [ms_ssim(*picture_pair(noise)) for noise in (2, 10, 40)]
    assert 1 > values[0] > values[1] > values[2] > 0


def test_opposite_pictures_are_not_below_zero():
    a, _ = picture_pair(0)
    assert ms_ssim(a, 255 - a) == 0.0


@pytest.mark.parametrize("metric", [psnr, ms_ssim])
def test_bad_pictures_are_refused(metric):
    a, b = picture_pair(3)
    with pytest.raises(DataError, match="different shape"):
        metric(a, b[:, :-1])
    with pytest.raises(DataError, match="uint8"):
        metric(a.astype(float), b)
    with pytest.raises(DataError, match="uint8"):
        metric(a[:0], b[:0])
    with pytest.raises(DataError, match="uint8"):
        metric(a[None], b[None])


def test_ms_ssim_refuses_pictures_that_its_window_does_not_fit():
    a, b = picture_pair(3, size=(175, 512))
    with pytest.raises(DataError, match="176"):
        ms_ssim(a, b)
