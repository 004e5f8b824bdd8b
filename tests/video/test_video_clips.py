"""Transmitter and receiver of clips: what comes back, frame by frame, and that nothing flickers by itself."""

import io
from dataclasses import replace

import numpy as np
import pytest

from spic import Receiver, Transmitter
from spic.codecs.labelmap.clip import MapsEncoder
from spic.codecs.smooth import Smoother
from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures.sizes import downscale, upscale
from spic.video import ClipReceiver, ClipTransmitter
from spic.video.container import clip_head
from spic.video.receiver import between, decode_parts
from spic.video.steady import Steadier

CPU = {"device": "cpu", "dtype": "float32"}


@pytest.fixture(scope="module")
def pan(tiny_scenes):
    """Images and maps of 7 frames, 32x64, of a camera that turns."""
    scene = tiny_scenes(1, (32, 96))
    image, labels = scene.picture(0), scene.labels(0)
    return [[one[:, 3 * i : 3 * i + 64].copy() for i in range(7)] for one in (image, labels)]


@pytest.fixture(scope="module")
def sender(tiny_decoder, tiny_segmenter):
    return Transmitter(segmenter_weights=tiny_segmenter, decoder_weights=tiny_decoder, **CPU)


@pytest.fixture(scope="module")
def coded(pan, sender):
    def coded(images=pan[0], ssms=pan[1], **options):
        file = io.BytesIO()
        transmitter = ClipTransmitter(**{"qp": 12, "every": 3, "smooth": False, **options}, sender=sender)
        frames = list(transmitter.encode(images, file, 15, ssms))
        return file.getvalue(), frames

    return coded


@pytest.fixture(scope="module")
def clips(tiny_decoder):
    """As each frame is drawn."""
    return ClipReceiver(Receiver(tiny_decoder, **CPU), steady=False)


def parts_of(clips, data, start=0):
    return list(clips.parts(clips.open(io.BytesIO(data)), start))


def test_exact_maps_and_close_coarse_images(coded, clips, pan):
    data, frames = coded()
    assert [frame.alone for frame in frames] == [True, False, False, True, False, False, True]
    parts = parts_of(clips, data)
    for part, image, labels in zip(parts, *pan, strict=True):
        np.testing.assert_array_equal(part.ssm, labels)
        assert abs(part.coarse.astype(int) - downscale(image)).mean() < 10
    clip = clips.open(io.BytesIO(data))
    assert clip.rate == 15 and clip.head.size == (32, 64)
    for image, part in zip(clips.preview(clip), parts, strict=True):
        np.testing.assert_array_equal(image, upscale(part.coarse, (32, 64)))


def test_smooth_maps(coded, clips, pan):
    flicker = [labels.copy() for labels in pan[1]]
    flicker[3][10:14, 20:30] = 9
    smoother = Smoother()
    wanted = [*[smoother.push(labels) for labels in flicker][1:], smoother.flush()]
    parts = parts_of(clips, coded(ssms=flicker, smooth=True)[0])
    for part, labels in zip(parts, wanted, strict=True):
        np.testing.assert_array_equal(part.ssm, labels)


@pytest.mark.parametrize("count", [1, 2, 6, 7])
def test_half_of_the_maps(coded, clips, pan, count):
    images, ssms = (one[:count] for one in pan)
    data, frames = coded(images, ssms, halve=True, every=4)
    there = [frame.ssm is not None for frame in frames]
    assert there == [i % 4 % 2 == 0 or i == count - 1 for i in range(count)]
    parts = parts_of(clips, data)
    for i, part in enumerate(parts):
        wanted = ssms[i] if there[i] else between(ssms[i - 1], ssms[i + 1])
        np.testing.assert_array_equal(part.ssm, wanted)


def test_between():
    before, after = np.zeros((5, 8), np.uint8), np.zeros((5, 8), np.uint8)
    before[:, 2:], after[:, 4:] = 1, 1
    np.testing.assert_array_equal(between(before, after), np.repeat(np.uint8([[0, 0, 0, 1, 1, 1, 1, 1]]), 5, axis=0))
    np.testing.assert_array_equal(between(before, before), before)


def test_decoding_from_a_frame_on(coded, clips, pan):
    data, whole = coded()[0], parts_of(clips, coded()[0])
    for start in (1, 3, 5, 6, 7):
        found = parts_of(clips, data, start)
        assert len(found) == max(7 - start, 0)
        for a, b in zip(found, whole[start:], strict=True):
            np.testing.assert_array_equal(a.ssm, b.ssm)
            np.testing.assert_array_equal(a.coarse, b.coarse)


@pytest.mark.parametrize("halve", [False, True])
def test_a_cut_file_gives_what_arrived(coded, clips, halve):
    data, frames = coded(halve=halve)
    found = []
    with pytest.raises(BitstreamError, match="ends early, in frame"):
        for part in clips.parts(clips.open(io.BytesIO(data[: int(0.8 * len(data))]))):
            found.append(part)
    assert 2 < len(found) < len(frames)


def test_images_are_those_of_the_receiver_and_still_frames_stay_still(coded, clips, pan):
    still = [pan[0][0]] * 3, [pan[1][0]] * 3
    data, _ = coded(*still, qp=0)
    parts = parts_of(clips, data)
    images = list(clips.decode(clips.open(io.BytesIO(data))))
    for image, part in zip(images, parts, strict=True):
        np.testing.assert_array_equal(image, clips.receiver.rebuild([part])[0])
    same = [i for i in (1, 2) if np.array_equal(parts[i].coarse, parts[i - 1].coarse)]
    assert same and all(np.array_equal(images[i], images[i - 1]) for i in same)  # the noise is one for all of a clip


@pytest.mark.parametrize("halve", [False, True])
def test_steady_images_are_the_same_wherever_one_begins(coded, clips, pan, halve):
    """What was drawn is kept where nothing changes but by a level, and never from before an entry."""
    still = [pan[0][0] // 2 + np.uint8(i) for i in range(6)], [pan[1][i // 3] for i in range(6)]
    data, _ = coded(*still, every=4, halve=halve)
    parts, steadier = parts_of(clips, data), Steadier()
    drawn = [clips.receiver.rebuild([part])[0] for part in parts]
    wanted = [steadier.push(image, p.ssm, p.coarse, p.alone) for image, p in zip(drawn, parts, strict=True)]
    assert [part.alone for part in parts] == [True, False, False, False, True, False]
    assert np.array_equal(wanted[4], drawn[4]) and not np.array_equal(wanted[1], drawn[1])
    steady = ClipReceiver(clips.receiver)
    for start in (0, 2, 5):
        found = list(steady.decode(steady.open(io.BytesIO(data)), start))
        for image, right in zip(found, wanted[start:], strict=True):
            np.testing.assert_array_equal(image, right)


def test_without_steady_only_what_is_shown_is_drawn(coded, tiny_decoder):
    data, drawn = coded()[0], []

    class Counting(Receiver):
        def rebuild(self, parts, noise=None):
            drawn.append(parts)
            return super().rebuild(parts, noise)

    for steady, count in ((False, 1), (True, 3)):
        clips = ClipReceiver(Counting(tiny_decoder, **CPU), steady)
        image = next(clips.decode(clips.open(io.BytesIO(data)), 5))
        assert len(drawn) == count
        assert steady or np.array_equal(image, clips.receiver.rebuild(drawn[0])[0])
        drawn.clear()


def test_maps_that_are_not_as_the_file_says_are_refused(coded, pan):
    _, frames = coded()
    head = clip_head((32, 64), (32, 64), "camvid11", "00000000")
    foreign = replace(frames[0], ssm=MapsEncoder.shipped().encode(np.full((32, 64), 200, np.uint8)))
    small = replace(frames[0], ssm=MapsEncoder.shipped().encode(np.zeros((32, 32), np.uint8)))
    for frame, text in ((foreign, "200"), (small, "not as the file says")):
        with pytest.raises(BitstreamError, match=text):
            list(decode_parts(head, [frame]))
    for chain in ([replace(frames[0], ssm=None)], [frames[0], *[replace(frames[1], ssm=None)] * 2]):
        with pytest.raises(BitstreamError, match="has no SSM"):
            list(decode_parts(head, chain))


def test_refusals(pan, sender):
    images, ssms = pan
    with pytest.raises(DataError, match="without frames"):
        list(ClipTransmitter(sender=sender).encode([], io.BytesIO(), 15))
    with pytest.raises(DataError, match="in a clip of"):
        list(
            ClipTransmitter(sender=sender).encode(
                [images[0], images[1][:28]], io.BytesIO(), 15, [ssms[0], ssms[1][:28]]
            )
        )
    for wrong in ({"every": 0}, {"every": 2.5}):
        with pytest.raises(ConfigError):
            ClipTransmitter(sender=sender, **wrong)
    with pytest.raises(ConfigError, match="qp"):
        list(ClipTransmitter(qp=99, sender=sender).encode(images, io.BytesIO(), 15, ssms))
