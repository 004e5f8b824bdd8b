"""How much a rebuilt picture depends on number format and threads: `python benchmarks/determinism.py [PICTURE]`.

Prints, for each pair of settings, the largest and the mean difference in 8-bit steps and the PSNR between the two.
"""

import sys

import numpy as np

from spic import Receiver, Transmitter
from spic.datasets import get_dataset
from spic.machine import set_threads
from spic.metrics import psnr
from spic.pictures.reading import read_picture

SETTINGS = (("float32", 1), ("float32", 1), ("float32", 2), ("bfloat16", 1), ("bfloat16", 2))


def main():
    picture = (
        read_picture(sys.argv[1]) if len(sys.argv) > 1 else get_dataset("street_scenes", None, "val", 1).picture(0)
    )
    bits = Transmitter(device="cpu", dtype="float32").encode(picture)
    results = []
    for dtype, threads in SETTINGS:
        set_threads(threads)
        results.append(Receiver(device="cpu", dtype=dtype).decode(bits))
    first = results[0]
    print(f"{len(bits)} bytes, {first.shape[1]}x{first.shape[0]}; against {SETTINGS[0][0]}, {SETTINGS[0][1]} thread:")
    for (dtype, threads), other in zip(SETTINGS[1:], results[1:], strict=True):
        difference = np.abs(first.astype(int) - other)
        same = "the same bytes" if not difference.any() else f"PSNR {psnr(first, other):.1f} dB"
        print(f"{dtype}, {threads} threads: at most {difference.max()}, mean {difference.mean():.4f}, {same}")


if __name__ == "__main__":
    main()
