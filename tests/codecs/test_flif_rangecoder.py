"""Range coder and near-zero integers: they undo each other, and the chance table is the one of the format."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spic.codecs.flif import integers
from spic.codecs.flif.rangecoder import transition_table
from spic.codecs.flif.stream import Reader, Writer, new_context
from spic.errors import BitstreamError


def table_step_by_step(cutoff, divisor):
    """The table of the format's description, in plain Python."""
    one, half, top = 1 << 32, 1 << 31, 4096 - cutoff
    alpha = (one - 1) // divisor
    successor = {}
    p, before = half, None
    for _ in range(2048):
        rounded = (p * 4096 + half) >> 32
        if before is not None:
            rounded = max(rounded, before + 1)
            if rounded <= top:
                successor[before] = rounded
        before = rounded
        p += ((one - p) * alpha + half) >> 32
    for state in range(cutoff, top + 1):
        p = state << 20
        p += ((one - p) * alpha + half) >> 32
        successor.setdefault(state, min(max((p * 4096 + half) >> 32, state + 1), top))
    return successor


@pytest.mark.parametrize("cutoff", [1, 2, 5, 64, 128])
@pytest.mark.parametrize("divisor", [2, 3, 6, 19, 128])
def test_transition_table(cutoff, divisor):
    table, wanted = transition_table(cutoff, divisor), table_step_by_step(cutoff, divisor)
    for state, after in wanted.items():
        assert table[1, state] == after
        assert table[0, 4096 - state] == 4096 - after
        assert cutoff <= table[0, state] <= 4096 - cutoff


numbers = st.tuples(st.integers(-600, 600), st.integers(0, 1200), st.integers(0, 1200), st.integers(0, 2))


@settings(max_examples=100, deadline=None)
@given(st.lists(numbers, max_size=60))
def test_round_trip(parts):
    writer, contexts = Writer(), [new_context(), new_context()]
    wanted = []
    for low, size, offset, kind in parts:
        low, high, value = low, low + size, low + min(offset, size)
        wanted.append((low, high, value, kind))
        if kind == 2:
            writer.uniform(low, high, value)
        else:
            writer.integer(contexts[kind], low, high, value)
    data = writer.finish()
    reader, contexts = Reader(data), [new_context(), new_context()]
    for low, high, value, kind in wanted:
        read = reader.uniform(low, high) if kind == 2 else reader.integer(contexts[kind], low, high)
        assert read == value
    reader.check()
    assert reader.coder[2] == len(data)  # not a byte too many


def test_carry_runs_through_many_bytes():
    writer = Writer()
    values = [(1 << 30) - 1] * 40 + [0, 1] * 20
    for value in values:
        writer.uniform(0, (1 << 30) - 1, value)
    reader = Reader(writer.finish())
    assert [reader.uniform(0, (1 << 30) - 1) for _ in values] == values


def test_adaptive_cost_of_a_steady_value():
    """A value that always comes costs next to nothing once its chance has adapted."""
    writer, context = Writer(), new_context()
    for _ in range(5000):
        writer.integer(context, -5, 6, 0)
    assert len(writer.finish()) < 12
    assert context[integers.ZERO] == 4094


def test_reading_past_the_end_is_noticed():
    with pytest.raises(BitstreamError):
        Reader(b"ab")
    reader = Reader(b"abc")
    reader.uniform(0, 255)
    with pytest.raises(BitstreamError):
        reader.check()


def test_contexts_start_as_the_format_says():
    context = integers.fresh_contexts(2)[1]
    assert context[integers.ZERO] == 1000 and context[integers.SIGN] == 2048
    exponents = context[integers.EXPONENT : integers.EXPONENT + 20].reshape(10, 2)
    np.testing.assert_array_equal(exponents[:, 0], [1000, 1200, 1500, 1750, 2000, 2300, 2800, 2400, 2300, 2048])
    np.testing.assert_array_equal(exponents[:, 0], exponents[:, 1])
    np.testing.assert_array_equal(
        context[integers.MANTISSA : integers.MANTISSA + 8], [1900, 1850, 1800, 1750, 1650, 1600, 1600, 2048]
    )
