"""The losses of the adversarial stage against references in numpy, and what they are blind to."""

import numpy as np
import pytest
import torch

from spic.training import losses


def noise(seed=0, shape=(2, 3, 64, 128), scale=0.3):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def grid_by_hand(image, window=(64, 64), period=4):
    """`losses.grid` of one image (3, H, W), pixel by pixel."""
    y = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    padded = np.pad(y, 1, mode="reflect")
    laplacian = np.abs(4 * y - padded[:-2, 1:-1] - padded[2:, 1:-1] - padded[1:-1, :-2] - padded[1:-1, 2:])
    values = []
    for top in range(0, y.shape[0], window[0]):
        for left in range(0, y.shape[1], window[1]):
            part = laplacian[top : top + window[0], left : left + window[1]]
            means = [part[i::period, j::period].mean() for i in range(period) for j in range(period)]
            values.append(np.std(means, ddof=1) / (np.mean(means) + 0.005))
    return np.reshape(values, (y.shape[0] // window[0], y.shape[1] // window[1]))


def test_grid_against_numpy():
    images = noise(shape=(2, 3, 128, 64))
    images[:, :, ::4] += 0.2
    for window in ((64, 64), (128, 64), (32, 64)):
        found = losses.grid(torch.from_numpy(images), window).numpy()
        assert np.allclose(found, [grid_by_hand(image, window) for image in images], rtol=1e-4)


def test_grid_sees_patterns_and_no_noise():
    white = torch.from_numpy(noise(1))
    pattern = torch.zeros(1, 3, 64, 64)
    pattern[..., 1::4, 2::4] = 0.5
    assert losses.grid(white).max() < 0.1 and losses.grid(pattern) > 1
    torch.testing.assert_close(losses.grid(white + 0.5), losses.grid(white), rtol=0, atol=1e-5)
    other = torch.zeros(1, 3, 64, 64)
    other[..., 1::3, 2::3] = 0.5  # a pattern, but not of this grid
    assert losses.grid(other) < 0.1


def test_smooth_images_have_no_grid():
    ramp = torch.linspace(-1, 1, 192).expand(1, 3, 64, 192)
    assert losses.grid(ramp)[..., 1] < 1e-3 and losses.grid(ramp).max() < 0.2  # mirrored, a ramp's border is an edge
    assert losses.grid(torch.zeros(1, 3, 64, 64)) == 0


def test_a_weak_grid_is_seen_in_the_whole_image():
    """What chance hides in windows of 64 pixels shows over the whole; less grid than the real image costs nothing."""
    real = torch.from_numpy(noise(4, (1, 3, 128, 256)))
    drawn = torch.from_numpy(noise(5, (1, 3, 128, 256)))
    chance = losses.uneven(drawn, real)
    drawn[..., ::4, ::4] *= 1.3
    assert losses.uneven(drawn, real) > 3 * chance and losses.uneven(real, drawn) < 0.2 * losses.uneven(drawn, real)


def test_pattern_against_numpy():
    images = noise(10, (2, 3, 64, 128), 0.2)
    weights = np.outer((1, 2, 2, 2, 1), (1, 2, 2, 2, 1)) / 64

    def by_hand(image):
        y = np.tensordot((0.299, 0.587, 0.114), image, 1)
        for plane in (y, 0.564 * (image[2] - y), 0.713 * (image[0] - y)):
            windows = np.lib.stride_tricks.sliding_window_view(np.pad(plane, 2, mode="reflect"), (5, 5))
            detail = (plane - (windows * weights).sum((2, 3)))[:, 64:]
            places = [detail[i::4, j::4].mean() for i in range(4) for j in range(4)]
            yield np.std(places, ddof=1) / (abs(detail).mean() + 0.005)

    found = losses.pattern(torch.from_numpy(images))[:, :, 0, 1].numpy()
    assert np.allclose(found, [list(by_hand(image)) for image in images], rtol=1e-3)


def test_pattern_sees_a_comb_that_grid_does_not_see():
    """Brighter columns, of which each has as much detail as the others; other periods are no pattern."""
    real = torch.from_numpy(noise(11, (2, 3, 128, 128), 0.1))
    x = torch.arange(128.0)
    comb, other = (real + 0.03 * torch.cos(2 * np.pi / period * x) for period in (4, 6))
    assert losses.pattern(comb)[:, 0].mean() > 0.25 > 0.15 > losses.pattern(other).mean()
    assert abs(losses.grid(comb) - losses.grid(real)).max() < 0.05
    assert losses.uneven(comb, real) > 0.1 > 0.01 > losses.uneven(real, comb)


def test_spectrum_against_numpy():
    drawn, real = noise(6, (2, 3, 64, 96)), noise(7, (2, 3, 64, 96), 0.1)
    taper = np.outer(np.hanning(64), np.hanning(64))

    def power(images):
        y = np.tensordot(images, (0.299, 0.587, 0.114), (1, 0))
        parts = [y[i, :, j : j + 64] for i in range(2) for j in (0, 32)]
        return np.log(np.mean([abs(np.fft.rfft2((part - part.mean()) * taper)) ** 2 for part in parts], 0) + 1e-2)

    found = float(losses.spectrum(torch.from_numpy(drawn), torch.from_numpy(real)))
    assert found == pytest.approx(np.square(power(drawn) - power(real)).mean(), rel=1e-3)


def test_spectrum_sees_the_checkerboard_that_grid_does_not_see():
    real = torch.from_numpy(noise(8, (2, 3, 128, 128)))
    y, x = np.mgrid[:128, :128]
    board = real + 0.15 * torch.from_numpy((-1.0) ** (x + y)).float()
    assert abs(losses.grid(board) - losses.grid(real)).max() < 0.1
    other = torch.from_numpy(noise(9, (2, 3, 128, 128)))
    assert losses.spectrum(board, other) > 1.1 * losses.spectrum(other, real) and losses.spectrum(real, real) == 0


def texture_by_hand(drawn, real):
    def strength(image):
        y = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
        steps = np.zeros_like(y)
        steps[1:, 1:] = np.abs(y[1:, 1:] - y[:-1, 1:]) + np.abs(y[1:, 1:] - y[1:, :-1])
        return steps.reshape(y.shape[0] // 32, 32, y.shape[1] // 32, 32).mean((1, 3))

    wanted, found = strength(real), strength(drawn)
    return (np.abs(found - wanted) / (wanted + 0.02)).mean()


def test_texture_against_numpy():
    drawn, real = noise(2), noise(3, scale=0.1)
    found = float(losses.texture(torch.from_numpy(drawn), torch.from_numpy(real)))
    assert found == pytest.approx(np.mean([texture_by_hand(a, b) for a, b in zip(drawn, real, strict=True)]), rel=1e-4)


def test_texture_is_how_much_there_is_and_not_where():
    real = torch.from_numpy(noise(4))
    assert losses.texture(real, real) == 0
    assert losses.texture(torch.from_numpy(noise(5)), real) < 0.1
    assert losses.texture(0 * real, real) > 0.9  # a blurred image lacks nearly all of it


def amount_by_hand(drawn, real, ssm):
    found = []
    for plane in ssm.astype(bool):
        if plane.mean() >= 0.01:
            a, b = (
                np.pad(np.abs(np.diff(y, axis=0))[:, 1:] + np.abs(np.diff(y, axis=1))[1:], ((1, 0), (1, 0)))[plane]
                for y in (np.tensordot([0.299, 0.587, 0.114], x, 1) for x in (drawn, real))
            )
            relative = abs(a.mean() - b.mean()) / (a.mean() + 0.005)
            found.append(relative**2 / 2 if relative < 1 else relative - 0.5)
    return found


def test_amount_against_numpy():
    """A mean over the classes that cover at least a hundredth of an image."""
    drawn, real = noise(2), noise(3, scale=0.1)
    ssm = np.zeros((len(real), 3, *real.shape[2:]), np.float32)
    ssm[:, 0], ssm[0, 0, :, 40:], ssm[0, 1, :, 40:], ssm[0, 0, 0, :2], ssm[0, 2, 0, :2] = 1, 0, 1, 0, 1
    expected = [value for given in zip(drawn, real, ssm, strict=True) for value in amount_by_hand(*given)]
    assert len(expected) == len(real) + 1
    found = float(losses.amount(*map(torch.from_numpy, (drawn, real, ssm))))
    assert found == pytest.approx(np.mean(expected), rel=1e-4)


def test_amount_asks_for_the_mean_where_texture_asks_for_less():
    """Of images that look alike to a network, one in three is rough: how rough should it draw them all?"""
    ssm, base = torch.ones(30, 1, 32, 32), torch.from_numpy(noise(4, (1, 3, 32, 32))).repeat(30, 1, 1, 1)
    wanted = torch.where(torch.arange(30) % 3 == 0, 0.3, 0.15).view(-1, 1, 1, 1)
    strength = float(losses.gradient(base).mean())

    def push(loss, scale):
        """Which way the loss wants to move the strength of all images."""
        scale = torch.tensor(scale, requires_grad=True)
        loss(scale * base, wanted * base).backward()
        return -float(scale.grad)

    def amount(drawn, real):
        return losses.amount(drawn, real, ssm)

    assert 0.15 * strength > 10 * losses.FLAT
    assert push(amount, 0.19) > 0 > push(amount, 0.21)  # the mean is 0.2
    assert push(losses.texture, 0.14) > 0 > push(losses.texture, 0.16)  # the median is 0.15


def test_colour_counts_a_pixel_by_its_weight():
    a, b = noise(7), noise(8)
    weights = np.random.default_rng(0).random((len(a), *a.shape[2:])).astype(np.float32)
    found = float(losses.colour(*map(torch.from_numpy, (a, b, weights))))
    one, other = (losses.chroma(torch.from_numpy(x)).numpy() for x in (a, b))
    off = np.abs(one - other).mean(1)
    assert found == pytest.approx((off * weights).sum() / weights.sum(), rel=1e-4)
    assert losses.colour(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4)) == 0  # all is void


def test_luma_and_chroma_against_the_standard():
    """ITU-R BT.601: Y, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402."""
    rgb = noise(6, (1, 3, 4, 4))
    y = np.tensordot([0.299, 0.587, 0.114], rgb[0], 1)
    x = torch.from_numpy(rgb)
    assert np.allclose(losses.luma(x)[0, 0], y, atol=1e-6)
    expected = [(rgb[0, 2] - y) / 1.772, (rgb[0, 0] - y) / 1.402]
    assert np.allclose(losses.chroma(x)[0], expected, atol=1e-3)
    assert losses.chroma(x[:, :1].expand(-1, 3, -1, -1)).abs().max() < 1e-6


def test_reconstruction_against_numpy():
    a, b = noise(7), noise(8)
    pixels, low = losses.reconstruction(torch.from_numpy(a), torch.from_numpy(b))
    small = (a - b).reshape(2, 3, 16, 4, 32, 4).mean((3, 5))
    assert float(pixels) == pytest.approx(np.abs(a - b).mean(), rel=1e-5)
    assert float(low) == pytest.approx(np.abs(small).mean(), rel=1e-4)


def test_feature_distance_against_numpy():
    found, wanted = ([noise(seed + i, (2, 5, 8 >> i, 8)) for i in (0, 1)] for seed in (10, 20))
    expected = np.mean(
        [
            (np.abs(a - b) / (b.std(axis=(0, 2, 3), ddof=1, keepdims=True) + 0.1)).mean()
            for a, b in zip(found, wanted, strict=True)
        ]
    )
    tensors = [[torch.from_numpy(x).bfloat16() for x in each] for each in (found, wanted)]
    assert float(losses.feature_distance(*tensors)) == pytest.approx(expected, rel=0.02)
    assert losses.feature_distance(tensors[1], tensors[1]) == 0


VOID = 3  # the id after the classes, which is also where the class "drawn" sits


def cross_entropy_by_hand(logits, labels, weights):
    shifted = logits - logits.max(1, keepdims=True)
    surprise = -(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))
    total = share = 0.0
    for n, i, j in np.ndindex(labels.shape):
        if labels[n, i, j] != VOID:
            total += weights[labels[n, i, j]] * surprise[n, labels[n, i, j], i, j]
            share += weights[labels[n, i, j]]
    return total / share


@pytest.fixture
def maps():
    rng = np.random.default_rng(9)
    labels = rng.integers(4, size=(2, 6, 5))
    return [rng.standard_normal((2, 4, 6, 5)).astype(np.float32) for _ in range(2)], labels, np.array([0.5, 1, 2.5])


def test_losses_of_the_segmenter_against_numpy(maps):
    """Real pixels have their class, void ones none; drawn pixels are all of the last class."""
    (real, drawn), labels, weights = maps
    tensors = [torch.from_numpy(x) for x in (real, drawn, labels, weights.astype(np.float32))]
    on_real, on_drawn = losses.segmenter_loss(*tensors, VOID)
    assert float(on_real) == pytest.approx(cross_entropy_by_hand(real, labels, weights), rel=1e-5)
    all_drawn = -torch.log_softmax(tensors[1], 1)[:, 3].mean()
    assert float(on_drawn) == pytest.approx(float(all_drawn), rel=1e-5)
    readable = losses.readable(tensors[1], *tensors[2:], VOID)
    assert float(readable) == pytest.approx(cross_entropy_by_hand(drawn, labels, weights), rel=1e-5)


def test_maps_without_a_known_pixel_say_nothing(maps):
    """And nothing is a number with a gradient: a mean over no pixels would end the training."""
    (real, drawn), labels, weights = maps
    tensors = torch.from_numpy(drawn).requires_grad_(), torch.full_like(torch.from_numpy(labels), VOID)
    loss = losses.readable(*tensors, torch.from_numpy(weights).float(), VOID)
    loss.backward()
    assert loss == 0 and not tensors[0].grad.any()
    on_real, _ = losses.segmenter_loss(torch.from_numpy(real), *tensors, torch.from_numpy(weights).float(), VOID)
    assert on_real == 0


def test_hinge_against_numpy():
    real, drawn = ([noise(seed + i, (2, 1, 3, 3), 2.0) for i in (0, 1)] for seed in (30, 40))
    pairs = list(zip(real, drawn, strict=True))
    expected = np.mean([np.maximum(0, 1 - a).mean() + np.maximum(0, 1 + b).mean() for a, b in pairs])
    scores = [[torch.from_numpy(x) for x in each] for each in (real, drawn)]
    assert float(losses.hinge_loss(*scores)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.hinge_of_generator(scores[1])) == pytest.approx(-np.mean([b.mean() for b in drawn]), rel=1e-4)
