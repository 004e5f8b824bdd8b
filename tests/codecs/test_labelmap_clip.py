"""P maps of the label-map coder: exact round trips in order, damage noticed, the same bytes everywhere."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spic.codecs.labelmap import previous, stream
from spic.codecs.labelmap.clip import MapsDecoder, MapsEncoder
from spic.codecs.labelmap.mixer import fresh_weights
from spic.codecs.labelmap.network import OUTPUTS
from spic.codecs.labelmap.prior import Prior, fresh_prior, pack_prior, shipped_prior, unpack_prior
from spic.errors import BitstreamError, DataError, WeightsError
from spic.pictures.reading import read_labels


def moving(seed, count=4, height=32, width=48, labels=9):
    """Maps of a clip: regions that move, and some noise."""
    rng = np.random.default_rng(seed)
    wide = np.kron(rng.integers(0, labels, (12, 24)), np.ones((8, 8), int))
    maps = []
    for i in range(count):
        part = wide[i : i + height, 2 * i : 2 * i + width].copy()
        noise = rng.random(part.shape) < 0.01
        part[noise] = rng.integers(0, labels, noise.sum())
        maps.append(part.astype(np.uint8))
    return maps


def tiny_after(seed=0):
    """A prior of P maps with a random network of 8 and 4 units."""
    rng = np.random.default_rng(seed)
    shapes = [(previous.num_rows_after(13), 8), (8,), (8, 4), (4,), (OUTPUTS, 4), (OUTPUTS,)]
    network = tuple(
        rng.integers(-300, 300, shape).astype(np.int32 if len(shape) == 1 else np.int16) for shape in shapes
    )
    fresh = fresh_prior(network, 13, after=True)
    weights = fresh_weights(True, previous.NUM_CONTEXTS)
    return Prior(b"\3\4", 13, network, weights, fresh.runs, fresh.births)


AFTER = {"plain": None, "tiny": tiny_after()}


@st.composite
def clips(draw):
    """Up to 5 maps of one size, each made from the one before: moved, changed in a block, noisy, new, or the same."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    labels = draw(st.sampled_from([1, 2, 12, 256]))
    maps = [np.kron(rng.integers(0, labels, (3, 3)), np.ones((8, 8)))[:height, :width].astype(np.uint8)]
    for kind in draw(st.lists(st.sampled_from(["same", "moved", "block", "noise", "new"]), max_size=4)):
        new = maps[-1].copy()
        if kind == "moved":
            new = np.roll(new, rng.integers(-3, 4, 2), (0, 1))
        elif kind == "block":
            y, x = rng.integers(0, (height, width))
            new[y : y + 5, x : x + 7] = rng.integers(0, labels)
        elif kind in ("noise", "new"):
            where = rng.random(new.shape) < (0.05 if kind == "noise" else 1)
            new[where] = rng.integers(0, labels, where.sum())
        maps.append(new)
    return maps, draw(st.lists(st.booleans(), min_size=len(maps), max_size=len(maps)))


@settings(max_examples=60, deadline=None)
@given(clips(), st.sampled_from(sorted(AFTER)))
def test_round_trip(clip, after):
    maps, alone = clip
    encoder, decoder = (kind(None, AFTER[after]) for kind in (MapsEncoder, MapsDecoder))
    for labels, by_itself in zip(maps, alone, strict=True):
        data = encoder.encode(labels, by_itself)
        np.testing.assert_array_equal(decoder.decode(data), labels)
        assert not by_itself or data == stream.encode(labels)


def coded(maps, after=None):
    encoder = MapsEncoder(None, after)
    return [encoder.encode(labels) for labels in maps]


def test_p_maps_are_smaller_and_still_ones_cost_nothing():
    maps = moving(1, 6, 64, 96)
    assert sum(map(len, coded(maps)[1:])) < 0.8 * sum(len(stream.encode(labels)) for labels in maps[1:])
    assert max(map(len, coded([maps[0]] * 6)[2:])) < 60


def test_decoding_begins_at_any_map_by_itself():
    maps = moving(2, 6)
    encoder = MapsEncoder()
    data = [encoder.encode(labels, alone=i == 3) for i, labels in enumerate(maps)]
    decoder = MapsDecoder()
    with pytest.raises(BitstreamError, match="not there"):
        decoder.decode(data[1])
    for labels, one in zip(maps[3:], data[3:], strict=True):
        np.testing.assert_array_equal(decoder.decode(one), labels)


@pytest.mark.parametrize("kind", sorted(AFTER))
def test_every_damage_is_noticed_and_ends_the_chain(kind):
    maps = moving(3, 3, 16, 24)
    data, rng = coded(maps, AFTER[kind]), np.random.default_rng(0)
    for position in range(0, len(data[1]), 3):
        broken = bytearray(data[1])
        broken[position] ^= 1 << rng.integers(8)
        decoder = MapsDecoder(None, AFTER[kind])
        decoder.decode(data[0])
        with pytest.raises(BitstreamError):
            decoder.decode(bytes(broken))
        with pytest.raises(BitstreamError, match="not there"):
            decoder.decode(data[2])
    for size in range(0, len(data[1]), 5):
        decoder = MapsDecoder(None, AFTER[kind])
        decoder.decode(data[0])
        with pytest.raises(BitstreamError):
            decoder.decode(data[1][:size])


def test_a_map_that_builds_on_another_map_is_refused():
    data = coded(moving(4, 3))
    decoder = MapsDecoder()
    decoder.decode(data[0])
    with pytest.raises(BitstreamError):
        decoder.decode(data[2])


def test_another_prior_is_refused():
    data = coded(moving(5, 2), AFTER["tiny"])
    decoder = MapsDecoder()
    decoder.decode(data[0])
    with pytest.raises(BitstreamError, match="coded with prior 0304, this codec has no prior"):
        decoder.decode(data[1])


def test_wrong_arrays():
    encoder = MapsEncoder()
    encoder.encode(np.zeros((4, 6), np.uint8))
    for wrong in (np.zeros((4, 7), np.uint8), np.zeros((4, 6), np.int32), np.zeros((4, 6, 1), np.uint8)):
        with pytest.raises(DataError):
            encoder.encode(wrong)


def test_what_is_given_may_change_afterwards():
    maps = moving(6, 3)
    encoder, decoder, buffer = MapsEncoder(), MapsDecoder(), np.zeros_like(maps[0])
    for labels in maps:
        buffer[:] = labels
        found = decoder.decode(encoder.encode(buffer))
        np.testing.assert_array_equal(found, labels)
        found[:] = buffer[:] = 99


def test_priors_of_both_kinds_are_told_apart():
    arrays = pack_prior(AFTER["tiny"])
    again = unpack_prior(arrays, b"\3\4", after=True)
    assert coded(moving(7), again) == coded(moving(7), AFTER["tiny"])
    with pytest.raises(WeightsError, match=r"table|mixer"):
        unpack_prior(arrays, b"\3\4")


DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.mark.parametrize("kind", ["plain", "shipped"])
def test_stored_streams(kind):
    """Bytes written once: every machine must read them, and write them again."""
    labels = read_labels(DATA / "labelmap" / "scene.png")
    maps = [np.roll(labels, 2 * i, 1) for i in range(3)]
    encoder, decoder = (k() if kind == "plain" else k.shipped() for k in (MapsEncoder, MapsDecoder))
    for i, one in enumerate(maps):
        data = encoder.encode(one)
        if i:
            assert data == (DATA / "labelmap-clip" / f"{kind}-{i}.lmap").read_bytes()
        np.testing.assert_array_equal(decoder.decode(data), one)


_SCRIPT = """
import hashlib, json, sys
sys.path.insert(0, {folder!r})
from test_labelmap_clip import AFTER, coded, moving
print(json.dumps([[hashlib.sha256(d).hexdigest() for d in coded(moving(8, 3, 9, 14), a)] for a in AFTER.values()]))
"""


def test_same_bytes_with_numba_off():
    script = _SCRIPT.format(folder=str(Path(__file__).parent))
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    own = [[hashlib.sha256(d).hexdigest() for d in coded(moving(8, 3, 9, 14), a)] for a in AFTER.values()]
    assert json.loads(done.stdout) == own


def test_the_shipped_priors_pay():
    maps = moving(9, 3, 64, 96)
    encoder, decoder = MapsEncoder.shipped(), MapsDecoder.shipped()
    assert encoder.after is shipped_prior(after=True)
    for labels in maps:
        np.testing.assert_array_equal(decoder.decode(encoder.encode(labels)), labels)
