"""What stands still keeps its pixels, what changes does not: in words, and by a reference without SciPy and Pillow."""

import numpy as np
import pytest

from spic.errors import DataError
from spic.video.steady import CHANGED, SAME, Steadier

SIGMA = 0.7


def blurred(change):
    """By a Gaussian of 7 x 7 pixels, edges repeated."""
    weights = np.exp(-(np.arange(-3, 4) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    padded, (height, width) = np.pad(change, 3, mode="edge"), change.shape
    found = np.zeros(change.shape)
    for y in range(7):
        for x in range(7):
            found += weights[y] * weights[x] * padded[y : y + height, x : x + width]
    return found


def enlarged(kept, shape):
    """Linear between the middles of pixels, row by row and column by column."""
    for axis in (0, 1):
        middles = (np.arange(shape[axis]) + 0.5) * kept.shape[axis] / shape[axis] - 0.5
        line = np.arange(kept.shape[axis])
        kept = np.apply_along_axis(lambda values, at=middles, line=line: np.interp(at, line, values), axis, kept)
    return kept


def reference(frames, entries=(0,)):
    """The images shown, float64, of [(image, SSM, coarse image)]."""
    shown, last_coarse, last_ssm = [], None, None
    for number, (image, ssm, coarse) in enumerate(frames):
        image, coarse = image.astype(float), coarse.astype(float)
        if number not in entries:
            change = blurred(np.abs(coarse - last_coarse).mean(-1))
            for y, x in zip(*np.nonzero(ssm != last_ssm), strict=True):
                change[y // 4, x // 4] = 255
            most = [[change[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max() for x in range(16)] for y in range(8)]
            kept = np.interp(most, [SAME, CHANGED], [1, 0])
            coarse = kept[..., None] * last_coarse + (1 - kept[..., None]) * coarse
            kept = enlarged(kept, image.shape)[..., None]
            image = kept * shown[-1] + (1 - kept) * image
        shown.append(image)
        last_coarse, last_ssm = coarse, ssm
    return shown


def clip(count, size=(32, 64), seed=0):
    """Frames of noise whose coarse images and labels change little, or much at single places."""
    rng, (height, width) = np.random.default_rng(seed), (8, 16)
    coarse, ssm, frames = rng.integers(60, 200, (height, width, 3)), rng.integers(0, 4, (32, 64), np.uint8), []
    for _ in range(count):
        coarse = coarse + rng.integers(-4, 5, coarse.shape) + 40 * (rng.random((height, width, 1)) < 0.02)
        ssm = np.where(rng.random(ssm.shape) < 0.002, 3 - ssm, ssm).astype(np.uint8)
        frames.append((rng.integers(0, 256, (*size, 3), np.uint8), ssm, np.clip(coarse, 0, 255).astype(np.uint8)))
    return frames


def steadied(frames, entries=()):
    steadier = Steadier()
    return [steadier.push(*frame, number in entries) for number, frame in enumerate(frames)]


@pytest.mark.parametrize("size", [(32, 64), (30, 77), (128, 256)])
def test_as_the_reference(size):
    frames = clip(5, size)
    for found, wanted in zip(steadied(frames, {3}), reference(frames, {0, 3}), strict=True):
        assert found.dtype == np.uint8 and found.shape == wanted.shape
        assert abs(found - wanted).max() < 2.5 and abs(found - wanted).mean() < 0.4  # levels, and weights of 8 bits
    plain = [image for image, _, _ in frames]
    assert not any(np.array_equal(a, b) for a, b in zip(steadied(frames)[1:], plain[1:], strict=True))


def flat(level=100, label=0):
    return np.full((32, 64), label, np.uint8), np.full((8, 16, 3), level, np.uint8)


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (32, 64, 3), np.uint8)


def test_what_stands_still_stays_and_what_changes_is_drawn():
    (ssm, coarse), steadier = flat(), Steadier()
    first, second = noise(1), noise(2)
    np.testing.assert_array_equal(steadier.push(first, ssm, coarse), first)
    other, moved = ssm.copy(), coarse.copy()
    other[15, 5] = 1  # its coarse pixel is (3, 1)
    moved[4, 12] += 30
    moved[0, 12] += 1  # the noise of the coarse codec
    shown = steadier.push(second, other, moved)
    for place in (np.s_[10:18, 0:10], np.s_[14:22, 46:54]):
        np.testing.assert_array_equal(shown[place], second[place])
    for place in (np.s_[:, 14:37], np.s_[:5, :], np.s_[30:, :]):
        np.testing.assert_array_equal(shown[place], first[place])


def test_no_ghost_behind_what_moves():
    """A square over a ground, each drawn flat: no frame shows it where it was, nor the ground where it is."""
    steadier = Steadier()
    for number in range(8):
        ssm, coarse = flat()
        coarse[2:5, number : number + 3] = 130  # the labels do not show it
        image = np.repeat(np.repeat(coarse, 4, 0), 4, 1)
        shown = steadier.push(image, ssm, coarse)
        assert abs(shown.astype(int) - image).max() <= 1


def test_slow_change_is_followed():
    """The level rises by one in three frames: what is shown is never far from what was drawn."""
    steadier, behind = Steadier(), []
    for number in range(60):
        ssm, coarse = flat(60 + number // 3)
        image = np.full((32, 64, 3), 60 + number // 3, np.uint8)
        behind.append(image[0, 0, 0] - float(steadier.push(image, ssm, coarse)[0, 0, 0]))
    assert max(behind) == SAME and min(behind) == 0


def test_nothing_is_kept_beyond_an_entry():
    frames = clip(6)
    whole = steadied(frames, {2, 4})
    for entry in (2, 4):
        for a, b in zip(steadied(frames[entry:], {0, 4 - entry}), whole[entry:], strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(whole[entry], frames[entry][0])
    assert not np.array_equal(whole[4], steadied(frames, {2})[4])


def test_arrays_are_the_callers():
    frames, steadier = clip(3), Steadier()
    wanted = steadied(frames)
    for frame, image in zip(frames, wanted, strict=True):
        given = [part.copy() for part in frame]
        shown = steadier.push(*given)
        for part, before in zip(given, frame, strict=True):
            np.testing.assert_array_equal(part, before)
            part[:] = 0
        np.testing.assert_array_equal(shown, image)
        shown[:] = 0


def test_refusals():
    (ssm, coarse), image = flat(), noise(0)
    for wrong, text in [
        ((image.astype(float), ssm, coarse), "uint8"),
        ((image, ssm[..., None], coarse), "shape"),
        ((image, ssm, coarse[..., 0]), "shape"),
        ((image, ssm[:28], coarse), "label map"),
    ]:
        with pytest.raises(DataError, match=text):
            Steadier().push(*wrong)
    steadier = Steadier()
    steadier.push(image, ssm, coarse)
    for wrong in ((image[:30], ssm, coarse), (image, ssm[:28], coarse[:7])):
        for alone in (False, True):
            with pytest.raises(DataError, match="in a clip of"):
                steadier.push(*wrong, alone)
    np.testing.assert_array_equal(steadier.push(noise(1), ssm, coarse), image)  # it goes on
