"""What the bytes of `.spic` files consist of: numbers of variable length, and a reader that never goes past the end."""

from spic.errors import BitstreamError, ConfigError

_MAX_NUMBER = 1 << 63


def number(value: int) -> bytes:
    """Base-128, most significant group first; all bytes but the last have bit 7 set."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_NUMBER:
        raise ConfigError(f"a .spic file can not store {value!r}: expected a whole number from 0 to 2**63 - 1")
    groups = [value & 127]
    while value := value >> 7:
        groups.append(value & 127 | 128)
    return bytes(reversed(groups))


class Reader:
    """Takes bytes and numbers from the front; never more than there are."""

    def __init__(self, data: bytes, position: int = 0):
        self.data, self.position = data, position

    def done(self) -> bool:
        return self.position == len(self.data)

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.position:
            raise BitstreamError("the .spic file ends early")
        self.position += count
        return self.data[self.position - count : self.position]

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.position)

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        value = self.byte()
        if value == 0x80:
            raise BitstreamError(".spic: a number with a leading zero group")
        if value < 128:
            return value
        value &= 127
        while True:
            byte = self.byte()
            value = value << 7 | byte & 127
            if value >= _MAX_NUMBER:
                raise BitstreamError(".spic: a number is out of range")
            if byte < 128:
                return value

    def numbers(self) -> list[int]:
        """All numbers up to the end."""
        found = []
        while not self.done():
            found.append(self.number())
        return found
