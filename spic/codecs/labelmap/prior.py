"""What was learned from training maps: the network, the mixer's weights, and the states that every map begins with."""

import functools
from dataclasses import dataclass

import numpy as np

from spic.codecs.labelmap import previous
from spic.codecs.labelmap.contexts import NUM_CONTEXTS, OUTSIDE
from spic.codecs.labelmap.logistic import COUNT_BITS, STATE_BITS, state
from spic.codecs.labelmap.mixer import MORE_INPUTS, SETS_A, SETS_B, fresh_weights
from spic.codecs.labelmap.network import LIMIT_1, NUM_FEATURES, OUTPUTS, num_rows
from spic.errors import WeightsError

SHIPPED, SHIPPED_AFTER = "labelmap-prior-camvid11", "labelmap-after-camvid11"
RUN_BINS = 16  # contexts of a uniform pixel for every label: 8 heights, and whether the run above is very long
NUM_RUNS, NUM_BIRTHS = 257 * RUN_BINS, 258 * 256
MAX_CLASSES = 64
_NETWORK = ("table", "bias_1", "weights_2", "bias_2", "weights_3", "bias_3")
_MIXER_LIMIT, _STATES = 1 << 24, 1 << (STATE_BITS + COUNT_BITS)


@dataclass(frozen=True)
class Prior:
    """What a coder begins with.

    Attributes
    ----------
    tag : bytes
        Two bytes that name a trained prior in streams: the head of its file's SHA-256; zeros while it has no file.
    classes : int
        Ids from `classes` - 1 on are all one to the network.
    network : tuple of numpy.ndarray
        The six arrays of `network.infer`; of length 0 for none.
    weights : numpy.ndarray
        int32 (sets, inputs), of the mixer.
    runs, births : numpy.ndarray
        int32 states (NUM_RUNS,) of uniform pixels and (NUM_BIRTHS,) of spelt bits.
    """

    tag: bytes
    classes: int
    network: tuple[np.ndarray, ...]
    weights: np.ndarray
    runs: np.ndarray
    births: np.ndarray

    @property
    def after(self) -> bool:
        """Whether it is for maps that are coded given those before."""
        return self.weights.shape[1] == previous.NUM_CONTEXTS + MORE_INPUTS

    @property
    def bits(self) -> int:
        """Bits that labels are at least spelt with, so that the chances trained fit; ids beyond begin fresh."""
        return (self.classes - 1).bit_length()


def fresh_prior(network: tuple[np.ndarray, ...] | None = None, classes: int = 1, after: bool = False) -> Prior:
    """A prior that knows nothing, or nothing but a network; `after`: for maps that are coded given those before."""
    kinds = (np.int16, np.int32)
    none = tuple(np.zeros((0, 0) if place % 2 == 0 else 0, kinds[place % 2]) for place in range(6))
    runs = np.full(NUM_RUNS, state(64, 30), np.int32)
    births = np.full(NUM_BIRTHS, state(32768), np.int32)
    weights = fresh_weights(network is not None, previous.NUM_CONTEXTS if after else NUM_CONTEXTS)
    return Prior(bytes(2), classes, network or none, weights, runs, births)


def _stored_births(births: np.ndarray, bits: int) -> tuple[np.ndarray, tuple]:
    """`births` as a table, and the index of the part of it that a prior stores."""
    contexts = [*range(1 << bits), OUTSIDE, OUTSIDE + 1]
    return births.reshape(-1, 256), np.ix_(contexts, range(1 << bits))


def pack_prior(prior: Prior) -> dict[str, np.ndarray]:
    """The arrays of a prior as its file stores them: name to array."""
    arrays = dict(zip(_NETWORK, prior.network, strict=True))
    arrays["mixer"] = prior.weights
    arrays["runs"] = prior.runs[: RUN_BINS << prior.bits]
    births, part = _stored_births(prior.births, prior.bits)
    arrays["births"] = births[part]
    return arrays


def unpack_prior(arrays: dict[str, np.ndarray], tag: bytes, what: str = "prior", after: bool = False) -> Prior:
    """The prior that `pack_prior` gave; `WeightsError` where an array is missing, misshapen or out of range."""
    first, second, rows = (len(arrays[name]) if name in arrays else 0 for name in ("bias_1", "bias_2", "table"))
    known, features = (previous.num_rows_after, previous.FEATURES) if after else (num_rows, NUM_FEATURES)
    classes = next((count for count in range(2, MAX_CLASSES + 1) if known(count) == rows), 2)
    inputs = (previous.NUM_CONTEXTS if after else NUM_CONTEXTS) + MORE_INPUTS
    labels, i16, i32 = 1 << (classes - 1).bit_length(), np.int16, np.int32
    wanted = {
        "table": ((known(classes), first), i16),
        "bias_1": ((first,), i32),
        "weights_2": ((first, second), i16),
        "bias_2": ((second,), i32),
        "weights_3": ((OUTPUTS, second), i16),
        "bias_3": ((OUTPUTS,), i32),
        "mixer": ((SETS_A + SETS_B, inputs), i32),
        "runs": ((labels * RUN_BINS,), i32),
        "births": ((labels + 2, labels), i32),
    }
    for name, (shape, dtype) in wanted.items():
        array = arrays.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            found = "missing" if array is None else f"{array.dtype} {array.shape}"
            raise WeightsError(f"{what}: {name} is {found}, expected {np.dtype(dtype)} {shape}")
    if not 0 < first <= 1024 or not 0 < second <= 256 or _may_overflow(arrays, features):
        raise WeightsError(f"{what}: the network is too large, or its numbers are")
    mixer = np.ascontiguousarray(arrays["mixer"])
    states = np.concatenate([arrays["runs"], arrays["births"].ravel()])
    if not (
        -_MIXER_LIMIT <= mixer.min() <= mixer.max() <= _MIXER_LIMIT and 0 <= states.min() <= states.max() < _STATES
    ):
        raise WeightsError(f"{what}: a state is out of range")
    prior = fresh_prior(tuple(np.ascontiguousarray(arrays[name]) for name in _NETWORK), classes, after)
    prior.runs[: labels * RUN_BINS] = arrays["runs"]
    births, part = _stored_births(prior.births, prior.bits)
    births[part] = arrays["births"]
    return Prior(tag, classes, prior.network, mixer, prior.runs, prior.births)


def _may_overflow(arrays: dict[str, np.ndarray], features: int) -> bool:
    """Whether a sum of the network could leave int32: the sums wrap differently with numba and without."""
    table, bias_1, weights_2, bias_2 = (abs(arrays[name].astype(np.int64)) for name in _NETWORK[:4])
    sums_1 = features * table.max(axis=0) + bias_1
    sums_2 = LIMIT_1 * weights_2.sum(axis=0) + bias_2
    return max(sums_1.max(), sums_2.max()) >= 1 << 31


def read_prior(path, after: bool = False) -> Prior:
    """Read a prior's file (.safetensors); `WeightsError` if it is missing, damaged or of the other kind."""
    from safetensors.numpy import load_file

    from spic.weights import expand, read_tensors, sha256

    path = expand(path)
    arrays = read_tensors(path, load_file)
    return unpack_prior(arrays, bytes.fromhex(sha256(path)[:4]), str(path), after)


@functools.cache
def shipped_prior(after: bool = False) -> Prior:
    """The prior that comes with the package, its hash checked; read once per process."""
    from spic.weights import shipped

    return read_prior(shipped(SHIPPED_AFTER if after else SHIPPED), after)
