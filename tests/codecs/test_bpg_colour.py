"""The integer colour conversion against the definition, written out in floating point."""

import numpy as np
import pytest

from spic.codecs.bpg import colour, container
from spic.errors import BitstreamError

UP = np.array((2, -6, 18, 57, -10, 4, -1)) / 64
DOWN = np.array((2, -4, -8, 17, 57, 57, 17, -8, -4, 2)) / 128


def _double_line(line):
    padded = np.pad(line.astype(float), 3, mode="edge")
    out = np.empty(2 * len(line))
    for index in range(len(line)):
        window = padded[index : index + 7]
        out[2 * index], out[2 * index + 1] = window @ UP, window @ UP[::-1]
    return out


def _halve_line(line):
    padded = np.pad(line.astype(float), (4, 6), mode="edge")
    return np.array([padded[start : start + 10] @ DOWN for start in range(0, len(line), 2)])


def _both_ways(function, plane):
    return np.apply_along_axis(function, 1, np.apply_along_axis(function, 0, plane))


def _matrix(kr, kb):
    kg = 1 - kr - kb
    cb = np.array((-kr, -kg, 1 - kb)) / (2 * (1 - kb))
    cr = np.array((1 - kr, -kg, -kb)) / (2 * (1 - kr))
    return np.array(((kr, kg, kb), cb, cr))


def _noise(shape, seed=0, top=255):
    return np.random.default_rng(seed).integers(0, top + 1, shape)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 5), (16, 24)])
def test_forward_conversion(shape):
    rgb = _noise((*shape, 3)).astype(np.uint8)
    exact = rgb @ _matrix(0.299, 0.114).T + (0, 128, 128)
    luma, *chroma = colour.to_ycc420(rgb)
    assert np.abs(luma - exact[:, :, 0]).max() < 0.5001
    for index, plane in enumerate(chroma):
        full = np.clip(np.floor(exact[:, :, index + 1] + 0.5), 0, 255)
        expected = np.clip(_both_ways(_halve_line, full), 0, 255)
        assert plane.shape == expected.shape == ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
        assert np.abs(plane - expected).max() < 0.51


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 5), (16, 24)])
@pytest.mark.parametrize("depth", [8, 10])
def test_back_conversion_of_420(shape, depth):
    small = ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    top = (1 << depth) - 1
    planes = [_noise(size, seed, top).astype(np.uint16) for seed, size in enumerate((shape, small, small))]
    header = container.Header(shape[1], shape[0], container.YCC420, depth)
    rgb = colour.to_rgb(planes, header)
    tall = [_both_ways(_double_line, plane)[: shape[0], : shape[1]] for plane in planes[1:]]
    chroma = [np.clip(np.floor(plane + 0.5), 0, top) - (128 << depth - 8) for plane in tall]
    ycc = np.stack((planes[0], *chroma), axis=-1)
    expected = np.clip(ycc @ np.linalg.inv(_matrix(0.299, 0.114)).T * 255 / top, 0, 255)
    assert np.abs(rgb - expected).max() < (0.5001 if depth == 8 else 1.0)


@pytest.mark.parametrize(
    ("space", "weights"),
    [(container.BT601, (0.299, 0.114)), (container.BT709, (0.2126, 0.0722)), (container.BT2020, (0.2627, 0.0593))],
)
@pytest.mark.parametrize("limited", [False, True])
def test_back_conversion_of_444(space, weights, limited):
    planes = [_noise((9, 11), seed).astype(np.uint8) for seed in range(3)]
    header = container.Header(11, 9, container.YCC444, color_space=space, limited_range=limited)
    spans, low = ((219, 224, 224), 16) if limited else ((255, 255, 255), 0)
    ycc = (np.stack(planes, axis=-1) - (low, 128, 128)) * 255 / spans
    expected = np.clip(ycc @ np.linalg.inv(_matrix(*weights)).T, 0, 255)
    assert np.abs(colour.to_rgb(planes, header) - expected).max() < 0.5001


def test_back_conversion_keeps_rgb_planes():
    planes = [_noise((4, 6), seed).astype(np.uint8) for seed in range(3)]
    header = container.Header(6, 4, container.YCC444, color_space=container.RGB)
    green, blue, red = planes
    assert np.array_equal(colour.to_rgb(planes, header), np.dstack((red, green, blue)))


def test_gray_in_video_range():
    plane = np.arange(256, dtype=np.uint8)[None]
    header = container.Header(256, 1, container.GRAY, limited_range=True)
    expected = np.clip(np.floor((np.arange(256) - 16) * 255 / 219 + 0.5), 0, 255)
    assert np.array_equal(colour.to_rgb([plane], header)[0, :, 1], expected)


def test_strips_do_not_show(monkeypatch):
    rgb = _noise((31, 20, 3)).astype(np.uint8)
    header = container.Header(20, 31)
    whole = colour.to_ycc420(rgb)
    back = colour.to_rgb(whole, header)
    monkeypatch.setattr(colour, "_STRIP", 60)
    assert all(map(np.array_equal, colour.to_ycc420(rgb), whole))
    assert np.array_equal(colour.to_rgb(whole, header), back)


@pytest.mark.parametrize(
    "header",
    [container.Header(2, 2, container.YCC420_COSITED), container.Header(2, 2, color_space=container.YCGCO)],
)
def test_unsupported_kinds_are_refused(header):
    with pytest.raises(BitstreamError, match="not supported"):
        colour.to_rgb([np.zeros((2, 2), np.uint8), *[np.zeros((1, 1), np.uint8)] * 2], header)
