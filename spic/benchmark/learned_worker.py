"""Runs a learned codec in another Python environment for `spic.benchmark.learned`: arrays and bytes over pipes.

This file runs by itself with Python 3.8 or newer and numpy, and imports nothing of spic. A message, both ways, is the
length of a JSON table (4 bytes, big-endian), the table, and as many bytes as its key `bytes` says. Nothing is pickled.
"""

import importlib
import importlib.util
import json
import os
import struct
import sys
from functools import reduce

GROUP = "spic.learned"  # of entry points in the environment of the codec


def load(codec, options):
    """Make the codec: "module:name", "file.py:name", or the name of an entry point of the group `spic.learned`."""
    source, colon, name = codec.rpartition(":")
    if not colon:
        from importlib.metadata import entry_points

        points = entry_points()
        points = points.select(group=GROUP) if hasattr(points, "select") else points.get(GROUP, [])
        for point in points:
            if point.name == codec:
                return point.load()(**options)
        raise LookupError(f"no entry point {codec!r} of the group {GROUP}")
    if source.endswith(".py"):
        path = os.path.abspath(os.path.expanduser(source))
        sys.path.insert(0, os.path.dirname(path))
        spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(source)
    return reduce(getattr, name.split("."), module)(**options)


def answer(codec, table, data):
    """What the codec makes of a request: a table and bytes."""
    import numpy as np

    if table["do"] == "compress":
        image = np.frombuffer(data, np.uint8).reshape(table["shape"])
        found = codec.compress(image.copy(), table["quality"])
        if not isinstance(found, (bytes, bytearray)):
            raise TypeError(f"compress gave {type(found).__name__}, not bytes")
        return {}, bytes(found)
    image = np.asarray(codec.decompress(data))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise TypeError(f"decompress gave {image.dtype} {image.shape}, not uint8 (height, width, 3)")
    return {"shape": list(image.shape)}, image.tobytes()


def read(stream):
    """The next message, (table, bytes); None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    table = json.loads(stream.read(*struct.unpack(">I", head)))
    return table, stream.read(table["bytes"])


def write(stream, table, data=b""):
    """Send a message."""
    text = json.dumps({**table, "bytes": len(data)}).encode()
    stream.write(struct.pack(">I", len(text)) + text + data)
    stream.flush()


def main():
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a codec prints does not get between the messages
    codec = None
    for table, data in iter(lambda: read(requests), None):
        try:
            if table["do"] == "open":
                codec, found = load(table["codec"], table["options"]), ({}, b"")
            else:
                found = answer(codec, table, data)
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}, b""
        write(answers, *found)


if __name__ == "__main__":
    main()
