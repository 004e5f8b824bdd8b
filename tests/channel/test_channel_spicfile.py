"""A `.spic` file as messages, and what is left of it."""

from itertools import combinations

import pytest

from spic.bitstream import Residual, SpicFile, read_spic, split_spic, write_spic
from spic.channel.spicfile import from_messages, to_messages
from spic.errors import BitstreamError

PLAIN = SpicFile((256, 512), (480, 960), "camvid11", "flif", "bpg", "0123abcd", b"S" * 700, b"C" * 900, seed=3)
FULL = SpicFile(
    (256, 512), (256, 512), "camvid11", "flif", "bpg", "0123abcd", b"S", b"C", residual=Residual("bpg", 2, b"R")
)


@pytest.mark.parametrize("file", [PLAIN, FULL], ids=["version 1", "version 2"])
def test_each_message_is_head_and_section_and_any_of_them_make_a_file(file):
    data = write_spic(file)
    messages, parts = to_messages(data), split_spic(write_spic(file, version=2))
    head = parts.pop("head")
    assert {name: len(one) for name, one in messages.items()} == {k: len(head) + len(v) for k, v in parts.items()}
    assert from_messages(messages) == data
    for names in (names for count in range(1, len(messages)) for names in combinations(messages, count)):
        left = read_spic(from_messages({name: messages[name] for name in names}))
        assert {name for name in messages if getattr(left, name) is not None} == set(names)
        assert all(getattr(left, name) == getattr(file, name) for name in names)
        assert left.original_size == file.original_size and left.seed == file.seed


def test_nothing_arrived():
    with pytest.raises(BitstreamError, match=r"nothing of the \.spic file arrived"):
        from_messages({})
    with pytest.raises(BitstreamError, match="wrong magic"):
        to_messages(b"JPEG")
