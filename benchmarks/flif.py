"""Size and speed of the FLIF codec on label maps: python benchmarks/flif.py [folder of label maps] [--limit N].

The maps of the folder (PNG, one 8-bit channel) are brought to the working size of 256x512. Without a folder, synthetic
street maps are drawn. Kernels are compiled before the clock starts; times are CPU time of this one thread.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from spic.codecs.flif import FlifCodec, encoder
from spic.pictures import reading as images
from spic.pictures.sizes import WORKING_SIZE, to_working_size


def street_map(seed: int) -> np.ndarray:
    """A drawn street: sky, skyline, road in perspective, cars, poles, trees; uint8 (256, 512), labels 0..11."""
    rng = np.random.default_rng(seed)
    height, width = WORKING_SIZE
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.uint8)
    roofs = np.repeat(rng.integers(20, 110, width // 16), 16)
    labels[y > roofs] = 1
    horizon = int(rng.integers(110, 150))
    centre, slope = rng.uniform(200, 300), rng.uniform(1.2, 2.2)
    labels[y > horizon] = 4
    labels[(y > horizon) & (abs(x - centre) < 30 + slope * (y - horizon))] = 3
    for _ in range(rng.integers(4, 12)):
        label = int(rng.choice([5, 8, 9, 10]))
        cy, cx, size = rng.integers(90, 210), rng.integers(0, width), rng.integers(5, 35)
        ragged = size * (1 + 0.15 * np.sin(np.arctan2(y - cy, x - cx) * rng.integers(3, 9) + rng.uniform(0, 6)))
        labels[np.hypot(y - cy, (x - cx) / rng.uniform(0.6, 2)) < ragged] = label
    for _ in range(rng.integers(2, 8)):
        at, top = rng.integers(0, width - 4), rng.integers(20, 100)
        labels[top : horizon + 20, at : at + rng.integers(1, 4)] = 2
        labels[top : top + 12, at : at + 9] = 6
    return labels


def measure(maps: list[np.ndarray], encode, decode) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean bytes, and seconds of each map for encoding and decoding; stops where a map comes back different."""
    sizes, encoding, decoding = [], [], []
    for labels in maps:
        started = time.thread_time()
        data = encode(labels)
        between = time.thread_time()
        decoded = decode(data)
        decoding.append(time.thread_time() - between)
        encoding.append(between - started)
        sizes.append(len(data))
        if not np.array_equal(decoded, labels):
            raise SystemExit("a map came back different")
    return float(np.mean(sizes)), np.array(encoding), np.array(decoding)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="label maps; default: drawn street maps")
    parser.add_argument("--limit", type=int, default=None, help="first n maps by name, or how many to draw (16)")
    arguments = parser.parse_args()
    if arguments.folder:
        paths = sorted(arguments.folder.glob("*.png"))[: arguments.limit]
        maps = [to_working_size(images.read_labels(path)) for path in paths]
    else:
        maps = [street_map(seed) for seed in range(arguments.limit or 16)]
    if not maps:
        raise SystemExit(f"no PNG files in {arguments.folder}")

    codec = FlifCodec()
    ways = {
        "flif": codec.encode,
        "flif, interlaced": lambda labels: encoder.encode(labels[None], interlace=True),
    }
    started = time.perf_counter()
    for encode in ways.values():
        codec.decode(encode(maps[0]))
    print(f"first calls, with compiling or loading from the disk cache: {time.perf_counter() - started:.1f} s")
    print(f"{len(maps)} label maps of {maps[0].shape[0]}x{maps[0].shape[1]}\n")
    print("| coder | bytes | bpp | encode ms (median, max) | decode ms (median, max) |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, encode in ways.items():
        size, encoding, decoding = measure(maps, encode, codec.decode)
        times = " | ".join(f"{1000 * np.median(t):.0f}, {1000 * t.max():.0f}" for t in (encoding, decoding))
        print(f"| {name} | {size:.0f} | {8 * size / maps[0].size:.4f} | {times} |")


if __name__ == "__main__":
    main()
