"""A `.spic` file as messages of its own for each section, and what is left of it after a channel."""

from dataclasses import replace

from spic.bitstream import read_spic, split_spic, write_spic
from spic.errors import BitstreamError


def to_messages(data: bytes) -> dict[str, bytes]:
    """Divide a file into messages, {"ssm", "coarse", "residual"} as far as it has them: its head and one section each.

    A file of version 1 is written as version 2 first. The head, some 20 bytes, is in every message, so that each can be
    decoded without the others. `BitstreamError` as `spic.bitstream.read_spic` has it.
    """
    file = read_spic(data)
    parts = split_spic(write_spic(file, version=2))
    head = parts.pop("head")
    return {name: head + section for name, section in parts.items()}


def from_messages(messages: dict[str, bytes]) -> bytes:
    """The file of the messages that arrived; what did not is missing from it. `BitstreamError` if none did."""
    if not messages:
        raise BitstreamError("nothing of the .spic file arrived")
    found = {name: getattr(read_spic(data, allow_missing=True), name) for name, data in messages.items()}
    return write_spic(replace(read_spic(next(iter(messages.values())), allow_missing=True), **found))
