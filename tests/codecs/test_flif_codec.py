"""The FLIF codec as a whole: reference files, round trips, damage, and the reference decoder where there is one."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from spic.codecs.flif import FlifCodec, encoder
from spic.codecs.flif.header import Header, read_header, write_header
from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures import reading as images

VECTORS = Path(__file__).resolve().parent.parent / "data" / "flif"
CODEC = FlifCodec()


def check_case(case, data):
    """One line of a manifest: exact pixels, an error, or either."""
    if case["expect"] == "decode":
        decoded = CODEC.decode(data)
        assert list(decoded.shape) == case["pixels"]["shape"] and decoded.dtype == np.uint8
        assert hashlib.sha256(decoded.tobytes()).hexdigest() == case["pixels"]["sha256"]
    elif case["expect"] == "error":
        with pytest.raises(BitstreamError):
            CODEC.decode(data)
    else:
        try:
            decoded = CODEC.decode(data)
        except BitstreamError:
            return
        header, _ = read_header(data)
        assert decoded.shape[:2] == (header.height, header.width)


CASES = json.loads((VECTORS / "manifest.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_reference_files(case):
    check_case(case, (VECTORS / case["file"]).read_bytes())


@pytest.mark.shared
def test_all_conformance_vectors(shared):
    folder = shared / "conformance" / "flif"
    cases = json.loads((folder / "manifest.json").read_text())["cases"]
    assert len(cases) > 40
    for case in cases:
        check_case(case, (folder / case["file"]).read_bytes())


@pytest.mark.shared
def test_street_maps_beat_the_reference(shared):
    """Three validation maps, all below what the reference needs for them at its best."""
    folder = shared / "conformance" / "flif"
    sizes = {c["id"]: c["bytes"] for c in json.loads((folder / "manifest.json").read_text())["cases"]}
    for source, ids in (("lab0", ("v00_lab0", "v04_lab0_NE100")), ("lab1", ("v05_lab1_N",)), ("lab2", ("v06_lab2",))):
        labels = images.read_labels(folder / "src" / f"{source}.png")
        data = CODEC.encode(labels)
        np.testing.assert_array_equal(CODEC.decode(data), labels)
        assert len(data) < min(sizes[name] for name in ids)


def scene(seed, height=96, width=128, labels=12):
    """A label map with large regions, stripes and small objects."""
    rng = np.random.default_rng(seed)
    labels_map = np.repeat(np.sort(rng.integers(0, labels, height // 8)), 8)[:, None] * np.ones((1, width), int)
    for _ in range(20):
        y, x, h, w = rng.integers(0, (height, width, 30, 30))
        labels_map[y : y + h, x : x + w] = rng.integers(0, labels)
    return labels_map.astype(np.uint8)


few_labels = st.sampled_from([1, 2, 3, 12, 40, 256])


@st.composite
def label_maps(draw):
    """Noise, blocks, stripes and constants, with few or many labels, from 1x1 up."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    table = rng.permutation(256)[: draw(few_labels)].astype(np.uint8)
    form = draw(st.sampled_from(["noise", "blocks", "rows", "columns", "diagonal"]))
    y, x = np.mgrid[:height, :width]
    step = draw(st.integers(1, 9))
    index = {
        "noise": rng.integers(0, len(table), (height, width)),
        "blocks": rng.integers(0, 99, (9, 9))[y * 9 // height, x * 9 // width],
        "rows": y // step,
        "columns": x // step,
        "diagonal": (x + y) // step,
    }[form]
    return table[index % len(table)]


def check_round_trip(labels):
    data = CODEC.encode(labels)
    decoded = CODEC.decode(data)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, labels)
    np.testing.assert_array_equal(CODEC.decode(encoder.encode(labels[None], interlace=True)), labels)


@settings(max_examples=200, deadline=None)
@given(label_maps())
def test_round_trip(labels):
    check_round_trip(labels)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(label_maps())
def test_round_trip_of_thousands(labels):
    check_round_trip(labels)


@settings(max_examples=80, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4]))))
def test_round_trip_of_colour(picture):
    np.testing.assert_array_equal(CODEC.decode(CODEC.encode(picture)), picture)
    interlaced = encoder.encode(np.moveaxis(picture, 2, 0), interlace=True)
    np.testing.assert_array_equal(CODEC.decode(interlaced), picture)


def colour_scene(seed, height, width, alpha=None):
    """A smooth colour picture with noise; alpha: a number, "mask" (much of it 0) or none."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 40
    waves = [np.sin(rng.uniform(1, 5) * x + rng.uniform(1, 5) * y + phase) for phase in range(3)]
    picture = (120 + 100 * np.stack(waves, 2) + rng.normal(0, 3, (height, width, 3))).clip(0, 255)
    if alpha is not None:
        mask = np.full((height, width), alpha) if alpha != "mask" else (waves[0] > 0) * rng.integers(1, 256)
        picture = np.dstack([picture, mask])
    return picture.astype(np.uint8)


COLOUR_SCENES = [
    colour_scene(0, 60, 80), colour_scene(1, 1, 70, "mask"), colour_scene(2, 90, 1, 255),
    colour_scene(3, 50, 70, "mask"), colour_scene(4, 33, 47, 0), colour_scene(5, 33, 47, 77),
    np.full((20, 30, 4), 9, np.uint8),
]  # fmt: skip


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("picture", COLOUR_SCENES, ids=lambda p: "x".join(map(str, p.shape)))
def test_round_trip_of_colour_scenes(picture, interlace):
    """Colours under alpha 0 included."""
    data = encoder.encode(np.moveaxis(picture, 2, 0), interlace)
    np.testing.assert_array_equal(CODEC.decode(data), picture)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (257, 129)])
def test_round_trip_of_odd_sizes(shape):
    rng = np.random.default_rng(sum(shape))
    check_round_trip(rng.integers(0, 9, shape, dtype=np.uint8))
    check_round_trip(np.full(shape, 255, np.uint8))


def test_larger_maps_than_the_learner_looks_at():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (300, 300), dtype=np.uint8)
    assert labels.size > encoder.LEARN_FROM
    np.testing.assert_array_equal(CODEC.decode(CODEC.encode(labels)), labels)


def test_same_bytes_every_time():
    assert CODEC.encode(scene(1)) == CODEC.encode(np.asfortranarray(scene(1)))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.int32),
        np.zeros((0, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        [[1, 2]],
    ],
)
def test_wrong_arrays_are_refused(image):
    with pytest.raises(DataError):
        CODEC.encode(image)


def test_settings_are_refused():
    with pytest.raises(ConfigError):
        CODEC.encode(scene(0), quality=3)


@pytest.mark.parametrize("interlace", [False, True])
def test_every_cut_is_refused(interlace):
    """A file cut anywhere is an error, never another picture: nothing is written that a decoder does not read."""
    data = encoder.encode(scene(2, 48, 64)[None], interlace)
    assert np.array_equal(CODEC.decode(data), scene(2, 48, 64))
    for size in range(len(data)):
        with pytest.raises(BitstreamError):
            CODEC.decode(data[:size])


@pytest.mark.parametrize("interlace", [False, True])
def test_damage_is_noticed(interlace):
    """Flipped bits: an error nearly always, and never another size.

    What a flip turns the end of the stream into is chance, so now and then it says "no checksum" and just fits.
    """
    labels = scene(3, 64, 96)
    data = encoder.encode(labels[None], interlace)
    rng, missed = np.random.default_rng(0), 0
    for position in rng.integers(11, len(data) - 1, 150):
        broken = bytearray(data)
        broken[position] ^= 1 << rng.integers(8)
        try:
            decoded = CODEC.decode(bytes(broken))
        except BitstreamError:
            continue
        assert decoded.shape == labels.shape
        missed += not np.array_equal(decoded, labels)
    assert missed <= 4


def hostile_bytes(seed, body):
    """A header that is right, then anything."""
    rng = np.random.default_rng(seed)
    header = Header(int(rng.choice([1, 3, 4])), bool(rng.integers(2)), *(int(v) for v in rng.integers(1, 200, 2)))
    return write_header(header) + body


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 1 << 30))
def test_any_bytes_give_a_picture_or_an_error(body, seed):
    data = hostile_bytes(seed, body)
    for candidate in (body, data):
        try:
            decoded = CODEC.decode(candidate)
        except BitstreamError:
            continue
        header, _ = read_header(candidate)
        assert decoded.shape[:2] == (header.height, header.width)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CASES), st.data())
def test_mutated_reference_files(case, data):
    broken = bytearray((VECTORS / case["file"]).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        CODEC.decode(bytes(broken))
    except BitstreamError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"FLIF11" + b"\x83\xff\xff\xff\x7f" * 2 + b"\0" + b"\x40" * 50,
        b"FLIF11" + b"\xff" * 40,
        b"FLIF11\x7f\x7fICCP\x02ab\0" + b"\x40" * 50,
        b"FLIF11\x7f\x7fiCCP\x8f\xff\xff\xff\x7f\0" + b"\x40" * 50,
        b"FLIF21\x7f\x7f\0" + b"\x40" * 50,
        b"FLIFQ1\x7f\x7f\0" + b"\x40" * 50,
        b"FLIF10\x7f\x7f\0" + b"\xff" * 50,
    ],
    ids=["2^30", "endless number", "critical chunk", "endless chunk", "two channels", "animation", "16 bits by number"],
)
def test_impossible_headers_are_refused(data):
    with pytest.raises(BitstreamError):
        CODEC.decode(data)


def test_data_behind_the_picture():
    """Fine behind a checksum that fits; a small file without one has to end where its pixels do."""
    long, short = CODEC.encode(scene(4)), CODEC.encode(np.zeros((9, 9), np.uint8))
    np.testing.assert_array_equal(CODEC.decode(long + b"more"), scene(4))
    with pytest.raises(BitstreamError):
        CODEC.decode(short + b"more")


def test_metadata_is_skipped():
    data = CODEC.encode(scene(4))
    _, start = read_header(data)
    with_chunk = data[: start - 1] + b"eXif\x03abc" + data[start - 1 :]
    np.testing.assert_array_equal(CODEC.decode(with_chunk), scene(4))


@pytest.mark.parametrize("data", [None, 3, "FLIF", b"", b"FLIF", b"\x89PNG\r\n"])
def test_not_flif(data):
    with pytest.raises(BitstreamError):
        CODEC.decode(data)


@pytest.mark.skipif(shutil.which("flif") is None, reason="no reference tool flif on PATH")
@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("labels", [scene(0), scene(1, 31, 17), np.zeros((5, 9), np.uint8), scene(2, 200, 300, 256)])
def test_reference_decodes_ours(labels, interlace, tmp_path):
    (tmp_path / "ours.flif").write_bytes(encoder.encode(labels[None], interlace))
    subprocess.run(["flif", "-d", tmp_path / "ours.flif", tmp_path / "theirs.png"], check=True, timeout=60)
    np.testing.assert_array_equal(images.read_labels(tmp_path / "theirs.png"), labels)


@pytest.mark.skipif(shutil.which("flif") is None, reason="no reference tool flif on PATH")
@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("picture", COLOUR_SCENES, ids=lambda p: "x".join(map(str, p.shape)))
def test_reference_decodes_our_colour(picture, interlace, tmp_path):
    if picture.shape[0] == 1 and interlace:
        pytest.skip("the reference decoder skips the trees of a single interlaced row")
    (tmp_path / "ours.flif").write_bytes(encoder.encode(np.moveaxis(picture, 2, 0), interlace))
    command = ["flif", "-d", tmp_path / "ours.flif", tmp_path / "theirs.png"]
    told = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert "CORRUPT" not in told.stdout + told.stderr
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "theirs.png").convert("RGBA"))[..., :3], picture[..., :3]
    )


@pytest.mark.skipif(shutil.which("flif") is None, reason="no reference tool flif on PATH")
@pytest.mark.parametrize(
    "options", ["-N", "-I", "-N -A -P0", "-I -A -P0", "-I -H1 -G0X12", "-I -E10 -Y", "-N -P-400 -W"]
)
@pytest.mark.parametrize("step", [1, 24])
def test_reference_colour_is_decoded(options, step, tmp_path):
    for picture in COLOUR_SCENES:
        picture = picture // step * step
        Image.fromarray(picture).save(tmp_path / "ours.png")
        command = ["flif", "-e", "-o", *options.split(), tmp_path / "ours.png", tmp_path / "theirs.flif"]
        subprocess.run(command, check=True, timeout=60, capture_output=True)
        decoded = CODEC.decode((tmp_path / "theirs.flif").read_bytes())
        if decoded.ndim == 2:
            decoded = np.repeat(decoded[..., None], 3, 2)
        if picture.shape[2] == 4:
            picture[picture[..., 3] == 0] = 0
        np.testing.assert_array_equal(decoded, picture[..., : decoded.shape[2]])
