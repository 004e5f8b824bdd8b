"""Layered coding with a residual against BPG at equal PSNR, on drawn street scenes: python benchmarks/dsslic.py.

Rate and PSNR are means over the scenes, the rate that of all payloads. BPG's rate at the same PSNR is read from its own
points, logarithm of the rate over PSNR, nothing extrapolated. "bfloat16" is the PSNR where a receiver rebuilt in that
format the image to which it adds a residual that was taken against float32; ours never does.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from spic import Receiver, Transmitter
from spic.bitstream import read_spic, write_spic
from spic.codecs import get_codec
from spic.codecs.residual import add_residual
from spic.datasets import get_dataset
from spic.machine import set_threads
from spic.metrics import psnr, rate_at

COARSE_QPS, RESIDUAL_QPS = (25, 35, 45), (12, 20, 28, 36)
BPG_QPS = (8, 14, 20, 26, 32, 38, 44)
COLUMNS = ["coarse_qp", "residual_qp", "bpp", "psnr", "psnr_bfloat16", "bpp_bpg_420", "bpp_bpg_444"]


def bpg_curve(pictures, chroma: str) -> tuple[list[float], list[float]]:
    """Mean rates and PSNRs of BPG itself."""
    codec, rates, values = get_codec("bpg"), [], []
    for qp in BPG_QPS:
        print(f"BPG {chroma}, QP {qp}", flush=True)
        coded = [codec.encode(picture, qp=qp, chroma=chroma) for picture in pictures]
        rates.append(np.mean([8 * len(c) / (p.shape[0] * p.shape[1]) for c, p in zip(coded, pictures, strict=True)]))
        values.append(np.mean([psnr(p, codec.decode(c)) for c, p in zip(coded, pictures, strict=True)]))
    return rates, values


def layered(scenes, coarse_qp: int, residual_qps) -> dict[int, tuple[float, float, float]]:
    """Mean rate, PSNR, and PSNR after bfloat16, by the residual's QP."""
    sender = Transmitter(device="cpu", dtype="float32")
    exact, rounded = (Receiver(device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    found = {qp: [] for qp in residual_qps}
    for picture, labels in scenes:
        prepared = sender.prepare(picture, labels)
        plain = write_spic(sender.code(prepared, coarse_qp))
        base = rounded.decode(plain)
        for qp in residual_qps:
            data = write_spic(sender.code(prepared, coarse_qp, qp))
            levels = exact.parts(data).residual
            file = read_spic(data)
            rebuilt = add_residual(base, levels, file.residual.scale)
            found[qp].append((file.bpp, psnr(picture, exact.decode(data)), psnr(picture, rebuilt)))
        if write_spic(replace(read_spic(data), residual=None)) != plain:
            raise SystemExit("the residual changed what is below it")
    return {qp: tuple(np.mean(values, axis=0)) for qp, values in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--coarse-qp", type=int, nargs="+", default=COARSE_QPS)
    parser.add_argument("--residual-qp", type=int, nargs="+", default=RESIDUAL_QPS)
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    options = parser.parse_args()
    set_threads(1)
    drawn = get_dataset("street_scenes", None, "val", options.scenes)
    scenes = [(drawn.picture(i), drawn.labels(i)) for i in range(options.scenes)]
    curves = [bpg_curve([picture for picture, _ in scenes], chroma) for chroma in ("420", "444")]
    rows = []
    for coarse_qp in options.coarse_qp:
        for qp, (rate, quality, rounded) in layered(scenes, coarse_qp, options.residual_qp).items():
            same = [f"{at:.4f}" if (at := rate_at(*curve, quality)) == at else "" for curve in curves]
            rows.append([coarse_qp, qp, f"{rate:.4f}", f"{quality:.2f}", f"{rounded:.2f}", *same])
            print(dict(zip(COLUMNS, rows[-1], strict=True)), flush=True)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
