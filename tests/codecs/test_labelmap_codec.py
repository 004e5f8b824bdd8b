"""The label-map coder: exact round trips, one error for damaged bytes, the same bytes everywhere."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spic.codecs import get_codec
from spic.codecs.labelmap import stream
from spic.codecs.labelmap.mixer import fresh_weights
from spic.codecs.labelmap.network import OUTPUTS, num_rows
from spic.codecs.labelmap.prior import Prior, fresh_prior
from spic.datasets import get_dataset
from spic.errors import BitstreamError, ConfigError, DataError
from spic.pictures.reading import read_labels

PLAIN = get_codec("labelmap-plain")
DATA = Path(__file__).resolve().parent.parent / "data" / "labelmap"


def scene(seed, height=48, width=64, labels=12):
    """A label map with large regions, stripes and small objects."""
    rng = np.random.default_rng(seed)
    result = np.repeat(np.sort(rng.integers(0, labels, -(-height // 8))), 8)[:height, None] * np.ones((1, width), int)
    for _ in range(12):
        y, x, h, w = rng.integers(0, (height, width, 20, 20))
        result[y : y + h, x : x + w] = rng.integers(0, labels)
    return result.astype(np.uint8)


def tiny_prior(seed=0):
    """A prior with a random network of 8 and 4 units."""
    rng = np.random.default_rng(seed)
    shapes = [(num_rows(13), 8), (8,), (8, 4), (4,), (OUTPUTS, 4), (OUTPUTS,)]
    network = tuple(
        rng.integers(-300, 300, shape).astype(np.int32 if len(shape) == 1 else np.int16) for shape in shapes
    )
    fresh = fresh_prior(network, 13)
    return Prior(b"\1\2", 13, network, fresh_weights(True), fresh.runs, fresh.births)


PRIORS = {"plain": None, "tiny": tiny_prior()}


@st.composite
def label_maps(draw):
    """Noise, blocks, stripes and constants, with few or many labels, from 1x1 up."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    table = rng.permutation(256)[: draw(st.sampled_from([1, 2, 3, 12, 40, 256]))].astype(np.uint8)
    y, x = np.mgrid[:height, :width]
    step = draw(st.integers(1, 9))
    index = {
        "noise": rng.integers(0, len(table), (height, width)),
        "blocks": rng.integers(0, 99, (9, 9))[y * 9 // height, x * 9 // width],
        "rows": y // step,
        "columns": x // step,
        "diagonal": (x + y) // step,
    }[draw(st.sampled_from(["noise", "blocks", "rows", "columns", "diagonal"]))]
    return table[index % len(table)]


@settings(max_examples=150, deadline=None)
@given(label_maps(), st.sampled_from(sorted(PRIORS)))
def test_round_trip(labels, prior):
    data = stream.encode(labels, PRIORS[prior])
    decoded = stream.decode(data, PRIORS[prior])
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, labels)


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_round_trip_of_anything(labels):
    np.testing.assert_array_equal(PLAIN.decode(PLAIN.encode(labels)), labels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (256, 512), (257, 129), (300, 400)])
@pytest.mark.parametrize("top", [0, 1, 11, 255])
def test_round_trip_of_sizes(shape, top):
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = ((x // 7 + y // 5) % (top + 1)).astype(np.uint8)
    np.testing.assert_array_equal(PLAIN.decode(PLAIN.encode(labels)), labels)


def test_noise_is_not_blown_up():
    labels = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    assert len(PLAIN.encode(labels)) < 1.5 * labels.size


def test_smaller_than_flif_and_constant_maps_cost_nothing():
    flif, scenes = get_codec("flif"), get_dataset("street_scenes", None, "test", 2, (128, 256))
    maps = [scenes.labels(i) for i in range(2)]
    assert sum(len(PLAIN.encode(m)) for m in maps) < sum(len(flif.encode(m)) for m in maps)
    assert len(PLAIN.encode(np.full((256, 512), 3, np.uint8))) < 60


def test_carries_run_through_the_stream():
    """Streams whose low end crosses bytes of 255: thousands of short ones meet every case."""
    rng = np.random.default_rng(3)
    for _ in range(1500):
        labels = rng.integers(0, 2 + rng.integers(0, 5), (3, 5), dtype=np.uint8)
        np.testing.assert_array_equal(PLAIN.decode(PLAIN.encode(labels)), labels)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.int32),
        np.zeros((0, 4), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros(4, np.uint8),
        [[1]],
    ],
    ids=range(5),
)
def test_wrong_arrays(image):
    with pytest.raises(DataError):
        PLAIN.encode(image)


def test_settings_are_refused():
    with pytest.raises(ConfigError):
        PLAIN.encode(scene(0), quality=3)


def test_every_cut_and_every_tail_is_refused():
    data = PLAIN.encode(scene(2))
    for size in range(len(data)):
        with pytest.raises(BitstreamError):
            PLAIN.decode(data[:size])
    for tail in (b"\0", b"\1", b"\xff", b"\0\0\0\0\0", b"more"):
        with pytest.raises(BitstreamError):
            PLAIN.decode(data + tail)


def test_every_damage_is_noticed():
    data = PLAIN.encode(scene(3))
    rng = np.random.default_rng(0)
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= 1 << rng.integers(8)
        with pytest.raises(BitstreamError):
            PLAIN.decode(bytes(broken))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x14\x00\x1f\x1f", b"\x14\x02", b"\x18\x00\xff\x01\xff\x01"]))
def test_any_bytes_give_a_map_or_an_error(body, head):
    try:
        assert PLAIN.decode(head + body).dtype == np.uint8
    except BitstreamError:
        pass


def _numbers(height, width):
    return stream._number(height - 1) + stream._number(width - 1)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "expected bytes"),
        (b"", "ends in its header"),
        (b"FLIF16aaaaaa", "version"),
        (b"\x24\x00\x01\x01aaaaaaa", "version"),
        (b"\x19\x00\x01\x01aaaaaaa", "header"),
        (b"\x14\x80\x01\x01aaaaaaa", "header"),
        (b"\x14\x00" + b"\xff" * 9, "header"),
        (b"\x14\x00" + _numbers(1 << 30, 1 << 30), "pixels"),
        (b"\x14\x00" + _numbers(1 << 12, 1 << 12) + b"abcd" + b"\0" * 20, "cannot hold"),
        (b"\x14\x00" + _numbers(300, 300) + b"abcd" + b"\x55" * 4, "too early"),
        (b"\x14\x01\x01\x01\xab\xcdaaaa", "prior abcd"),
    ],
)
def test_refusals(data, text):
    with pytest.raises(BitstreamError, match=text):
        PLAIN.decode(data)


def test_a_stream_that_ends_within_a_row_of_millions_is_refused_at_once():
    head = bytes([stream.VERSION << 4 | 4, 0]) + stream._number(4) + stream._number(2_600_000)
    data = head + bytes(4) + np.random.default_rng(0).integers(0, 256, 60, np.uint8).tobytes()
    for _ in range(2):  # compiled the first time
        began = time.process_time()
        with pytest.raises(BitstreamError, match="ends too early"):
            PLAIN.decode(data)
    assert time.process_time() - began < 0.7  # 4 s where the whole row was decoded first


def test_another_prior_is_refused_in_one_line():
    data = stream.encode(scene(1), PRIORS["tiny"])
    other = tiny_prior(1)
    with pytest.raises(BitstreamError, match=r"coded with prior 0102, this codec has no prior$"):
        stream.decode(data)
    with pytest.raises(BitstreamError, match=r"coded with prior 0102, this codec has prior 0908$"):
        stream.decode(data, Prior(b"\x09\x08", 13, other.network, other.weights, other.runs, other.births))


def test_stored_stream():
    """Bytes written once: every machine must read them, and write them again."""
    labels = read_labels(DATA / "scene.png")
    data = (DATA / "scene.lmap").read_bytes()
    np.testing.assert_array_equal(PLAIN.decode(data), labels)
    assert PLAIN.encode(labels) == data


def test_stored_stream_with_the_shipped_prior():
    labels = read_labels(DATA / "scene.png")
    data = (DATA / "scene-prior.lmap").read_bytes()
    codec = get_codec("labelmap")
    np.testing.assert_array_equal(codec.decode(data), labels)
    assert codec.encode(labels) == data


_SCRIPT = """
import hashlib, json, sys
sys.path.insert(0, {folder!r})
from test_labelmap_codec import PRIORS, scene, stream
out = []
for labels in (scene(5, 12, 22), scene(6, 7, 13, 200)):
    for prior in PRIORS.values():
        data = stream.encode(labels, prior)
        assert (stream.decode(data, prior) == labels).all()
        out.append(hashlib.sha256(data).hexdigest())
print(json.dumps(out))
"""


def test_same_bytes_with_numba_off_and_in_another_process():
    script = _SCRIPT.format(folder=str(Path(__file__).parent))
    answers = []
    for off in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": off, "PYTHONHASHSEED": off, "PYTHONWARNINGS": "error"}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    assert answers[0] == answers[1]


def test_same_bytes_for_other_memory_orders():
    assert PLAIN.encode(np.asfortranarray(scene(1))) == PLAIN.encode(scene(1))
