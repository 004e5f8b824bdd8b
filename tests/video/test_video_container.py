"""The `.spicv` file: read frame by frame as far as it arrived, entered at resets, damage refused in one line."""

import io
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spic.bitstream.values import number
from spic.errors import BitstreamError, ConfigError, DataError
from spic.scsrdm.sampling import Sampling
from spic.video.container import ClipReader, ClipWriter, CodedFrame, clip_head

HEAD = clip_head((32, 64), (30, 61), "camvid11", "00c0ffee", Sampling("noiseless", 1, 90), 7)
FRAMES = [  # alone, SSM, coarse image
    (True, b"a map", b"an image"),
    (False, b"", b"p"),
    (False, None, b"no map"),
    (True, b"x" * 300, b"y" * 200),
    (False, b"last", b"one"),
]


def written(frames=FRAMES, end=True, head=HEAD, rate=Fraction(15)):
    file = io.BytesIO()
    writer = ClipWriter(file, head, rate)
    for number_of, frame in enumerate(frames):
        writer.write(CodedFrame(number_of, *frame))
    if end:
        writer.end()
    assert writer.bytes == len(file.getvalue())
    return file.getvalue()


def read(data, **options):
    return [(f.alone, f.ssm, f.coarse) for f in ClipReader(io.BytesIO(data), **options)]


def test_round_trip():
    reader = ClipReader(io.BytesIO(written(rate=Fraction(30000, 1001))))
    assert (reader.head, reader.rate) == (HEAD, Fraction(30000, 1001))
    assert [(f.number, f.alone, f.ssm, f.coarse) for f in reader] == [(i, *f) for i, f in enumerate(FRAMES)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.none() | st.binary(max_size=40), st.binary(max_size=40)), max_size=6))
def test_round_trip_of_anything(frames):
    frames = [(alone or not i, ssm, coarse) for i, (alone, ssm, coarse) in enumerate(frames)]
    frames = [(alone, b"" if alone and ssm is None else ssm, coarse) for alone, ssm, coarse in frames]
    assert read(written(frames)) == frames


def test_a_pipe_is_enough():
    class Pipe:
        def __init__(self, data):
            self.read = io.BytesIO(data).read

    assert len(list(ClipReader(Pipe(written())))) == len(FRAMES)


def test_every_cut_gives_the_frames_before_it_and_one_error():
    data = written()
    for size in range(len(data)):
        found = []
        with pytest.raises(BitstreamError, match=r"ends early|wrong magic"):
            for frame in ClipReader(io.BytesIO(data[:size])):
                found.append((frame.alone, frame.ssm, frame.coarse))
        assert found == FRAMES[: len(found)]
    assert len(found) == len(FRAMES)


def test_every_flipped_bit_is_noticed():
    data = written()
    for place in range(len(data)):
        for bit in (0, 7):
            broken = bytearray(data)
            broken[place] ^= 1 << bit
            with pytest.raises(BitstreamError):
                read(bytes(broken))


def test_sections_of_other_places_and_files_are_refused():
    def section_of(data, frame):
        sizes = [len(written(FRAMES[:i], end=False)) for i in (frame, frame + 1)]
        return data[sizes[0] : sizes[1]]

    start, data = len(written([], end=False)), written()
    parts = [section_of(data, i) for i in range(5)]
    for order in ((0, 2, 1), (0, 0), (0, 1, 3), (3,), (1,)):
        with pytest.raises(BitstreamError, match=r"damaged|not as it should"):
            read(data[:start] + b"".join(parts[i] for i in order))
    other = written(head=clip_head((32, 64), (32, 64), "camvid11", "00c0ffee"))
    with pytest.raises(BitstreamError, match="CRC-32"):
        read(
            other[: len(written([], end=False, head=clip_head((32, 64), (32, 64), "camvid11", "00c0ffee")))] + parts[0]
        )


def test_what_is_behind_the_end_is_refused():
    with pytest.raises(BitstreamError, match="behind the end"):
        read(written() + b"\0")


@pytest.mark.parametrize("frames", [[(False, b"a", b"b")], [(True, None, b"b")]])
def test_frames_that_can_not_be(frames):
    with pytest.raises(BitstreamError, match="not as it should"):
        read(written(frames))


def test_entries():
    data = written()
    reader = ClipReader(io.BytesIO(data))
    assert [one for one, _ in reader.starts()] == [0, 3]
    assert reader.seek(4) == 3
    assert [(f.number, f.coarse) for f in reader] == [(3, b"y" * 200), (4, b"one")]
    cut = ClipReader(io.BytesIO(data[:-20]))
    assert [one for one, _ in cut.starts()] == [0, 3] and cut.seek(2) == 0


def test_sizes_are_refused_before_they_are_read():
    with pytest.raises(BitstreamError, match="max_pixels"):
        read(written(), max_pixels=1000)
    data = written([], end=False)
    with pytest.raises(BitstreamError, match="frame 0 is damaged"):
        read(data + b"\x11" + number(1 << 40))
    with pytest.raises(DataError):
        clip_head((30, 64), (30, 64), "camvid11", "00c0ffee")


def test_other_files_and_versions():
    with pytest.raises(BitstreamError, match="magic"):
        read(b"SPIC" + written()[4:])
    with pytest.raises(BitstreamError, match="version 9"):
        read(b"SPCV\x09" + written()[5:])


@pytest.mark.parametrize("rate", [0, -1, Fraction(1, 1 << 20), 1 << 20])
def test_rates_out_of_range(rate):
    with pytest.raises(ConfigError, match="frames per second"):
        ClipWriter(io.BytesIO(), HEAD, rate)
