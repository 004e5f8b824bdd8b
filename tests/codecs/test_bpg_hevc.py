"""The HEVC side of BPG: lossless and checksummed streams of libx265 show that parameter sets are rebuilt rightly."""

import hashlib

import numpy as np
import pytest

from spic.codecs.bpg import BpgCodec, container, decode_planes, hevc, params
from spic.errors import BitstreamError

LOSSLESS = {"keyint": 1, "lossless": 1, "pools": "none", "frame-threads": 1, "wpp": 0, "log-level": "none", "info": 0}


def _noise(shape, top=255, seed=0):
    return np.random.default_rng(seed).integers(0, top + 1, shape)


def _lossless_file(name, pixel_format, depth, height=32, width=40, **settings):
    """Return a BPG file and the planes that x265 coded in it without loss."""
    import av

    frame = av.VideoFrame(width, height, name)
    originals = []
    for seed, plane in enumerate(frame.planes):
        dtype = np.dtype(np.uint8 if depth == 8 else "<u2")
        rows = np.zeros((plane.height, plane.line_size // dtype.itemsize), dtype)
        rows[:, : plane.width] = _noise((plane.height, plane.width), (1 << depth) - 1, seed)
        plane.update(rows.tobytes())
        originals.append(rows[:, : plane.width])
    sps, payload, coded = hevc.reduce_stream(hevc.run_x265(frame, {**LOSSLESS, **settings}))
    assert coded == (height, width)
    header = container.Header(width, height, pixel_format, depth)
    return container.BpgFile(header, params.write_reduced(sps), payload), originals


@pytest.mark.parametrize(
    ("name", "pixel_format", "depth"),
    [
        ("gray", container.GRAY, 8),
        ("yuv420p", container.YCC420, 8),
        ("yuv422p", container.YCC422, 8),
        ("yuv444p", container.YCC444, 8),
        ("yuv420p10le", container.YCC420, 10),
        ("yuv444p12le", container.YCC444, 12),
    ],
)
def test_lossless_streams_decode_exactly(name, pixel_format, depth):
    file, originals = _lossless_file(name, pixel_format, depth)
    planes = decode_planes(container.write_file(file))
    assert len(planes) == len(originals)
    for plane, original in zip(planes.values(), originals, strict=True):
        assert np.array_equal(plane, original)
    assert BpgCodec().decode(container.write_file(file)).shape == (32, 40, 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"ctu": 16},
        {"ctu": 32, "min-cu-size": 16},
        {"sao": 0, "strong-intra-smoothing": 0},
        {"slices": 2, "wpp": 1, "pools": 1, "ctu": 16},
    ],
    ids=str,
)
def test_other_encoder_settings(settings):
    file, originals = _lossless_file("yuv420p", container.YCC420, 8, 64, 64, **settings)
    assert len(params.split_nals(file.payload)) == 1 + settings.get("slices", 1)
    assert all(map(np.array_equal, decode_planes(container.write_file(file)).values(), originals))


def test_our_decoder_shows_what_the_encoder_saw(monkeypatch):
    """x265 writes the MD5 of its own reconstruction; our decoded planes have it, and FFmpeg checks it as well."""
    monkeypatch.setitem(hevc._SETTINGS, "hash", 1)
    gradient = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)[:, :, None] * np.uint8(2)
    picture = np.dstack((gradient, gradient // 2, _noise((48, 64, 1)).astype(np.uint8)))
    data = BpgCodec().encode(picture, qp=30)
    nals = params.split_nals(container.read_file(data).payload)
    message = params.unescape(next(nal for nal in nals if nal[0] >> 1 == params.SUFFIX_SEI))
    stored = message[message.index(b"\x84\x31\x00") + 3 :]  # type 132, 49 bytes, MD5
    for index, plane in enumerate(decode_planes(data).values()):
        assert stored[16 * index : 16 * index + 16] == hashlib.md5(plane.tobytes()).digest()
    wrong = bytearray(data)
    wrong[data.index(b"\x84\x31\x00") + 5] ^= 4
    with pytest.raises(BitstreamError):
        BpgCodec().decode(bytes(wrong))


def test_alpha_is_the_second_layer():
    rng = np.random.default_rng(1)
    colour, alpha = (rng.integers(0, 256, (24, 32, count), np.uint8) for count in (3, 1))
    codec = BpgCodec()
    one, two = (container.read_file(codec.encode(image, qp=20)) for image in (colour, alpha))
    layer = [bytes((nal[0], nal[1] | 8)) + nal[2:] for nal in params.split_nals(two.payload)]
    payload = b"\x00\x00\x01".join((*layer, one.payload))
    header = container.Header(32, 24, has_alpha=True)
    data = container.write_file(container.BpgFile(header, one.sps, payload, two.sps))
    decoded = codec.decode(data)
    assert decoded.shape == (24, 32, 4)
    assert np.array_equal(decoded[:, :, :3], codec.decode(container.write_file(one)))
    assert np.array_equal(decoded[:, :, 3], codec.decode(container.write_file(two))[:, :, 0])
    for changed in ({"has_alpha": False, "cmyk": True}, {"premultiplied": True}):
        other = container.Header(**{**vars(header), **changed})
        with pytest.raises(BitstreamError, match="not supported"):
            codec.decode(container.write_file(container.BpgFile(other, one.sps, payload, two.sps)))


def _file(payload=None, **header):
    file = container.read_file(BpgCodec().encode(_noise((16, 16, 3)).astype(np.uint8), qp=40))
    header = container.Header(**{**vars(file.header), **header})
    return container.write_file(container.BpgFile(header, file.sps, file.payload if payload is None else payload(file)))


def test_size_out_of_proportion_is_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(hevc, "_run_decoder", lambda *_: pytest.fail("decoded"))
    with pytest.raises(BitstreamError, match="cannot hold"):
        BpgCodec().decode(_file(width=4096, height=4096))


@pytest.mark.parametrize(
    "payload",
    [
        lambda file: b"\x44\x01\x00",
        lambda file: params.split_nals(file.payload)[1],
        lambda file: file.payload + b"\x00\x00\x01" + params.split_nals(file.payload)[1],
        lambda file: params.build_headers(params.parse_reduced(file.sps), 1, 8, 4096, 4096) + b"\0\0\1" + file.payload,
        lambda file: b"\x00\x00\x01".join([params.split_nals(file.payload)[0]] * 99 + [file.payload]),
    ],
    ids=["no slice", "no PPS", "two pictures", "own SPS", "many PPS"],
)
def test_payloads_that_are_no_still_picture_are_refused(payload):
    with pytest.raises(BitstreamError):
        BpgCodec().decode(_file(payload))


def test_depth_without_a_decoder_is_refused():
    with pytest.raises(BitstreamError, match="11 bits"):
        BpgCodec().decode(_file(depth=11))


def test_wrong_format_is_refused():
    with pytest.raises(BitstreamError):
        BpgCodec().decode(_file(pixel_format=container.YCC444))


@pytest.mark.parametrize("data", [b"", b"\x00\x00", b"\xff", b"\x92", bytes(8), b"\xff\xff\xff"], ids=bytes.hex)
def test_bad_reduced_sps(data):
    with pytest.raises(BitstreamError):
        params.parse_reduced(data)


@pytest.mark.parametrize("text", ["924740", "924250", "b924", "9246700420"])
def test_reduced_sps_of_the_reference_encoders_round_trip(text):
    data = bytes.fromhex(text)
    assert params.write_reduced(params.parse_reduced(data)) == data


def test_reduced_sps_with_pcm_round_trips():
    sps = params.ReducedSps(3, 3, 2, 3, 1, 1, (7, 7, 0, 2, 1), 0, None)
    assert params.parse_reduced(params.write_reduced(sps)) == sps


def test_emulation_prevention_round_trips():
    for payload in (b"\0\0\0", b"\0\0\1", b"\0\0\3\0\0\2", b"\0\0\0\0\0\0\0", b"\1\0\0"):
        escaped = params.escape(payload)
        assert params.unescape(escaped) == payload
        assert all(escaped[i : i + 2] != b"\0\0" or escaped[i + 2] == 3 for i in range(len(escaped) - 2))
