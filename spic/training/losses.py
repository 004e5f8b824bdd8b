"""Losses of the decoder's two stages, each a function of images (N, 3, H, W) in [-1, 1]."""

import torch
import torch.nn.functional as F

from spic.errors import ConfigError
from spic.networks.constants import constant
from spic.scsrdm.denoiser import to_x0
from spic.training.variance import variational_bound

WINDOW = 64  # pixels; the statistics of `grid` are taken in windows of this size, those of `texture` of half of it
FLAT = 0.005  # a mean |gradient| as of an even sky at dusk, 0.6 of 255 steps: patterns are seen there first
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def check_crop(size) -> None:
    """`ConfigError` unless crops of this height and width have whole windows."""
    if len(size) != 2 or any(side < 1 or side % WINDOW for side in size):
        raise ConfigError(f"crops of {size}: height and width are multiples of {WINDOW}")


def denoising(network, x0, x_t, t, abar, ssm, coarse) -> dict:
    """Squared error of what `network` makes of x_t, and the bound of a variance that it learns.

    Sources: Ho et al. 2020, equation 14 (epsilon); Salimans and Ho 2022 (x0, v); Nichol and Dhariwal 2021, equation 16
    (the sum with the bound). A network with a `residual_std` is asked for the residual in units of its own deviation.

    Parameters
    ----------
    x0, x_t : torch.Tensor
        float32 (N, 3, H, W), images and what is left of them in noise.
    t, abar : torch.Tensor
        int64 (N,) timesteps; float32 (N, 1, 1, 1), share of signal power there.
    ssm, coarse : torch.Tensor
        float32 (N, planes, H, W) and (N, 3, H / 4, W / 4), the conditions.

    Returns
    -------
    dict of str to torch.Tensor
        Scalar `loss`; its parts `squared` and `bound` where a variance is learned.
    """
    config = network.config
    if config.residual_std is not None:
        raw, wiener, s = network.denoise_raw(x_t, t, ssm, coarse)
        return {"loss": F.mse_loss(raw, (x0 - wiener) / s)}
    noise = (x_t - abar.sqrt() * x0) / (1 - abar).sqrt()
    target = {"epsilon": noise, "x0": x0, "v": abar.sqrt() * noise - (1 - abar).sqrt() * x0}[config.prediction]
    prediction = network(x_t, t, ssm, coarse)
    squared = F.mse_loss(prediction[:, :3], target)
    if not config.learned_variance:
        return {"loss": squared}
    bound = variational_bound(prediction[:, 3:], to_x0(config.prediction, prediction[:, :3], x_t, abar), x0, x_t, t)
    return {"loss": squared + bound, "squared": squared, "bound": bound}


def luma(x):
    """Luma (N, 1, H, W)."""
    return (x * constant(LUMA, x).view(1, 3, 1, 1)).sum(1, keepdim=True)


def colour(drawn, real, weights):
    """L1 distance of the colour differences, where a pixel counts by its weight: scalar. weights : (N, H, W)."""
    return ((chroma(drawn) - chroma(real)).abs().mean(1) * weights).sum() / weights.sum().clamp(min=1)


def chroma(x):
    """Colour differences (N, 2, H, W): blue and red minus luma, scaled as Cb and Cr."""
    y = luma(x)
    return torch.cat([0.564 * (x[:, 2:] - y), 0.713 * (x[:, :1] - y)], dim=1)


def reconstruction(drawn, real):
    """L1 distances of the pixels, and of the images at a quarter of height and width: (scalar, scalar)."""
    return (drawn - real).abs().mean(), F.l1_loss(F.avg_pool2d(drawn, 4), F.avg_pool2d(real, 4))


def feature_distance(found, wanted):
    """Mean over scales of the L1 distance of features, in units of each channel's standard deviation in `wanted`."""
    distances = [
        ((a.float() - b.float()).abs() / (b.float().std(dim=(0, 2, 3), keepdim=True) + 0.1)).mean()
        for a, b in zip(found, wanted, strict=True)
    ]
    return sum(distances) / len(distances)


def grid(x, window=(WINDOW, WINDOW), period: int = 4):
    """How unlike |Laplacian of luma| is at the places of a period x period grid, in each window of each image.

    Standard deviation over the places divided by their mean: (N, rows, columns), near 0 for an image that knows of no
    grid. Sides are multiples of the window's, those multiples of `period`. A small window sees a grid that one surface
    has; a large one sees a weaker grid, since chance counts less.
    """
    kernel = constant((0, -1, 0, -1, 4, -1, 0, -1, 0), x).view(1, 1, 3, 3)
    laplacian = F.conv2d(F.pad(luma(x), (1, 1, 1, 1), mode="reflect"), kernel).abs()
    places = _at_places(laplacian, window, period)
    return places.std(-1) / (places.mean(-1) + 0.005)


def pattern(x, window=(WINDOW, WINDOW)):
    """How much of the detail is one 4x4 pattern that repeats, in each window of each image: (N, 3, rows, columns).

    Of luma and both colour differences: standard deviation of the mean detail at the 16 places of a 4x4 grid, divided
    by the mean |detail|. `grid` sees places with more detail than others; this sees places that are brighter than
    others, columns for one, as a comb has. Detail is what two box filters, of 4 and of 2 pixels, take away: all that
    repeats after 4 pixels, and what is finer. Sides as in `grid`.
    """
    kernel = constant((1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8), x)
    planes = torch.cat([luma(x), chroma(x)], dim=1).flatten(0, 1)[:, None]
    smooth = F.conv2d(F.pad(planes, (2, 2, 2, 2), mode="reflect"), kernel.view(1, 1, -1, 1))
    detail = planes - F.conv2d(smooth, kernel.view(1, 1, 1, -1))
    share = _at_places(detail, window, 4).std(-1) / (_at_places(detail.abs(), window, 4).mean(-1) + 0.005)
    return share.unflatten(0, (len(x), 3))


def _at_places(y, window, period):
    """Means of (N, 1, H, W) at the places of a grid, in each window: (N, rows, columns, period^2)."""
    count, _, height, width = y.shape
    shape = (height // window[0], window[0] // period, period, width // window[1], window[1] // period, period)
    return y.reshape(count, *shape).mean((2, 5)).transpose(2, 3).flatten(3)


def uneven(drawn, real):
    """How much more `grid` and `pattern` drawn images have than the real ones: the sum of both.

    Each in windows of 64 pixels and in the whole image.
    """
    windows = ((WINDOW, WINDOW), tuple(drawn.shape[2:]))
    excess = [F.relu(of(drawn, window) - of(real, window)).mean() for of in (grid, pattern) for window in windows]
    return sum(excess) / len(windows)


def spectrum(drawn, real):
    """Mean squared difference of the log power spectra of luma, over the frequencies of 64x64 windows: scalar.

    Power is the mean over all windows of the batch. A weave that `grid` does not see, a checkerboard for one, is a line
    in the spectrum.
    """

    def power(x):
        y = luma(x.float())
        windows = F.unfold(y, WINDOW, stride=WINDOW // 2).transpose(1, 2).reshape(-1, WINDOW, WINDOW)
        window = torch.hann_window(WINDOW, periodic=False, device=x.device)
        spectra = torch.fft.rfft2((windows - windows.mean((1, 2), keepdim=True)) * window * window[:, None])
        return torch.log(spectra.abs().square().mean(0) + 1e-2)

    return F.mse_loss(power(drawn), power(real))


def texture(drawn, real):
    """Relative difference of the mean |gradient of luma| in windows of 32 pixels: scalar, 0 if equal.

    Where it is, is left open; how much there is, is not.
    """

    strength, wanted = (F.avg_pool2d(gradient(x), WINDOW // 2) for x in (drawn, real))
    return ((strength - wanted).abs() / (wanted + 0.02)).mean()


def amount(drawn, real, ssm):
    """Squared relative difference of the mean |gradient of luma| in all pixels of a class of an image: 0 if equal.

    `texture` alone leaves too little of it: what an image shows in a window can not be known, and of all that it may
    be, an absolute difference in units of the real value asks for less than the median, which is below the mean. A
    squared one in units of what is drawn asks for the mean (half the square, linear where it is more than 1).
    ssm : one-hot (N, planes, H, W). A class counts where it covers a hundredth of an image.
    """
    area = ssm.sum((2, 3))
    counted = (area >= ssm[0, 0].numel() / 100).float()
    strength, wanted = ((gradient(x) * ssm).sum((2, 3)) / area.clamp(min=1) for x in (drawn, real))
    relative = (strength - wanted) / (strength.detach() + FLAT)
    squared = F.huber_loss(relative, torch.zeros_like(relative), reduction="none")
    return (counted * squared).sum() / counted.sum().clamp(min=1)


def gradient(x):
    """|Gradient of luma|, (N, 1, H, W): differences to the left and to above; 0 in the first row and column."""
    y = luma(x)
    steps = (y[..., 1:, 1:] - y[..., :-1, 1:]).abs() + (y[..., 1:, 1:] - y[..., 1:, :-1]).abs()
    return F.pad(steps, (1, 0, 1, 0))


def segmenter_loss(logits_real, logits_drawn, labels, weights, void):
    """Cross-entropy of a segmenter with the class "drawn" (the last): real pixels have their class, drawn ones that.

    Returns the two parts. labels : (N, H, W) of the real images, `void` left out. weights : (num_classes,).
    """
    weights = torch.cat([weights, weights.new_ones(1)])
    fake = torch.full_like(labels, logits_real.shape[1] - 1)
    return _cross_entropy(logits_real, labels, weights, void), F.cross_entropy(logits_drawn, fake)


def readable(logits_drawn, labels, weights, void):
    """Cross-entropy of the drawn pixels against the class that the SSM gives them."""
    return _cross_entropy(logits_drawn, labels, torch.cat([weights, weights.new_zeros(1)]), void)


def hinge_loss(real: list, drawn: list):
    """Hinge loss of discriminators, the mean over them of their scores of real and drawn patches."""
    return sum(F.relu(1 - a).mean() + F.relu(1 + b).mean() for a, b in zip(real, drawn, strict=True)) / len(real)


def hinge_of_generator(drawn: list):
    """Minus the mean score of drawn patches."""
    return -sum(score.mean() for score in drawn) / len(drawn)


def _cross_entropy(logits, labels, weights, void):
    """Weighted mean over the pixels that are not void, as torch takes it; 0 where there are none."""
    labels = torch.where(labels == void, 255, labels)
    total = F.cross_entropy(logits, labels, weights, ignore_index=255, reduction="sum")
    return total / F.pad(weights, (0, 256 - len(weights)))[labels].sum().clamp(min=1)
